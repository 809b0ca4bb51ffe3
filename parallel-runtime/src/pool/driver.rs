//! The driver of a pool: it holds the one lock, looks at the workers' lanes, tells the [state](super::state) what it sees, and
//! carries out what the state decides.
//!
//! A thread that holds the lock may *pump*: look at what workers have finished, and hand out what waits. There is no thread
//! for that. A caller that waits for an outcome pumps and then sleeps on the bell; it *leads*. Callers that wait meanwhile *follow*:
//! each sleeps until its own outcome is there, or the lead is handed on to it. When no caller leads and there is something to hand
//! out, the workers call the reactor instead.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::core::{Core, Settings};
use super::entered::Entered;
use super::give::give_parcel;
use super::owner;
use super::state::placement::Ask;
use super::state::rules::Rules;
use super::state::{Action, Event, PoolPhase};
use super::stats::PoolStats;
use crate::engine::batch::Batch;
use crate::engine::waiter::Waiter;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::bell::{Bell, Listener};
use crate::lane::memory::crowd;
use crate::poison::lock;
use crate::process::caller::Caller;
use crate::process::idle_rows;
use crate::process::reactor::{self, Pulse, Reactor};
use crate::tuning;

/// A pool, shared by its owner, its callers and the reactor.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    /// The thread that made the pool.
    pub(crate) caller: Arc<Caller>,
    pub(crate) bell: Bell,
    pub(crate) reactor: &'static Reactor,
    /// This very pool, to be handed to others.
    pub(crate) me: Weak<Driver>,
    core: Mutex<Core>,
    /// How many cores there are, to know whether one is free to spin on.
    pub(crate) cores: usize,
}

/// Users' code that may panic, iterators and `Serialize`, runs while the lock is free.
impl UnwindSafe for Driver {}
impl RefUnwindSafe for Driver {}

