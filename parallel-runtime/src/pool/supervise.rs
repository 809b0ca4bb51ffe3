//! Workers' lives: how they start, report, are kept to their deadlines, die and are replaced. Runs on the reactor's
//! thread, but for what a pump hears.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::core::{Core, Initializer, Phase, Shared};
use super::hear::{StartReport, hear};
use super::seat::{Seat, StartError};
use super::state::life::{Killed, Life, Stop};
use crate::bell::Listener;
use crate::config;
use crate::current;
use crate::ending;
use crate::error::Error;
use crate::lane::Lane;
use crate::process::control::{Assignment, Body, Control, Invocation, Opening, Package};
use crate::process::launch::Way;
use crate::process::reactor::{Alarm, Child, Events, Loop, Start, defect};
use crate::process::transfer::{self, Known, Store};
use crate::sys::process;
use crate::wire::payload::Payload;

/// Hears one worker on behalf of its pool.
struct Watch {
    pool: Weak<Shared>,
    index: usize,
}

impl Shared {
    /// Starts the worker of an empty seat. A failure is noted, and tried again later.
    /// `by_exec`: not as a copy of the zygote.
    pub(crate) fn seat(self: &Arc<Self>, reactor: &mut Loop, index: usize, by_exec: bool) {
        if ending::has_begun() {
            return;
        }
        // A panic is a defect; whoever waits for the worker must not wait for ever.
        let asked = crate::panic::catch(|| self.ask_for_worker(reactor, index, by_exec));
        match asked.unwrap_or_else(|report| Err(defect(&report))) {
            Ok(Some(seat)) => self.take_seat(index, Ok(seat)),
            Ok(None) => {}
            Err(error) => self.take_seat(index, Err(error)),
        }
    }

    /// Starts a worker, or has the deputy of the thread that made the pool start it, which takes its seat later: `None`.
    fn ask_for_worker(self: &Arc<Self>, reactor: &mut Loop, index: usize, by_exec: bool) -> io::Result<Option<Seat>> {
        let lane = Lane::create()?;
        let caller = Arc::clone(&self.caller);
        let Some(deputy) = &caller.deputy else {
            return self.start_worker(index, lane, by_exec, |start, events| reactor.launch(start, events)).map(Some);
        };
        self.enter().awaited.insert(index);
        let (me, theirs) = (Arc::clone(self), Arc::clone(&caller));
        reactor.launch_from(deputy, &caller, &self.settings.environment, false, move |reactor, launched| {
            let seated = launched.and_then(|launched| {
                me.start_worker(index, lane, true, |start, events| reactor.adopt(launched, start, events))
            });
            let describe = |error: &io::Error| theirs.deputy.as_ref().map(|deputy| deputy.describe(error));
            me.take_seat(index, seated.map_err(|error| describe(&error).unwrap_or(error)));
        })?;
        Ok(None)
    }

    /// Puts a worker into its seat, or notes why there is none.
    fn take_seat(&self, index: usize, seated: io::Result<Seat>) {
        let mut core = self.enter();
        core.awaited.remove(&index);
        match seated.as_ref().ok().map(|seat| seat.child.way()) {
            Some(Way::Forked) => core.stats.forked += 1,
            Some(Way::Executed) => core.stats.executed += 1,
            None => {}
        }
        match seated {
            Ok(seat) if core.phase == Phase::Open || core.phase == Phase::Joining => {
                self.has_seated(&mut core, seat.child.owner());
                core.seats[index] = Some(seat);
                if let Some(at) = Instant::now().checked_add(self.settings.start_timeout()) {
                    self.arm(&mut core, at);
                }
            }
            Ok(seat) => {
                // Ended meanwhile; the reactor reaps it.
                seat.child.end();
            }
            Err(error) => {
                self.start_failed(&mut core, StartError::of(error.kind(), error.to_string()));
            }
        }
        core.news = true;
    }

