//! How a pool's workers start, report, end and are replaced. Runs on the reactor's thread; only some reports are read by a
//! pumping caller.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Weak, mpsc};
use std::time::Instant;

use super::core::{Core, Initializer};
use super::driver::Driver;
use super::line::{Line, StartReport};
use super::owner;
use super::state::life::{Killed, Life};
use super::state::placement::Ask;
use super::state::starts::{Recurrence, StartError};
use super::state::{Event, PoolPhase};
use crate::current;
use crate::ending;
use crate::environment;
use crate::error::Result;
use crate::lane::parent::Lane;
use crate::process::control::{Assignment, Body, Control, Invocation, Opening, Package};
use crate::process::reactor::{Alarm, Child, Events, Loop, defect};
use crate::process::start::{Order, Way};
use crate::process::transfer;
use crate::sys::process;
use crate::sys::{AsDescriptor, Descriptor};
use crate::wire::payload::Payload;

/// Hears one worker on behalf of its pool.
struct WorkerWatch {
    pool: Weak<Driver>,
    index: usize,
}

impl Driver {
    /// Starts all workers; with an initializer, waits until all have run it.
    pub(super) fn populate(self: &Arc<Self>) -> Result<()> {
        let (done, launched) = mpsc::channel();
        let me = Arc::clone(self);
        self.reactor.run(move |reactor| {
            for index in 0..me.settings.workers {
                me.seat(reactor, index, false);
                if me.enter().state.starts.first().is_some() {
                    break;
                }
            }
            let _ = done.send(());
        });
        // The reactor lives as long as the program.
        let _ = launched.recv();
        let needs_report = self.settings.initializer.is_some();
        let outcome = self.wait_until(None, |core| {
            let state = &core.state;
            let is_ready = || state.seats.iter().flatten().filter(|worker| worker.life.has_reported_in()).count();
            match state.starts.first() {
                Some(error) => Some(Err(error.to_error())),
                // The program ends: no seat is filled any more.
                None if ending::has_begun() => Some(ending::check()),
                None if !state.awaited.is_empty() => None,
                None if !needs_report || is_ready() == state.seats.len() => Some(Ok(())),
                None => None,
            }
        });
        outcome.unwrap_or(Ok(()))
    }

    /// Starts the worker of an empty seat. A failure is noted, and tried again later.
    /// `by_exec`: not as a copy of the zygote.
    pub(crate) fn seat(self: &Arc<Self>, reactor: &mut Loop, index: usize, by_exec: bool) {
        if ending::has_begun() {
            return;
        }
        // A panic here is a defect. It becomes an error, so that callers do not wait for ever.
        let asked = crate::panic::catch(|| self.ask_for_worker(reactor, index, by_exec));
        match asked.unwrap_or_else(|report| Err(defect(&report))) {
            Ok(Some(line)) => self.fill_seat(index, Ok(line)),
            Ok(None) => {}
            Err(error) => self.fill_seat(index, Err(error)),
        }
    }

    /// Starts a worker, or has the deputy of the thread that made the pool start it, which takes its seat later: `None`.
    fn ask_for_worker(self: &Arc<Self>, reactor: &mut Loop, index: usize, by_exec: bool) -> io::Result<Option<Line>> {
        let lane = Lane::create()?;
        let caller = Arc::clone(&self.caller);
        let Some(deputy) = &caller.deputy else {
            return self.start_worker(index, lane, by_exec, |order, events| reactor.launch(order, events)).map(Some);
        };
        self.enter().state.awaited.insert(index);
        let (me, theirs) = (Arc::clone(self), Arc::clone(&caller));
        reactor.launch_from(deputy, &caller, &self.settings.environment, false, move |reactor, launched| {
            let seated = launched.and_then(|launched| {
                me.start_worker(index, lane, true, |order, events| reactor.adopt(launched, order, events))
            });
            let describe = |error: &io::Error| theirs.deputy.as_ref().map(|deputy| deputy.describe(error));
            me.fill_seat(index, seated.map_err(|error| describe(&error).unwrap_or(error)));
        })?;
        Ok(None)
    }