impl Driver {
    pub(crate) fn new(settings: Settings, caller: Caller, bell: Bell, reactor: &'static Reactor) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let rules = Rules {
            cores,
            tasks_per_worker: settings.tasks_per_worker,
            initializes: settings.initializer.is_some(),
            start_timeout: settings.start_timeout,
            ..Rules::default()
        };
        let core = Core::new(settings.workers, rules);
        let driver = Arc::new_cyclic(|me| Self {
            core: Mutex::new(core),
            settings,
            caller: Arc::new(caller),
            bell,
            reactor,
            me: me.clone(),
            cores,
        });
        let pulse: Weak<dyn Pulse> = Arc::<Self>::downgrade(&driver);
        reactor.look_after(pulse);
        idle_rows::look_after();
        driver
    }

    /// Takes the lock; when the guard goes, waiting callers and the reactor hear of what was done. Not for a forked process: a
    /// thread that does not exist there may hold the lock for ever.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered::new(self, lock(&self.core))
    }

    // Pumping.

    /// Takes in what is finished and hands out what waits.
    pub(crate) fn pump(&self, core: &mut Core) {
        self.pump_at(core, Instant::now());
    }

    /// Pumps; `now` is the time that the caller has just read.
    fn pump_at(&self, core: &mut Core, now: Instant) {
        if crate::sys::owner::is_watched() {
            // Parcels that are in lanes already must be retired too, and are not handed out again: so check here as well.
            owner::is_same(self, core, now);
        }
        self.read_lanes(core, now);
        core.handle(Event::HandOut, now);
        self.carry_out(core, now);
    }

    /// Takes in what is finished.
    fn read_lanes(&self, core: &mut Core, now: Instant) {
        core.handle(Event::LooksAtLanes, now);
        core.remind();
        let mut next = 0;
        while let Some(index) = core.state.seats.engaged_from(next) {
            next = index + 1;
            let (Some(worker), Some(line)) = (core.state.worker(index), core.lines[index].as_mut()) else { continue };
            if worker.only_ends().is_some_and(|parcel| line.lane.is_taken(parcel) == (true, false)) {
                continue;
            }
            if worker.life.killed().is_none() && line.is_spoilt(worker) {
                core.handle(Event::Spoilt { worker: index }, now);
            } else {
                let (readings, has_passed) = line.read(worker, core.state.rules.shared_after, now);
                core.handle(Event::Seen { worker: index, readings, has_passed }, now);
            }
            self.carry_out(core, now);
        }
    }

    /// Carries out what the state has decided, and tells it what came of that, until nothing is left.
    pub(super) fn carry_out(&self, core: &mut Core, now: Instant) {
        while let Some(action) = core.effects.actions.pop_front() {
            match action {
                Action::Give { worker, parcel } => give_parcel(self, core, worker, parcel, now),
                Action::TakeIn { worker, parcel } => core.take_in(worker, parcel, now),
                Action::TakeSoFar { worker, parcel, done } => core.take_so_far(worker, parcel, done),
                Action::Ask(ask) => {
                    self.ask(core, ask, now);
                    core.handle(Event::HandOut, now);
                }
                Action::Arm(at) => self.arm(core, at),
                Action::Cancel { worker, parcel } => {
                    core.lines[worker].iter().for_each(|line| line.lane.cancel(parcel));
                }
                Action::Kill { worker } => core.lines[worker].iter().for_each(|line| line.child.end()),
                Action::Stop { worker, grace } => core.lines[worker].iter().for_each(|line| line.lane.stop(grace)),
                Action::EndGroup { worker } => core.lines[worker].iter().for_each(|line| line.child.end_group()),
            }
        }
        core.fail_batches();
    }

    /// Asks a worker to leave items, which go back into the queue.
    pub(super) fn ask_for(&self, core: &mut Core, ask: Ask, now: Instant) {
        self.ask(core, ask, now);
        self.carry_out(core, now);
    }

    fn ask(&self, core: &mut Core, ask: Ask, now: Instant) {
        match ask {
            Ask::Revoke { worker, parcel } => {
                let is_back = core.lines[worker].as_mut().is_some_and(|line| line.revoke(parcel));
                core.owing |= is_back;
                core.handle(Event::Revoked { worker, parcel, is_back }, now);
            }
            Ask::Divide { worker, parcel, keep } => {
                let kept = core.lines[worker].as_ref().and_then(|line| line.lane.divide(parcel, keep));
                core.handle(Event::Divided { worker, parcel, kept }, now);
            }
        }
    }

    /// Asks to be rung at `at`, unless that happens earlier anyway.
    pub(super) fn arm(&self, core: &mut Core, at: Instant) {
        if core.armed.is_none_or(|armed| at < armed) {
            core.armed = Some(at);
            if let Some(me) = self.me.upgrade() {
                self.reactor.arm(at, &me);
            }
        }
    }

    // What callers ask for.

    /// Adds a batch, and starts it if a worker is free.
    pub(crate) fn add(&self, batch: Box<Batch>) -> Result<()> {
        reactor::check_not_forked().map_err(|error| Error::new(ErrorKind::Start(error)))?;
        let mut core = self.enter();
        core.check_open()?;
        let held_back = core.state.is_holding_back();
        let is_awaited = core.waiters.leader().is_some();
        let now = Instant::now();
        core.handle(Event::Submitted { batch, is_awaited }, now);
        match (held_back, core.state.is_holding_back()) {
            // The first call that was held back has arranged a listener for all of them.
            (true, true) => core.leave(),
            (false, true) => {}
            (_, false) => self.pump_at(&mut core, now),
        }
        Ok(())
    }

    /// Waits until the pool itself is as `check` wants it, or until `deadline`.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut(&Core) -> Option<T>,
    ) -> Option<T> {
        self.wait(deadline, |core, waiter| {
            let found = check(core);
            if found.is_none() {
                core.curious.add(waiter);
            }
            found
        })
    }

    /// Waits until `check` finds something, or until `deadline`. A check that finds nothing has the thread woken once it may.
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut(&mut Core, &Arc<Waiter>) -> Option<T>,
    ) -> Option<T> {
        let waiter = Waiter::own();
        let mut core = self.enter();
        let mut ticket = None;
        self.pump(&mut core);
        let found = loop {
            let found = check(&mut core, &waiter);
            if found.is_some() {
                break found;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break None;
            }
            if core.hearers.has_callbacks() {
                // Callbacks may wait for this very pool, so this caller does not lead while they run.
                ticket.take().into_iter().for_each(|ticket| core.stop_waiting(ticket));
                drop(core);
                core = self.enter();
                self.pump(&mut core);
                continue;
            }
            let ticket = *ticket.get_or_insert_with(|| core.waiters.join(Arc::clone(&waiter)));
            if core.waiters.leads(ticket) {
                core = self.lead(core, left);
                self.pump(&mut core);
            } else {
                drop(core);
                waiter.sleep(left);
                core = self.enter();
            }
        };
        ticket.into_iter().for_each(|ticket| core.stop_waiting(ticket));
        found
    }

    /// Sleeps until a worker rings.
    fn lead<'a>(&'a self, mut core: Entered<'a>, left: Option<Duration>) -> Entered<'a> {
        let rings = self.bell.rings();
        self.listen(&mut core, Listener::Caller);
        if core.any_done() {
            return core;
        }
        let looks = match () {
            () if core.busy(self.cores) == self.cores => 0,
            // Falling asleep would take longer than the parcel.
            () if core.ends_soon() => tuning::LOOKS_WHILE_SHORT,
            () => 1,
        };
        let crowd = if looks > 0 && core.shares_core() { crowd::CROWD } else { crowd::ROOM };
        let timeout = core.state.look_again_after().min(left.unwrap_or(Duration::MAX));
        drop(core);
        self.bell.wait(rings, timeout, looks, crowd);
        let mut core = self.enter();
        self.listen(&mut core, Listener::Nobody);
        core
    }

    /// Writes the listener into the bell again, in case a worker has written over it.
    pub(super) fn listen_again(&self, core: &Core) {
        self.bell.listen(core.listener);
    }

    fn listen(&self, core: &mut Core, listener: Listener) {
        if core.listener != listener {
            core.listener = listener;
            self.bell.listen(listener);
        }
    }

    /// How soon the reactor is to pump although no worker rings, where it is to listen at all.
    pub(super) fn heartbeat(core: &Core) -> Option<Duration> {
        (core.unattended() != Listener::Nobody).then(|| core.state.look_again_after())
    }

    /// Before the lock goes: sets the bell's listener, and has those woken that wait for what was done.
    pub(super) fn prepare_unlock(&self, core: &mut Core) {
        if core.waiters.leader().is_none() {
            let mut listener = core.unattended();
            self.listen(core, listener);
            while listener != Listener::Nobody && core.any_done() {
                self.pump(core);
                // The batches that the pump handed out may need another listener.
                listener = core.unattended();
                self.listen(core, listener);
            }
            if listener != Listener::Nobody {
                // A ring may be lost where a worker has written over the bell.
                let at = Instant::now() + core.state.look_again_after();
                self.arm(core, at);
            }
        }
        if std::mem::take(&mut core.news) {
            let curious = std::mem::take(&mut core.curious);
            core.hearers.append(curious);
        }
        if core.waiters.leader().is_some_and(|leader| core.hearers.wakes(leader)) {
            self.bell.ring();
        }
    }

    /// Finishes what is queued, then stops the workers.
    pub(super) fn finish(&self) -> Result<()> {
        {
            let mut core = self.enter();
            core.check_open()?;
            core.state.join();
        }
        let is_over = |core: &Core| core.state.is_drained() || core.state.phase == PoolPhase::Terminated;
        self.wait_until(None, |core| is_over(core).then_some(()));
        {
            let mut entered = self.enter();
            let core = &mut *entered;
            if core.state.phase == PoolPhase::Terminated {
                return Err(Error::new(ErrorKind::Terminated));
            }
            let now = Instant::now();
            core.state.close(now, &mut core.effects);
            self.carry_out(core, now);
        }
        self.wait_until_gone(None);
        Ok(())
    }

    /// Lets pending batches fail, and ends the workers: busy ones at once, idle ones within `grace`, or at once as well.
    pub(super) fn dismiss(&self, grace: Option<Duration>) {
        let mut entered = self.enter();
        let core = &mut *entered;
        let now = Instant::now();
        // Take in first: a worker with an ended parcel is idle, not busy.
        self.read_lanes(core, now);
        core.state.terminate(grace, now, &mut core.effects);
        self.carry_out(core, now);
    }

    /// Ends a pool that its owner has dropped, or terminates: waits until the workers are gone.
    pub(super) fn end(&self, grace: Option<Duration>) {
        if reactor::check_not_forked().is_err() {
            // The workers are the parent's.
            return;
        }
        self.dismiss(grace);
        self.wait_until_gone(Some(grace.unwrap_or_default() + tuning::KILL_GRACE));
    }

    /// Waits until the workers are gone, at most so long.
    fn wait_until_gone(&self, limit: Option<Duration>) {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.wait_until(deadline, |core| core.state.workers().next().is_none().then_some(()));
    }

    /// What the pool has done so far.
    pub(super) fn stats(&self) -> PoolStats {
        let mut core = self.enter();
        self.pump(&mut core);
        let (state, now) = (&core.state, Instant::now());
        PoolStats {
            tasks_retried: state.counts.retried,
            restarts: state.counts.restarts,
            recycled: state.counts.recycled,
            queued: state.queue.items(),
            running: state.workers().flat_map(|worker| &worker.held).map(|held| held.batch.len()).sum(),
            busy: state.counts.busy,
            idle: state.counts.idle + state.workers().map(|worker| worker.idle(now)).sum::<Duration>(),
            ..core.counts.clone()
        }
    }
}

impl Pulse for Driver {
    fn forget(&self, id: u64) {
        let mut core = self.enter();
        core.owing = true;
        core.lines.iter_mut().flatten().for_each(|line| line.forget_known(id));
    }

    fn pulse(&self) {
        let mut core = self.enter();
        self.pump(&mut core);
    }

    fn end(&self, grace: Duration) {
        self.dismiss(Some(grace));
    }
}