    fn start_worker(
        self: &Arc<Self>,
        index: usize,
        (lane, lane_fd): (Lane, OwnedFd),
        by_exec: bool,
        launch: impl FnOnce(&Start<'_>, Arc<dyn Events>) -> io::Result<Arc<Child>>,
    ) -> io::Result<Seat> {
        let generation = self.enter().generations[index];
        let assign = |control: &Control| {
            let mut block = None;
            let mut initializer = None;
            if let Some(Initializer { entry, arguments, .. }) = &self.settings.initializer {
                let handles = transfer::send_ahead::<Opening>(control, &arguments.handles, None, false)?;
                let (body, _) = Body::pack(&[&arguments.bytes], &mut block)?;
                let arguments = Package { body, handles };
                initializer = Some(Invocation { function: entry.hash(), name: None, arguments });
            }
            let mut descriptors = vec![lane_fd.as_fd(), self.bell.descriptor(), self.reactor.attention().as_fd()];
            descriptors.extend(block.iter().map(AsFd::as_fd));
            let share = current::share().saturating_mul(self.settings.workers as u64);
            let assignment = Assignment::Serve { index: index as u64, generation, share, initializer };
            control.send(&Opening::Assignment(assignment), &descriptors, false)
        };
        let start = Start {
            environment: &self.settings.environment,
            caller: &self.caller,
            assign: &assign,
            admitted: false,
            by_exec,
        };
        let child = launch(&start, Arc::new(Watch { pool: Arc::downgrade(self), index }))?;
        Ok(Seat {
            child,
            lane,
            born: Instant::now(),
            front_since: Instant::now(),
            life: Life::Starting,
            full: false,
            owed: Vec::new(),
            in_hand: VecDeque::new(),
            budget: self.settings.tasks_per_worker,
            large: HashMap::new(),
            store: Store::default(),
            known: Known::default(),
            lost: None,
            signalled: None,
            last_words: None,
            refusal: None,
            busy: Duration::ZERO,
            latest: None,
            handed: Vec::new(),
            block: None,
        })
    }

    /// A worker could not be started, or could not become one.
    pub(crate) fn start_failed(&self, core: &mut Core, error: StartError) {
        core.start_failures += 1;
        let back_off = config::back_off(core.start_failures);
        core.hopeless = error.for_good || core.start_failures >= config::HOPELESS_STARTS;
        if !error.may_pass || core.hopeless {
            core.first_error.get_or_insert_with(|| error.clone());
        }
        core.start_error = Some(error);
        core.news = true;
        if core.is_hopeless() {
            // Who allows retries has had one more try.
            for batch in &mut core.queue {
                batch.attempts += u32::from(batch.attempts <= batch.terms.retries);
            }
        }
        self.fail_hopeless(core);
        let at = Instant::now() + back_off;
        core.retry_at = Some(at);
        self.arm(core, at);
    }

    /// Fails what waits for a worker when there is none and another try is some time off; not what is to be tried again.
    pub(crate) fn fail_hopeless(&self, core: &mut Core) {
        if !core.is_hopeless() {
            return;
        }
        let Some(error) = core.start_error.clone() else { return };
        let (kept, lost): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut core.queue).into_iter().partition(|batch| batch.attempts.max(1) <= batch.terms.retries);
        core.queue = kept;
        for batch in lost {
            self.fail_all(core, &batch, || error.to_error());
        }
    }

    /// Tells a worker to end once it has done what it holds, and to take no longer than `grace` for it.
    pub(crate) fn stop(&self, core: &mut Core, index: usize, grace: Duration, why: Stop) {
        let by = Instant::now() + grace;
        if let Some(seat) = core.seats[index].as_mut()
            && seat.life.stop(by, why)
        {
            seat.lane.stop(grace);
            self.arm(core, by);
        }
    }

    /// Asks to be rung at `at`, unless that happens earlier anyway.
    pub(crate) fn arm(&self, core: &mut Core, at: Instant) {
        if core.armed.is_none_or(|armed| at < armed) {
            core.armed = Some(at);
            if let Some(me) = self.me.upgrade() {
                self.reactor.arm(at, &me);
            }
        }
    }

