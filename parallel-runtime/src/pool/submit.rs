//! A submitted call: one item, one handle.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::batch::{Batch, Calls, Sink, Terms};
use super::driver::Driver;
use super::state::blame::Sent;
use super::state::load::{CallId, History};
use super::state::placement::Ask;
use super::state::{Event, Whereabouts};
use super::values::Values;
use crate::config::SIGNAL_PATIENCE;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Callback, Flight, Landing, Outcome, run_callbacks};
use crate::process::reactor;
use crate::registry::Entry;
use crate::sys::process::KILL;
use crate::wire::ends::Ends;
use crate::wire::payload::Payload;

/// How often one who looks for a call that is neither waiting nor running nor over gives way before he sleeps: some microseconds
/// lie between the two.
const YIELDS: usize = 100;
/// How long he sleeps then.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);
/// A worker that has taken a call up for so long and not begun with it has been stopped there.
const STUCK_AFTER: Duration = Duration::from_millis(200);

/// What becomes of a signal for a call that a worker holds.
enum Aim {
    /// The worker runs it, and was signalled, or the system refused that.
    Hit(Result<()>),
    /// Its value, or its failure, is ready, and on its way.
    Late,
    /// The worker has taken it up and not begun with it, or no worker holds it just now.
    Between,
}

/// A submitted call in flight.
pub(crate) struct Submitted {
    pool: Arc<Driver>,
    call: CallId,
    entry: &'static Entry,
    landing: Landing,
    /// Somebody who does not wait here wants to be called.
    watched: AtomicBool,
}

impl Submitted {
    /// Hands a call with these argument bytes to the pool.
    pub(crate) fn submit(
        pool: &Arc<Driver>,
        entry: &'static Entry,
        arguments: Payload,
        terms: Arc<Terms>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let call = CallId(NEXT.fetch_add(1, Ordering::Relaxed));
        let submitted = Arc::new(Self {
            pool: Arc::clone(pool),
            call,
            entry,
            landing: Landing::default(),
            watched: AtomicBool::new(false),
        });
        let batch = Box::new(Batch {
            entry: Some(entry),
            merge: None,
            ends: Ends::one(arguments.bytes.len()),
            bytes: arguments.bytes,
            handles: arguments.handles,
            consecutive: false,
            pace: entry.pace(),
            calls: Calls::from_slice(&[call]),
            first: 0,
            history: History::default(),
            terms,
            sink: Arc::clone(&submitted) as Arc<dyn Sink>,
        });
        if let Err(error) = pool.add(batch) {
            run_callbacks(submitted.landing.finish(Err(error.in_function(entry.name()))));
        }
        submitted
    }

    /// Signals the worker that runs it. `stuck`: one that has taken it up for long and not begun with it, as well.
    fn signal_running(&self, signal: i32, stuck: bool) -> Aim {
        let mut entered = self.pool.enter();
        let core = &mut *entered;
        let Some(Whereabouts::Held { worker, parcel, item }) = core.state.find(self.call) else { return Aim::Between };
        let Some(line) = core.lines[worker].as_ref() else { return Aim::Between };
        let progress = line.lane.progress(parcel);
        if progress.taken && progress.done > item {
            return Aim::Late;
        }
        let runs = progress.taken && !progress.ended && progress.started == item + 1;
        // It is made ready, or its worker was stopped there; nothing of others is under way in the parcel.
        let waits = progress.taken && !progress.ended && progress.started == item && progress.done == item;
        if !(runs || stuck && waits) {
            return Aim::Between;
        }
        #[cfg(test)]
        tests::looked(line, parcel);
        // Should it end right now, the signal must not hit what is behind it: that goes elsewhere, and should the worker have
        // taken it up already, it is run again.
        let now = Instant::now();
        let behind = core.state.worker(worker).and_then(|its| its.held.back()).map(|held| held.number);
        if let Some(behind) = behind.filter(|&behind| behind != parcel) {
            self.pool.ask_for(core, Ask::Revoke { worker, parcel: behind }, now);
        }
        self.pool.ask_for(core, Ask::Divide { worker, parcel, keep: item + 1 }, now);
        let Some(line) = core.lines[worker].as_ref() else { return Aim::Between };
        let sent = if signal == KILL { line.child.kill() } else { line.child.signal(signal) };
        match sent {
            Ok(()) => {
                core.tell(Event::Signalled { worker, sent: Sent { parcel, item, signal } }, now);
                // What its worker has not begun waits again when that has died.
                if runs { Aim::Hit(Ok(())) } else { Aim::Between }
            }
            Err(error) => Aim::Hit(Err(self.refused(error).in_process(line.child.pid()))),
        }
    }