    /// Puts a worker into its seat, or notes why there is none.
    fn fill_seat(&self, index: usize, seated: io::Result<Line>) {
        let mut entered = self.enter();
        let core = &mut *entered;
        let now = Instant::now();
        core.state.awaited.remove(&index);
        match seated {
            Ok(line) => {
                match line.child.way() {
                    Way::Forked => core.counts.forked += 1,
                    Way::Executed => core.counts.executed += 1,
                }
                if matches!(core.state.phase, PoolPhase::Open | PoolPhase::Joining) {
                    owner::has_seated(self, core, line.child.owner(), now);
                    core.lines[index] = Some(line);
                    core.handle(Event::Seated { worker: index }, now);
                } else {
                    // Ended meanwhile; the reactor reaps it.
                    line.child.end();
                }
            }
            Err(error) => core.handle(Event::StartFailed(StartError::of(error.kind(), error.to_string())), now),
        }
        self.carry_out(core, now);
        core.news = true;
    }

    fn start_worker(
        self: &Arc<Self>,
        index: usize,
        (lane, lane_fd): (Lane, Descriptor),
        by_exec: bool,
        launch: impl FnOnce(&Order<'_>, Arc<dyn Events>) -> io::Result<Arc<Child>>,
    ) -> io::Result<Line> {
        let generation = self.enter().state.generation(index);
        let assign = |control: &Control| {
            let mut block = None;
            let mut initializer = None;
            if let Some(Initializer { entry, arguments, .. }) = &self.settings.initializer {
                let handles = transfer::send_ahead::<Opening>(control, &arguments.handles, None, false)?;
                let (body, _) = Body::pack(&[&arguments.bytes], &mut block)?;
                let arguments = Package { body, handles };
                initializer = Some(Invocation { function: entry.hash(), name: None, arguments });
            }
            let mut descriptors =
                vec![lane_fd.as_descriptor(), self.bell.descriptor(), self.reactor.attention().as_descriptor()];
            descriptors.extend(block.iter().map(AsDescriptor::as_descriptor));
            let share = current::share().saturating_mul(self.settings.workers as u64);
            let assignment = Assignment::Serve { index: index as u64, generation, share, initializer };
            control.send(&Opening::Assignment(assignment), &descriptors, false)
        };
        let order = Order {
            environment: &self.settings.environment,
            caller: &self.caller,
            assign: &assign,
            admitted: false,
            by_exec,
        };
        let child = launch(&order, Arc::new(WorkerWatch { pool: Arc::downgrade(self), index }))?;
        Ok(Line::new(child, lane))
    }

    /// Reads a worker's reports, and handles those about its start. False: the worker's side is closed.
    fn read_start_reports(&self, core: &mut Core, index: usize) -> bool {
        let (Some(worker), Some(line)) = (core.state.worker(index), core.lines[index].as_mut()) else { return false };
        let (reports, open) = line.read_reports(worker.life.has_reported_in());
        for report in reports {
            let Some(line) = core.lines[index].as_mut() else { break };
            let name = self.settings.initializer.as_ref().map_or("", |initializer| initializer.entry.name());
            match report {
                StartReport::Ready(value) => self.reported_in(core, index, value),
                // The worker's initializer gave no value.
                StartReport::Failed(error) => {
                    let text = format!("its initializer `{name}`: {}", error.kind());
                    line.refusal = Some(StartError {
                        recurrence: Recurrence::Certain,
                        ..StartError::of(io::ErrorKind::Other, text)
                    });
                }
                // The worker said why it cannot be one.
                StartReport::Refused(text) => line.refusal = Some(StartError::of(io::ErrorKind::Other, text)),
            }
        }
        open
    }

    /// A worker has reported in; its initializer's value, if it has one, is `value`.
    fn reported_in(&self, core: &mut Core, index: usize, value: Option<Payload>) {
        match (value, &self.settings.initializer, &core.lines[index]) {
            (Some(value), Some(initializer), Some(line)) if !value.bytes.is_empty() && value.bytes != OK => {
                self.check_initializer(index, Arc::clone(&line.child), initializer, value);
            }
            _ => self.admit_worker(core, index),
        }
    }

    /// Reads the `Err` of an initializer on a thread of its own: that is users' code, which may panic, wait or make calls.
    fn check_initializer(&self, index: usize, child: Arc<Child>, initializer: &Initializer, value: Payload) {
        let (check, name, pool) = (initializer.check, initializer.entry.name(), self.me.clone());
        let look = move || {
            let outcome = crate::panic::catch(|| check(&value)).unwrap_or_else(|report| {
                Err(format!("to read its error panicked at {}: {}", report.location(), report.message()))
            });
            let Some(pool) = pool.upgrade() else { return };
            let mut core = pool.enter();
            let Some(line) = core.lines[index].as_mut().filter(|line| Arc::ptr_eq(&line.child, &child)) else { return };
            match outcome {
                Ok(()) => pool.admit_worker(&mut core, index),
                Err(text) => {
                    let text = format!("its initializer `{name}` failed: {text}");
                    line.refusal = Some(StartError {
                        recurrence: Recurrence::Certain,
                        ..StartError::of(io::ErrorKind::Other, text)
                    });
                    line.child.end();
                }
            }
        };
        // Without a thread the worker never becomes ready, and is replaced after the start timeout.
        let _ = std::thread::Builder::new().name("parallel-start".to_string()).spawn(look);
    }

    /// A worker is ready for tasks.
    fn admit_worker(&self, core: &mut Core, index: usize) {
        let divides = core.lines[index].as_ref().is_some_and(|line| line.lane.is_divisible());
        core.handle(Event::Ready { worker: index, divides }, Instant::now());
        core.news = true;
        self.pump(core);
    }

    /// Why a worker that reported no reason could not start.
    pub(super) fn start_error(&self, life: Life, line: &Line, status: Option<ExitStatus>) -> StartError {
        let until = match &self.settings.initializer {
            Some(initializer) => format!("its initializer `{}` was done", initializer.entry.name()),
            None => "it reported in".to_string(),
        };
        if life.killed() == Some(Killed::Start) {
            let text = format!(
                "{:?} passed before {until}; if it needs longer, say so by {}, in seconds, or by the builder's `start_timeout`",
                self.settings.start_timeout,
                environment::START_TIMEOUT
            );
            return StartError::of(io::ErrorKind::TimedOut, text);
        }
        if status.is_some_and(process::was_ended) {
            let text = format!("it died before {until}");
            return StartError {
                ended_by: status,
                recurrence: Recurrence::Unlikely,
                ..StartError::of(io::ErrorKind::Other, text)
            };
        }
        if let Some(error) = &line.lost {
            let text = format!("it could not be ended before {until}: {error}");
            return StartError::of(error.kind(), text);
        }
        let status = status.map_or_else(|| "an unknown status".to_string(), |status| status.to_string());
        let text = format!("it ended with {status} before {until}");
        // The initializer may be the cause, and the next worker would run it too.
        let has_initializer = self.settings.initializer.is_some();
        let recurrence = if has_initializer { Recurrence::Likely } else { Recurrence::Unlikely };
        StartError { recurrence, ..StartError::of(io::ErrorKind::Other, text) }
    }

    /// Whether a dead worker was a copy of the zygote that was killed before it began. That is no failed start of the pool's.
    /// Not with an initializer: then a copy reports only after that has run, so it may have died of it.
    fn is_lost_copy(&self, life: Life, line: &Line) -> bool {
        self.settings.initializer.is_none() && life == Life::Starting && line.is_silent_copy() && line.lost.is_none()
    }

    /// A worker is gone, or cannot be ended; whether it was a copy that is to be replaced without a word.
    fn bury(&self, core: &mut Core, index: usize, status: Option<ExitStatus>) -> bool {
        let (Some(worker), Some(line)) = (core.state.worker(index), core.lines[index].as_mut()) else { return false };
        let life = worker.life;
        let refusal = line.refusal.take();
        let is_lost_copy = refusal.is_none() && self.is_lost_copy(life, line);
        let needs_reason = !life.has_reported_in() && !is_lost_copy;
        let start_error = needs_reason.then(|| refusal.unwrap_or_else(|| self.start_error(life, line, status)));
        core.bury(index, status, start_error, Instant::now());
        self.pump(core);
        is_lost_copy
    }

    /// A worker cannot be ended: it may run on, and is given up. It counts as dead once it can start no more of the items that
    /// it holds.
    fn lose(&self, core: &mut Core, index: usize, error: io::Error) {
        let (Some(worker), Some(line)) = (core.state.worker(index), core.lines[index].as_mut()) else { return };
        line.lost = Some(error);
        let parcels: Vec<u64> = worker.held.iter().rev().map(|held| held.number).collect();
        for parcel in parcels {
            self.ask_for(core, Ask::Revoke { worker: index, parcel }, Instant::now());
            let is_back = core.state.worker(index).is_none_or(|worker| worker.held(parcel).is_none());
            if let Some(line) = core.lines[index].as_ref().filter(|_| !is_back)
                && line.lane.divide(parcel, 0).is_none()
            {
                line.lane.cancel(parcel);
            }
        }
        self.bury(core, index, None);
    }

    /// Fills the empty seats of a pool that still works.
    fn refill(self: &Arc<Self>, reactor: &mut Loop) {
        let empty = self.enter().state.seats_to_fill(Instant::now());
        for index in empty {
            self.seat(reactor, index, false);
            if self.enter().state.starts.retry_after(Instant::now()).is_some() {
                return;
            }
        }
    }
}

/// `Ok(())` in bytes: the number of its variant.
const OK: [u8; 4] = [0; 4];

impl Events for WorkerWatch {
    fn readable(self: Arc<Self>, _reactor: &mut Loop, child: &Child) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        let mut core = pool.enter();
        core.sits(self.index, child.pid()) && pool.read_start_reports(&mut core, self.index)
    }

    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let is_lost_copy = {
            let mut core = pool.enter();
            if !core.sits(self.index, child.pid()) {
                return;
            }
            pool.bury(&mut core, self.index, status)
        };
        let needs_another = || {
            let core = pool.enter();
            core.state.needs_workers() && core.state.worker(self.index).is_none()
        };
        if is_lost_copy && needs_another() {
            pool.seat(reactor, self.index, true);
        }
        pool.refill(reactor);
    }

    fn lost(self: Arc<Self>, reactor: &mut Loop, child: &Child, error: io::Error) {
        let Some(pool) = self.pool.upgrade() else { return };
        {
            let mut core = pool.enter();
            if !core.sits(self.index, child.pid()) {
                return;
            }
            pool.lose(&mut core, self.index, error);
        }
        pool.refill(reactor);
    }
}

impl Alarm for Driver {
    fn ring(self: Arc<Self>, reactor: &mut Loop) -> Option<Instant> {
        let now = Instant::now();
        {
            let mut core = self.enter();
            if core.armed.is_none_or(|armed| armed > now) {
                // An alarm that an earlier one has overtaken.
                return None;
            }
            core.armed = None;
        }
        self.refill(reactor);
        let mut entered = self.enter();
        let core = &mut *entered;
        // A busy reactor may not have read yet that a worker has reported in.
        for index in 0..core.lines.len() {
            if core.state.worker(index).is_some_and(|worker| !worker.life.has_reported_in()) {
                self.read_start_reports(core, index);
            }
        }
        self.listen_again(core);
        self.pump(core);
        core.handle(Event::Time, now);
        self.carry_out(core, now);
        core.lines.iter_mut().flatten().for_each(|line| line.let_go(now));
        let memory = core.lines.iter().flatten().filter_map(Line::lets_go_at);
        let heartbeat = Self::heartbeat(core).map(|pause| now + pause);
        let next = memory.chain(heartbeat).chain(core.state.next_deadline(now)).min()?;
        if core.armed.is_some_and(|armed| armed <= next) {
            return None;
        }
        core.armed = Some(next);
        Some(next)
    }
}