    /// A worker has reported in; its initializer's value, if it has one, is `value`.
    fn reported_in(&self, core: &mut Core, index: usize, value: Option<Payload>) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        if let (Some(value), Some(initializer)) = (value, &self.settings.initializer)
            && !value.bytes.is_empty()
            && value.bytes != OK
        {
            self.look_into(index, Arc::clone(&seat.child), initializer, value);
            return;
        }
        self.admit_worker(core, index);
    }

    /// Finds out, elsewhere, what the `Err` of an initializer says: to read it is users' code, which may panic, wait or call
    /// us.
    fn look_into(&self, index: usize, child: Arc<Child>, initializer: &Initializer, value: Payload) {
        let (check, name, pool) = (initializer.check, initializer.entry.name(), self.me.clone());
        let look = move || {
            let outcome = crate::panic::catch(|| check(&value)).unwrap_or_else(|report| {
                Err(format!("to read its error panicked at {}: {}", report.location(), report.message()))
            });
            let Some(pool) = pool.upgrade() else { return };
            let mut core = pool.enter();
            let Some(seat) = core.seats[index].as_mut().filter(|seat| Arc::ptr_eq(&seat.child, &child)) else { return };
            match outcome {
                Ok(()) => pool.admit_worker(&mut core, index),
                Err(text) => {
                    let text = format!("its initializer `{name}` failed: {text}");
                    seat.refusal = Some(StartError { for_good: true, ..StartError::of(io::ErrorKind::Other, text) });
                    seat.child.end();
                }
            }
        };
        // Without a thread the worker never becomes ready, and is replaced after the start timeout.
        let _ = std::thread::Builder::new().name("parallel-start".to_string()).spawn(look);
    }

    /// A worker is ready for tasks.
    fn admit_worker(&self, core: &mut Core, index: usize) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        seat.life.report_in();
        core.start_failures = 0;
        core.start_error = None;
        core.hopeless = false;
        core.news = true;
        self.pump(core);
    }

    /// Takes what a worker has sent, and deals with what concerns its start. False: its side is closed.
    fn hear_start(&self, core: &mut Core, index: usize) -> bool {
        let Some(seat) = core.seats[index].as_mut() else { return false };
        let (reports, open) = hear(seat);
        for report in reports {
            match report {
                StartReport::Ready(value) => self.reported_in(core, index, value),
                StartReport::Failed(error) => self.refused(core, index, &error),
                StartReport::Refused(text) => self.cannot_work(core, index, text),
            }
        }
        open
    }

    /// A worker's initializer gave no value.
    fn refused(&self, core: &mut Core, index: usize, error: &Error) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        let name = self.settings.initializer.as_ref().map_or("", |initializer| initializer.entry.name());
        let text = format!("its initializer `{name}`: {}", error.kind());
        seat.refusal = Some(StartError { for_good: true, ..StartError::of(io::ErrorKind::Other, text) });
    }

    /// A worker said why it cannot be one.
    fn cannot_work(&self, core: &mut Core, index: usize, text: String) {
        if let Some(seat) = core.seats[index].as_mut() {
            seat.refusal = Some(StartError::of(io::ErrorKind::Other, text));
        }
    }

    /// Why a worker that said nothing could not start.
    pub(crate) fn start_error(&self, seat: &Seat, status: Option<ExitStatus>) -> StartError {
        let until = match &self.settings.initializer {
            Some(initializer) => format!("its initializer `{}` was done", initializer.entry.name()),
            None => "it reported in".to_string(),
        };
        if seat.life.killed() == Some(Killed::Start) {
            let text = format!(
                "{:?} passed before {until}; if it needs longer, say so by {}, in seconds, or by the builder's `start_timeout`",
                self.settings.start_timeout(),
                config::START_TIMEOUT
            );
            return StartError::of(io::ErrorKind::TimedOut, text);
        }
        if status.is_some_and(process::was_ended) {
            let text = format!("it died before {until}");
            return StartError { ended_by: status, may_pass: true, ..StartError::of(io::ErrorKind::Other, text) };
        }
        if let Some(error) = &seat.lost {
            let text = format!("it could not be ended before {until}: {error}");
            return StartError::of(error.kind(), text);
        }
        let status = status.map_or_else(|| "an unknown status".to_string(), |status| status.to_string());
        let text = format!("it ended with {status} before {until}");
        // An initializer is tried once.
        let may_pass = self.settings.initializer.is_none();
        StartError { may_pass, ..StartError::of(io::ErrorKind::Other, text) }
    }

    /// Whether a worker that is dead was a copy of the zygote that had not begun: somebody found it while it waited, or on its
    /// way, and the pool has nothing to do with that. One with an initializer says nothing before it has run that.
    pub(super) fn is_lost_copy(&self, seat: &Seat) -> bool {
        self.settings.initializer.is_none() && seat.is_silent_copy()
    }

    /// Fills the seat of a copy that died before it had begun.
    fn replace_lost_copy(self: &Arc<Self>, reactor: &mut Loop, index: usize) {
        let needed = {
            let core = self.enter();
            core.needs_workers() && core.seats[index].is_none()
        };
        if needed {
            self.seat(reactor, index, true);
        }
    }

    /// Fills the empty seats of a pool that still works.
    fn refill(self: &Arc<Self>, reactor: &mut Loop) {
        let empty: Vec<usize> = {
            let core = self.enter();
            let patient = core.retry_at.is_some_and(|at| at > Instant::now());
            if !core.needs_workers() || patient {
                return;
            }
            let is_empty = |index: &usize| core.seats[*index].is_none() && !core.awaited.contains(index);
            (0..core.seats.len()).filter(is_empty).collect()
        };
        for index in empty {
            self.seat(reactor, index, false);
            if self.enter().retry_at.is_some_and(|at| at > Instant::now()) {
                return;
            }
        }
    }
}

/// `Ok(())` in bytes: the number of its variant.
const OK: [u8; 4] = [0; 4];