    fn refused(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Signal(error)).in_function(self.entry.name())
    }
}

impl Sink for Submitted {
    fn is_wanted(&self) -> bool {
        !self.landing.is_finished()
    }

    fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    fn is_call(&self) -> bool {
        true
    }

    fn values(&self, _first: usize, values: Values) -> Vec<Callback> {
        self.value(values.into_payload())
    }

    fn value(&self, value: Payload) -> Vec<Callback> {
        self.landing.finish(Ok(value))
    }

    fn failed(&self, _index: usize, error: Error) -> Vec<Callback> {
        self.landing.finish(Err(error))
    }
}

impl Flight for Submitted {
    fn wait(&self, deadline: Option<Instant>) -> bool {
        self.landing.is_finished()
            || self.pool.wait_until(deadline, |_| self.landing.is_finished().then_some(())).is_some()
    }

    fn take(&self) -> Option<Outcome> {
        self.landing.take()
    }

    fn is_finished(&self) -> bool {
        if !self.landing.is_finished() {
            let mut core = self.pool.enter();
            self.pool.pump(&mut core);
        }
        self.landing.is_finished()
    }

    fn pid(&self) -> Option<u32> {
        if self.is_finished() {
            return None;
        }
        let core = self.pool.enter();
        let Whereabouts::Held { worker, parcel, item } = core.state.find(self.call)? else { return None };
        let line = core.lines[worker].as_ref()?;
        let progress = line.lane.progress(parcel);
        (progress.taken && progress.started > item && progress.done <= item).then(|| line.child.pid())
    }

    fn is_queued(&self) -> bool {
        if self.is_finished() {
            return false;
        }
        let core = self.pool.enter();
        let has_begun = match core.state.find(self.call) {
            Some(Whereabouts::Held { worker, parcel, item }) => core.lines[worker].as_ref().is_some_and(|line| {
                let progress = line.lane.progress(parcel);
                progress.taken && progress.started > item
            }),
            _ => false,
        };
        !has_begun && !self.landing.is_finished()
    }

    fn signal(&self, signal: i32) -> Result<()> {
        // The lock may be held there by a thread that stayed behind.
        reactor::check_not_forked().map_err(|error| self.refused(error))?;
        let since = Instant::now();
        let mut tries = 0;
        loop {
            if self.cancel() || self.is_finished() {
                return Ok(());
            }
            let waited = since.elapsed();
            match self.signal_running(signal, waited > STUCK_AFTER) {
                Aim::Hit(sent) => return sent,
                Aim::Late => return Ok(()),
                Aim::Between if waited > SIGNAL_PATIENCE => {
                    let text = "its worker neither runs the call nor gives it back";
                    return Err(self.refused(io::Error::new(io::ErrorKind::TimedOut, text)));
                }
                // It is just being started, or has come back because its parcel was divided or its worker has died.
                Aim::Between if tries < YIELDS => std::thread::yield_now(),
                Aim::Between => std::thread::sleep(BETWEEN_LOOKS),
            }
            tries += 1;
        }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        None
    }

    fn cancel(&self) -> bool {
        let mut core = self.pool.enter();
        self.pool.pump(&mut core);
        let found = core.state.find(self.call);
        if let Some(found @ Whereabouts::Held { item, .. }) = found {
            self.pool.take_out(&mut core, found, item);
        }
        let withdrawn = core.state.withdraw(self.call);
        if found.is_some() {
            // What it travelled with waits again.
            self.pool.pump(&mut core);
        }
        if withdrawn {
            let error = Error::new(ErrorKind::Cancelled).in_function(self.entry.name());
            let callbacks = self.landing.finish(Err(error));
            core.callbacks.extend(callbacks);
            core.news = true;
        }
        withdrawn
    }

