//! The pool as an engine: what callers ask of it.

use std::sync::Arc;
use std::time::Instant;

use super::core::Core;
use super::driver::Driver;
use super::state::blame::Sent;
use super::state::placement::Ask;
use super::state::{Event, Whereabouts};
use crate::engine::batch::{Batch, Sink};
use crate::engine::call_id::CallId;
use crate::engine::waiter::Waiter;
use crate::engine::{Aim, CallPlace, Engine, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::process::reactor;
use crate::run::registry::Entry;
use crate::sys::process::KILL;
use crate::tuning::SLOTS;

impl Engine for Driver {
    fn shape(&self) -> Shape {
        let workers = self.settings.workers;
        Shape {
            workers,
            workers_for_short: workers.min(self.cores),
            // Those in its lane, and one that waits.
            chunks_ahead: SLOTS + 1,
            most_items: usize::MAX,
        }
    }

    fn pace(&self, entry: &'static Entry) -> Option<std::time::Duration> {
        // A forked process is refused when it makes a call.
        reactor::check_not_forked().ok()?;
        let pace = entry.pace()?;
        // A pace may prove wrong: then items that were not started must go to other workers.
        let mends = self.enter().state.workers().any(|worker| worker.divides);
        mends.then_some(pace)
    }

    fn accept(&self, batch: Box<Batch>) -> Result<()> {
        self.add(batch)
    }

    fn drive(&self, deadline: Option<Instant>, is_ready: &mut dyn FnMut(&Arc<Waiter>) -> bool) -> bool {
        self.wait(deadline, |_, waiter| is_ready(waiter).then_some(())).is_some()
    }

    fn poll(&self) {
        // Entering arranges that the reactor hears of what is watched.
        let mut core = self.enter();
        self.pump(&mut core);
    }

    fn abandon(&self, sink: &dyn Sink) {
        if reactor::check_not_forked().is_err() {
            return;
        }
        let mut core = self.enter();
        core.handle(Event::Abandoned { places: sink.places() }, Instant::now());
        self.pump(&mut core);
    }

    fn withdraw(&self, call: CallId, sink: &dyn Sink) -> bool {
        let mut entered = self.enter();
        let core = &mut *entered;
        self.pump(core);
        let found = core.state.find(call, &sink.places());
        if let Some(Whereabouts::Held { worker, parcel, item }) = found {
            let now = Instant::now();
            self.ask_for(core, Ask::Revoke { worker, parcel }, now);
            if core.state.worker(worker).is_some_and(|worker| worker.held(parcel).is_some()) {
                self.ask_for(core, Ask::Divide { worker, parcel, keep: item }, now);
            }
        }
        let is_withdrawn = core.state.withdraw(call, &sink.places(), &mut core.effects);
        if found.is_some() {
            // The calls that it travelled with wait again.
            self.pump(core);
        }
        is_withdrawn
    }

    fn signal(&self, call: CallId, signal: i32, stuck: bool) -> Aim {
        // In a fork, a thread that does not exist there may hold the lock for ever.
        if let Err(error) = reactor::check_not_forked() {
            return Aim::Refused(Error::new(ErrorKind::Signal(error)));
        }
        let mut core = self.enter();
        signal_worker(self, &mut core, call, signal, stuck)
    }

    fn place(&self, call: CallId, sink: &dyn Sink) -> CallPlace {
        let mut core = self.enter();
        self.pump(&mut core);
        let (worker, parcel, item) = match core.state.find(call, &sink.places()) {
            Some(Whereabouts::Held { worker, parcel, item }) => (worker, parcel, item),
            Some(Whereabouts::Queued) => return CallPlace::Queued,
            None => return CallPlace::Over,
        };
        let Some(line) = &core.lines[worker] else { return CallPlace::Queued };
        let progress = line.lane.progress(parcel);
        match progress.taken && progress.started > item {
            true if progress.done > item => CallPlace::Over,
            true => CallPlace::Running { pid: Some(line.child.pid()) },
            false => CallPlace::Queued,
        }
    }
}

/// Signals the worker that runs a call.
fn signal_worker(driver: &Driver, core: &mut Core, call: CallId, signal: i32, stuck: bool) -> Aim {
    let Some(Whereabouts::Held { worker, parcel, item }) = core.state.find(call, &[]) else { return Aim::Between };
    let Some(line) = &core.lines[worker] else { return Aim::Between };
    let progress = line.lane.progress(parcel);
    if progress.taken && progress.done > item {
        return Aim::Late;
    }
    let runs = progress.taken && !progress.ended && progress.started == item + 1;
    // The worker is about to start the item, or was stopped there; no other item of the parcel is under way.
    let waits = progress.taken && !progress.ended && progress.started == item && progress.done == item;
    if !(runs || stuck && waits) {
        return Aim::Between;
    }
    #[cfg(test)]
    super::tests::looked(line, parcel);
    // The call may end right now, and the signal must not hit the item behind it: so later items go to other workers. A parcel
    // that the worker has taken up meanwhile runs again after its death.
    let now = Instant::now();
    let behind = core.state.worker(worker).and_then(|its| its.held.back()).map(|held| held.number);
    if let Some(behind) = behind.filter(|&behind| behind != parcel) {
        driver.ask_for(core, Ask::Revoke { worker, parcel: behind }, now);
    }
    driver.ask_for(core, Ask::Divide { worker, parcel, keep: item + 1 }, now);
    let Some(line) = &core.lines[worker] else { return Aim::Between };
    let sent = if signal == KILL { line.child.kill() } else { line.child.signal(signal) };
    match sent {
        Ok(()) => {
            core.handle(Event::Signalled { worker, sent: Sent { parcel, item, signal } }, now);
            // A call that was not begun is cancelled once its worker has died of this; until then the handle asks again.
            if runs { Aim::Hit } else { Aim::Between }
        }
        Err(error) => Aim::Refused(Error::new(ErrorKind::Signal(error)).in_process(line.child.pid())),
    }
}