impl Events for Watch {
    fn readable(self: Arc<Self>, _reactor: &mut Loop, child: &Child) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        let mut core = pool.enter();
        if core.seats[self.index].as_ref().is_none_or(|seat| seat.child.pid() != child.pid()) {
            return false;
        }
        pool.hear_start(&mut core, self.index)
    }

    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let is_lost_copy = {
            let mut core = pool.enter();
            let Some(seat) = core.seats[self.index].as_ref().filter(|seat| seat.child.pid() == child.pid()) else {
                return;
            };
            let is_lost_copy = pool.is_lost_copy(seat);
            pool.bury(&mut core, self.index, status);
            pool.pump(&mut core);
            is_lost_copy
        };
        if is_lost_copy {
            pool.replace_lost_copy(reactor, self.index);
        }
        pool.refill(reactor);
    }

    fn lost(self: Arc<Self>, reactor: &mut Loop, child: &Child, error: io::Error) {
        let Some(pool) = self.pool.upgrade() else { return };
        {
            let mut core = pool.enter();
            if core.seats[self.index].as_ref().is_none_or(|seat| seat.child.pid() != child.pid()) {
                return;
            }
            pool.lose(&mut core, self.index, error);
            pool.pump(&mut core);
        }
        pool.refill(reactor);
    }
}

impl Alarm for Shared {
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
        let mut core = self.enter();
        // A busy reactor may not have heard yet who has reported in.
        for index in 0..core.seats.len() {
            if core.seats[index].as_ref().is_some_and(|seat| !seat.life.has_reported_in()) {
                self.hear_start(&mut core, index);
            }
        }
        self.listen_again(&core);
        self.pump(&mut core);
        let attended = core.unattended() == Listener::Nobody;
        let heartbeat = (!attended).then(|| now + core.look_again());
        let next = self.enforce(&mut core, now).into_iter().chain(heartbeat).min()?;
        if core.armed.is_some_and(|armed| armed <= next) {
            return None;
        }
        core.armed = Some(next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use parallel_macros::parallel;

    use super::super::Pool;
    use super::*;
    use crate::error::ErrorKind;
    use crate::flags::{PATIENCE, eventually};
    use crate::sys::process::KILL;

    #[parallel(crate = crate)]
    fn square(x: u64) -> u64 {
        x * x
    }

    fn works(pool: &Pool) {
        assert_eq!(square.on(pool).submit(3).join_timeout(PATIENCE).unwrap(), Some(9));
    }

    #[test]
    fn a_copy_that_is_killed_before_it_begins_is_no_failed_start() {
        let pool = Pool::with_workers(1).unwrap();
        let mut killed = 0;
        eventually("some copies are killed", || {
            works(&pool);
            let shared = Arc::clone(pool.shared());
            let (done, way) = std::sync::mpsc::channel();
            pool.shared().reactor.run(move |reactor| {
                // Its end is nobody's any more.
                let former = shared.enter().seats[0].take();
                former.unwrap().child.signal(KILL).unwrap();
                shared.seat(reactor, 0, false);
                // It was told to begin just now.
                let started = Arc::clone(&shared.enter().seats[0].as_ref().unwrap().child);
                started.signal(KILL).unwrap();
                done.send(started.way()).unwrap();
            });
            let is_copy = way.recv().unwrap() == Way::Forked;
            works(&pool);
            let core = pool.shared().enter();
            assert!(!is_copy || (core.start_failures == 0 && core.retry_at.is_none()), "{:?}", core.start_error);
            drop(core);
            pool.shared().enter().retry_at = None;
            killed += u32::from(is_copy);
            killed == 10
        });
        assert_eq!(pool.stats().tasks_failed, 0);
    }

    #[test]
    fn a_worker_that_somebody_kills_as_it_starts_is_told_as_killed_and_does_not_fail_the_pool() {
        let pool = Pool::with_workers(1).unwrap();
        works(&pool);
        let mut core = pool.shared().enter();
        let status = Some(ExitStatus::from_raw(KILL));
        let error = pool.shared().start_error(core.seats[0].as_ref().unwrap(), status);
        let told = error.to_error();
        assert!(matches!(told.kind(), ErrorKind::Signaled { signal: KILL, .. }), "{told:?}");
        assert!(told.to_string().contains("before it reported in"), "{told}");
        for failures in 1..=config::HOPELESS_STARTS {
            pool.shared().start_failed(&mut core, error.clone());
            assert_eq!(core.first_error.is_some(), failures == config::HOPELESS_STARTS, "{failures} failures");
        }
        // What a program does to itself is told as what it is.
        let status = Some(ExitStatus::from_raw(libc::SIGABRT));
        let error = pool.shared().start_error(core.seats[0].as_ref().unwrap(), status);
        assert!(matches!(error.to_error().kind(), ErrorKind::Start(_)), "{:?}", error.to_error());
    }
}