    fn when_finished(&self, callback: Callback) {
        self.watched.store(true, Ordering::Relaxed);
        self.landing.when_finished(callback);
        // Entering arranges that the reactor hears of it.
        let mut core = self.pool.enter();
        self.pool.pump(&mut core);
    }
}

#[cfg(test)]
mod tests {
    use parallel_macros::parallel;
    use std::cell::Cell;

    use super::super::Pool;
    use super::super::line::Line;
    use super::*;
    use crate::flags::{Flag, PATIENCE, eventually};

    /// SIGSTOP.
    const STOP: i32 = 19;

    type Meanwhile = Box<dyn FnOnce(&Line, u64)>;

    thread_local! {
        /// What happens between the look at a call and the signal for it.
        static MEANWHILE: Cell<Option<Meanwhile>> = const { Cell::new(None) };
    }

    pub(super) fn looked(line: &Line, parcel: u64) {
        if let Some(meanwhile) = MEANWHILE.take() {
            meanwhile(line, parcel);
        }
    }

    #[parallel(crate = crate)]
    fn first(may_end: &str) {
        Flag::named(may_end).wait();
    }

    #[parallel(crate = crate)]
    fn second() {
        let ran = Flag::named("second has run");
        if !ran.is_up() {
            ran.raise();
            // Until the signal for the first one hits it.
            Flag::named("never").wait();
        }
    }

    #[parallel(crate = crate)]
    fn never() {
        panic!("it has run");
    }

    #[test]
    fn a_call_whose_worker_is_stopped_before_it_begins_is_ended_by_a_kill() {
        const MAY_END: &str = "it may end at once";
        let may_end = Flag::named(MAY_END);
        may_end.raise();
        let pool = Pool::with_workers(1).unwrap();
        first.on(&pool).submit(MAY_END).join().unwrap();
        pool.driver().enter().lines[0].as_ref().unwrap().child.signal(STOP).unwrap();
        let mut call = never.on(&pool).submit();
        pool.driver().enter().lines[0].as_ref().unwrap().lane.pretend_taken(1);
        call.kill().unwrap();
        let error = call.join_timeout(PATIENCE).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Cancelled), "{error}");
        first.on(&pool).submit(MAY_END).join().unwrap();
        may_end.lower();
    }

    #[test]
    fn a_signal_for_a_call_that_has_just_ended_does_not_fail_the_next() {
        const MAY_END: &str = "first may end";
        let (may_end, ran) = (Flag::named(MAY_END), Flag::named("second has run"));
        for by_kill in [true, false] {
            may_end.lower();
            ran.lower();
            let pool = Pool::with_workers(1).unwrap();
            let signalled = first.on(&pool).submit(MAY_END);
            eventually("the first call runs", || signalled.pid().is_some());
            // A worker that was quick so far gets the next call ahead.
            let quick = Some(Duration::ZERO);
            pool.driver().enter().state.seats[0].as_mut().unwrap().latest = quick;
            let behind = second.on(&pool).submit();

            let meanwhile = |line: &Line, parcel: u64| {
                assert_eq!(line.lane.next_number(), parcel + 2, "the second call waits behind the first");
                Flag::named(MAY_END).raise();
                Flag::named("second has run").wait();
                assert!(line.lane.progress(parcel).ended);
            };
            MEANWHILE.set(Some(Box::new(meanwhile)));
            if by_kill { signalled.kill() } else { signalled.terminate() }.unwrap();
            assert!(MEANWHILE.take().is_none(), "the signal was sent");
            for mut call in [signalled, behind] {
                assert_eq!(call.join_timeout(PATIENCE).unwrap(), Some(()), "{}", call.name());
            }
            let stats = pool.stats();
            assert_eq!((stats.tasks_done, stats.tasks_failed, stats.restarts), (2, 0, 1));
        }
        may_end.lower();
        ran.lower();
    }
}
