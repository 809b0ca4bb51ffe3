//! The world around a pool's state: a driver as simple as it can be, workers, callers, and time; and what must hold.
//!
//! After each step and at the end:
//!
//! - each item has at most one outcome, and one at the end, if anybody wants it: its value, or a failure that befell it;
//! - an item that fails for its worker's death was under way in it, or enough workers have died before they could start it; one
//!   that fails for its time ran that long;
//! - an item is started again only after the worker that had it is gone, and no more often than its caller allows, those
//!   deaths aside that were another's doing;
//! - nothing is given to a worker that is gone, that takes nothing, or whose lane has no room; no worker gets more tasks than it
//!   may have;
//! - a worker is killed only for what it did;
//! - queue, counts and the sets of idle and busy workers add up;
//! - nobody that waits sleeps once what it waits for is there, and where somebody waits, one leads;
//! - the pool comes to rest, and nothing waits then that could run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::engine::call_id::{CallId, History, Place};
use crate::lot::{Lot, Order};
use crate::plan::{Deed, End, Nature, Plan, Submission};
use crate::process::{Parcel, Process, Slot, Step};
use crate::state::blame::{BlameCause, Death, Ending, Reached, Sent};
use crate::state::life::Life;
use crate::state::load::Load;
use crate::state::placement::Ask;
use crate::state::rules::Rules;
use crate::state::starts::{Recurrence, StartError};
use crate::state::waiters::{Ticket, Waiters};
use crate::state::worker::{ParcelStage, Reading};
use crate::state::{Action, Attention, BatchFailure, Effects, Event, GiveRefusal, PoolPhase, State, Whereabouts};
use crate::tuning::{ACCIDENTS, LONGEST_START, SLOTS};

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Value,
    Failed(BatchFailure),
    Refused,
}

/// An item as it is.
struct Item {
    nature: Nature,
    order: Rc<Order>,
    call: Option<CallId>,
    outcome: Option<Outcome>,
    /// The processes that have started it, in order.
    started_in: Vec<u64>,
    /// How often it was under way in a worker that ended for another reason.
    excused: u32,
    /// How often a worker ended that held it and had not started it.
    unstarted_deaths: u32,
    /// The handle of its call has signalled its worker.
    signalled: bool,
    /// A worker died of that signal before it began the call.
    ended_unbegun: bool,
}

/// A caller that waits.
struct Caller {
    ticket: Ticket,
    /// For the outcomes of this submission; `None`: for the end of the pool.
    submission: Option<usize>,
    /// It was woken, and has not run since.
    woken: bool,
}

/// In place of a process that has left a merge unfinished.
const LEFT: u64 = 0;
const NEVER: Duration = Duration::from_secs(1_000_000);
/// So many steps no run takes.
const MOST_STEPS: u32 = 60_000;
/// What ends within so long may end while a caller decides.
const SOON: Duration = Duration::from_millis(1);

pub(crate) struct World<'a> {
    plan: &'a Plan,
    rng: Rng,
    base: Instant,
    now: Duration,
    state: State<Lot>,
    effects: Effects<Lot>,
    seats: Vec<Option<Process>>,
    /// Processes that could not be ended, and run on.
    strays: Vec<Process>,
    items: Vec<Item>,
    /// Each submission's items.
    submissions: Vec<Vec<usize>>,
    calls: Vec<usize>,
    alarm: Option<Duration>,
    waiters: Waiters<usize>,
    /// The callers that wait, by their names.
    callers: BTreeMap<usize, Caller>,
    listener: Listener,
    rung: bool,
    looked_at: Duration,
    starts_to_fail: u32,
    foreign: bool,
    sticks: Vec<bool>,
    next_name: u64,
    next_caller: usize,
    gone: u64,
    steps: u32,
    story: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listener {
    Nobody,
    Caller,
    Reactor,
    WhenIdle,
}

macro_rules! tell {
    ($world:expr, $($what:tt)*) => {
        if let Some(story) = &mut $world.story {
            let at = $world.now.as_secs_f64() * 1e3;
            let _ = write!(story, "{at:>10.3} ms  ");
            let _ = writeln!(story, $($what)*);
        }
    };
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, tells: bool) -> Self {
        let rules = Rules {
            cores: plan.cores,
            tasks_per_worker: plan.tasks_per_worker,
            initializes: plan.initializes,
            ..Rules::default()
        };
        Self {
            plan,
            rng: Rng::with_seed(plan.seed ^ 0x5eed),
            base: Instant::now(),
            now: Duration::ZERO,
            state: State::new(plan.workers, rules),
            effects: Effects::default(),
            seats: (0..plan.workers).map(|_| None).collect(),
            strays: Vec::new(),
            items: Vec::new(),
            submissions: Vec::new(),
            calls: Vec::new(),
            alarm: None,
            waiters: Waiters::default(),
            callers: BTreeMap::new(),
            listener: Listener::Nobody,
            rung: false,
            looked_at: Duration::ZERO,
            starts_to_fail: 0,
            foreign: false,
            sticks: vec![false; plan.workers],
            next_name: 0,
            next_caller: 0,
            gone: 0,
            steps: 0,
            story: tells.then(String::new),
        }
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }

    fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.base)
    }

    // The driver.

    fn tell(&mut self, event: Event<Lot>) {
        tell!(self, "    {event:?}");
        let now = self.instant();
        self.state.handle(event, now, &mut self.effects);
    }

    fn pump(&mut self) {
        self.rung = false;
        self.looked_at = self.now;
        if self.foreign {
            self.tell(Event::OwnerDoubted(true));
        }
        self.look();
        self.tell(Event::HandOut);
        self.carry_out();
    }

    fn look(&mut self) {
        self.tell(Event::LooksAtLanes);
        for seat in 0..self.seats.len() {
            let (Some(worker), Some(process)) = (self.state.worker(seat), &mut self.seats[seat]) else { continue };
            process.full &= process.ended.is_none() && self.rng.bool();
            if worker.held.is_empty() && !worker.has_revoked() {
                continue;
            }
            let runs = |parcel| matches!(process.slot(parcel), Slot::Running(its) if its.number == parcel);
            if worker.only_ends().is_some_and(runs) {
                continue;
            }
            if process.spoilt && worker.life.killed().is_none() {
                self.tell(Event::Spoilt { worker: seat });
            } else {
                let (readings, has_passed) = self.read(seat);
                self.tell(Event::Seen { worker: seat, readings, has_passed });
            }
            self.carry_out();
        }
    }

    fn read(&self, seat: usize) -> ([Reading; SLOTS], bool) {
        let (Some(worker), Some(process)) = (self.state.worker(seat), &self.seats[seat]) else {
            return Default::default();
        };
        let mut readings = [Reading::default(); SLOTS];
        for (reading, held) in readings.iter_mut().zip(&worker.held) {
            let (parcel, stage) = match &process.slots[(held.number % SLOTS as u64) as usize] {
                Slot::Running(parcel) => (parcel, ParcelStage::Running),
                Slot::Done(parcel) => (parcel, ParcelStage::Ended),
                Slot::Filled(parcel) => (parcel, ParcelStage::Waiting),
                other => panic!("parcel {} of seat {seat} is not in its lane: {other:?}", held.number),
            };
            assert_eq!(parcel.number, held.number, "the lane of seat {seat} holds another parcel");
            // As the driver does, only what is of use is read of a parcel that runs.
            let runs = stage == ParcelStage::Running;
            let ran = self.now.saturating_sub(parcel.begun);
            if runs && held.batch.timeout().is_none() && ran < self.state.rules.shared_after {
                let begun = (held.batch.len() > 1).then(|| self.base + parcel.begun);
                *reading = Reading { stage, begun, ..held.reading };
                continue;
            }
            *reading = Reading {
                stage,
                started: parcel.started,
                done: parcel.done,
                begun: runs.then(|| self.base + parcel.begun),
                item_since: runs.then(|| self.base + parcel.item_since),
            };
        }
        let revoked = process.slots.contains(&Slot::Revoked);
        (readings, worker.has_revoked() && !revoked)
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.effects.actions.pop_front() {
            tell!(self, "  {action:?}");
            // Workers go on meanwhile.
            if self.rng.u32(..4) == 0 {
                self.any_worker_steps();
            }
            match action {
                Action::Give { worker, parcel } => self.give(worker, parcel),
                Action::TakeIn { worker, parcel } => self.take_in(worker, parcel),
                Action::TakeSoFar { worker, parcel, done } => {
                    if !self.process(worker).spoilt
                        && let Some((_, lot)) = self.state.deliver(worker, parcel, done)
                    {
                        self.deliver(worker, parcel, lot);
                    }
                }
                Action::Ask(ask) => {
                    self.ask(ask);
                    self.tell(Event::HandOut);
                }
                Action::Cancel { worker, parcel } => {
                    if let Slot::Filled(its) | Slot::Running(its) = self.process(worker).slot(parcel) {
                        its.limit = 0;
                    }
                }
                Action::Kill { worker } => self.kill(worker),
                Action::Stop { worker, .. } => self.process(worker).told_to_stop = true,
                Action::EndGroup { worker } => {
                    self.process(worker);
                }
                Action::Arm(at) => self.arm(self.at(at)),
            }
        }
        for (lot, why) in std::mem::take(&mut self.effects.failed) {
            assert!(!matches!(why, BatchFailure::Died { .. }), "nobody has died: {lot:?}");
            self.fail(&lot, why);
        }
        self.check();
    }

    fn process(&mut self, seat: usize) -> &mut Process {
        self.seats[seat].as_mut().expect("an action is for a worker that is there")
    }

    fn arm(&mut self, at: Duration) {
        if self.alarm.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
        }
    }

    fn give(&mut self, seat: usize, parcel: u64) {
        let Some(worker) = self.state.worker(seat) else { panic!("a parcel is given to seat {seat}, which is empty") };
        let Some(held) = worker.held(parcel) else { return };
        let (items, life) = (held.batch.items.clone(), worker.life);
        let is_busy = worker.held.front().is_some_and(|front| front.number != parcel);
        let needs_idle_worker = held.batch.needs_idle_worker();
        let foreign = self.foreign;
        let chance = self.rng.u32(..200);
        let process = self.process(seat);
        let gone = process.ended.is_some() || process.cut_off;
        let why = match () {
            () if process.spoilt => Some(GiveRefusal::Spoilt),
            () if foreign => Some(GiveRefusal::OwnerDoubted),
            // What fits the lane goes into it, whoever is there.
            () if gone && (needs_idle_worker || chance < 100) => Some(GiveRefusal::CutOff),
            () if process.full && needs_idle_worker => Some(GiveRefusal::Full),
            () if chance < 2 => Some(GiveRefusal::Here { partly: chance == 1 }),
            () => None,
        };
        if let Some(why) = why {
            self.tell(Event::NotGiven { worker: seat, parcel, why });
            return;
        }
        assert_eq!(life, Life::Serving, "a parcel is given to a worker that takes none");
        assert!(!(needs_idle_worker && is_busy), "what needs an idle worker is given to a busy one");
        let now = self.now;
        let process = self.process(seat);
        let limit = usize::MAX;
        let fresh = Parcel { number: parcel, items, limit, started: 0, done: 0, begun: now, item_since: now };
        let slot = process.slot(parcel);
        assert_eq!(*slot, Slot::Empty, "a parcel is given to a lane without room");
        *slot = Slot::Filled(fresh);
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Revoke { worker, parcel } => {
                let slot = self.process(worker).slot(parcel);
                let is_back = matches!(slot, Slot::Filled(its) if its.number == parcel);
                if is_back {
                    *slot = Slot::Revoked;
                }
                self.tell(Event::Revoked { worker, parcel, is_back });
            }
            Ask::Divide { worker, parcel, keep } => {
                let divides = self.plan.divides;
                let mut kept = None;
                if let Slot::Filled(its) | Slot::Running(its) | Slot::Done(its) = self.process(worker).slot(parcel)
                    && divides
                    && its.number == parcel
                {
                    its.limit = its.limit.min(keep);
                    kept = Some(keep.max(its.started));
                }
                self.tell(Event::Divided { worker, parcel, kept });
            }
        }
    }

    /// The same for a caller; what a worker leaves waits in the queue then.
    fn ask_for(&mut self, ask: Ask) {
        self.ask(ask);
        self.carry_out();
    }

    fn take_in(&mut self, seat: usize, parcel: u64) {
        let front = self.state.worker(seat).and_then(|worker| worker.held.front());
        let Some(held) = front.filter(|held| held.number == parcel) else { return };
        let done = held.reading.done;
        let is_half = held.batch.is_merged() && done < held.batch.len();
        let items = held.batch.items.clone();
        if self.process(seat).spoilt {
            self.tell(Event::Spoilt { worker: seat });
            return;
        }
        // Half a merge is nothing: its worker was asked to leave it, and all of it is done elsewhere.
        for item in items.into_iter().filter(|_| is_half) {
            let its = &mut self.items[item];
            its.excused += 1;
            its.started_in.iter_mut().for_each(|name| *name = LEFT);
        }
        if let Some((_, lot)) = self.state.take_ended(seat, parcel, done, self.instant()) {
            self.deliver(seat, parcel, lot);
        }
        let now = self.now;
        let slot = self.process(seat).slot(parcel);
        let Slot::Done(its) = std::mem::replace(slot, Slot::Empty) else { panic!("what is taken in has not ended") };
        self.tell(Event::Ended { worker: seat, parcel, elapsed: now - its.begun });
    }

    /// Values go to whoever waits for them.
    fn deliver(&mut self, seat: usize, parcel: u64, lot: Lot) {
        let its = match self.process(seat).slot(parcel) {
            Slot::Running(its) | Slot::Done(its) => its.clone(),
            other => panic!("values of parcel {parcel}, which is {other:?}"),
        };
        let is_whole = lot.items.len() == its.items.len();
        assert!(is_whole || !lot.is_merged(), "half a merge is delivered");
        for item in lot.items {
            let at = its.items.iter().position(|&one| one == item).expect("it travelled in this parcel");
            assert!(at < its.done, "a value of an item that is not done");
            self.settle_item(item, Outcome::Value);
        }
    }

    fn fail(&mut self, lot: &Lot, why: BatchFailure) {
        for &item in &lot.items {
            self.settle_item(item, Outcome::Failed(why));
        }
    }

    fn settle_item(&mut self, item: usize, outcome: Outcome) {
        tell!(self, "      item {item}: {outcome:?}");
        let its = &mut self.items[item];
        assert_eq!(its.outcome, None, "item {item} has a second outcome, {outcome:?}");
        its.outcome = Some(outcome);
        if its.call.is_some() {
            its.order.wanted.set(false);
        }
        let leader = self.leader();
        let over: Vec<usize> = self.callers.keys().copied().filter(|&caller| self.is_over(caller)).collect();
        for caller in over {
            // The one that leads sleeps on the bell.
            self.rung |= leader == Some(caller);
            self.wake(caller);
        }
    }

    // Callers that wait.

    fn leader(&self) -> Option<usize> {
        self.waiters.leader().copied()
    }

    /// Whether what a caller waits for is there.
    fn is_over(&self, caller: usize) -> bool {
        let is_settled = |&item: &usize| self.items[item].outcome.is_some() || !self.items[item].order.wanted.get();
        self.callers[&caller].submission.is_some_and(|at| self.submissions[at].iter().all(is_settled))
    }

    fn wake(&mut self, caller: usize) {
        self.callers.get_mut(&caller).expect("it waits").woken = true;
    }

    fn waits(&mut self, submission: Option<usize>) {
        self.pump();
        let name = self.next_caller;
        self.next_caller += 1;
        let ticket = self.waiters.join(name);
        self.callers.insert(name, Caller { ticket, submission, woken: false });
        if self.is_over(name) {
            self.stops_waiting(name);
        }
        self.settle();
    }

    fn stops_waiting(&mut self, caller: usize) {
        tell!(self, "caller {caller} waits no more");
        let Some(Caller { ticket, .. }) = self.callers.remove(&caller) else { return };
        if let Some(&leader) = self.waiters.leave(ticket) {
            self.wake(leader);
        }
    }

    /// A caller that was woken, or the one that leads, runs.
    fn caller_runs(&mut self, caller: usize) {
        if self.leader() == Some(caller) {
            self.pump();
        }
        self.callers.get_mut(&caller).expect("it waits").woken = false;
        if self.is_over(caller) {
            self.stops_waiting(caller);
        }
        self.settle();
    }

    fn kill(&mut self, seat: usize) {
        let now = self.now;
        let why = self.state.worker(seat).and_then(|worker| worker.life.killed());
        self.check_kill(seat, why);
        let process = self.process(seat);
        process.killed = true;
        process.kill_decided.get_or_insert(now);
    }

    /// Before the lock goes: who hears the workers.
    fn settle(&mut self) {
        if let Some(leader) = self.leader() {
            // One that was handed the lead, and does not run yet, hears nobody.
            let hears = !self.callers[&leader].woken;
            self.listener = if hears { Listener::Caller } else { Listener::Nobody };
            self.rung |= hears && self.any_done();
            return;
        }
        loop {
            self.listener = match self.state.attention() {
                Attention::Never => Listener::Nobody,
                Attention::WhenIdle => Listener::WhenIdle,
                Attention::Always => Listener::Reactor,
            };
            if self.listener == Listener::Nobody || !self.any_done() {
                break;
            }
            self.pump();
        }
        if self.listener != Listener::Nobody {
            self.arm(self.now + self.state.look_again_after());
        }
    }

    fn any_done(&self) -> bool {
        let holds_back = self.state.is_holding_back();
        self.state.seats.iter().zip(&self.seats).any(|(worker, process)| {
            let (Some(worker), Some(process)) = (worker, process) else { return false };
            let Some(front) = worker.held.front().filter(|_| !worker.life.is_spoilt() && !process.spoilt) else {
                return false;
            };
            let is_done = matches!(&process.slots[(front.number % SLOTS as u64) as usize], Slot::Done(_));
            is_done && (!holds_back || process.next_step(|_| Duration::ZERO).is_none())
        })
    }

    /// The reactor fills empty seats.
    fn refill(&mut self) {
        for seat in self.state.seats_to_fill(self.instant()) {
            if self.starts_to_fail > 0 && self.rng.u32(..3) > 0 {
                self.starts_to_fail -= 1;
                let error = StartError::of(std::io::ErrorKind::Other, "refused".to_string());
                let recurrence = if self.rng.bool() { Recurrence::Unlikely } else { Recurrence::Likely };
                self.tell(Event::StartFailed(StartError { recurrence, ..error }));
                self.carry_out();
                return;
            }
            let slow = self.rng.u32(..40) == 0;
            let pause = if slow { LONGEST_START * 2 } else { Duration::from_micros(self.rng.u64(1..2000)) };
            self.next_name += 1;
            self.seats[seat] = Some(Process::new(self.next_name, self.now + pause));
            self.sticks[seat] = false;
            self.tell(Event::Seated { worker: seat });
            self.carry_out();
        }
    }

    fn ring_alarm(&mut self) {
        self.alarm = None;
        self.refill();
        self.pump();
        self.tell(Event::Time);
        self.carry_out();
        let heartbeat = (self.state.attention() != Attention::Never).then(|| self.now + self.state.look_again_after());
        let deadline = self.state.next_deadline(self.instant()).map(|at| self.at(at));
        if let Some(next) = heartbeat.into_iter().chain(deadline).min() {
            self.arm(next.max(self.now));
        }
        self.settle();
    }

    /// The reactor learns that a process is gone, or cannot be ended.
    fn bury(&mut self, seat: usize, ending: Ending) {
        let Some(worker) = self.state.worker(seat) else { panic!("seat {seat} is empty") };
        let held: Vec<(u64, Lot)> = worker.held.iter().map(|held| (held.number, held.batch.clone())).collect();
        let (life, sent) = (worker.life, worker.sent);
        let death =
            Death { ending, killed: life.killed(), sent, has_served: worker.latest.is_some(), told_panic: false };
        let spoilt = self.process(seat).spoilt;
        let mut reached = [None; SLOTS];
        for (at, (number, _)) in held.iter().enumerate() {
            let (taken, parcel) = match self.process(seat).slot(*number) {
                Slot::Running(parcel) | Slot::Done(parcel) => (true, parcel.clone()),
                Slot::Filled(parcel) => (false, parcel.clone()),
                other => panic!("parcel {number} of seat {seat} is not in its lane: {other:?}"),
            };
            if spoilt {
                continue;
            }
            reached[at] = Some(Reached { taken, started: parcel.started, done: parcel.done });
            if let Some((_, lot)) = self.state.deliver(seat, *number, parcel.done) {
                self.deliver(seat, *number, lot);
            }
        }
        let under_way = self.process(seat).under_way();
        self.note_death(seat, under_way, &held, &death, spoilt);
        let start_error = (!life.has_reported_in()).then(|| StartError {
            recurrence: Recurrence::Unlikely,
            ..StartError::of(std::io::ErrorKind::Other, "it died as it started".to_string())
        });
        self.tell(Event::Gone { worker: seat, death, reached, start_error });
        self.gone += 1;
        let failed = std::mem::take(&mut self.effects.failed);
        let process = self.seats[seat].take();
        for (lot, why) in failed {
            if let (BatchFailure::Died { cause, .. }, Some(process)) = (why, &process) {
                self.check_blame(&lot, cause, process, under_way, &death);
            }
            self.fail(&lot, why);
        }
        if let Some(process) = process.filter(|_| ending == Ending::Runs) {
            self.strays.push(process);
        }
        self.carry_out();
        self.pump();
        self.refill();
        self.settle();
    }

    /// Notes for each item what this death was to it.
    fn note_death(&mut self, seat: usize, under_way: Option<usize>, held: &[(u64, Lot)], death: &Death, spoilt: bool) {
        let running = self.seats[seat].as_ref().and_then(Process::running);
        let next = running.filter(|parcel| {
            death.sent.is_some_and(|sent| {
                (sent.parcel, sent.item) == (parcel.number, parcel.started)
                    && death.ending == Ending::Signal(sent.signal)
            })
        });
        let next = next
            .filter(|_| !spoilt && death.killed.is_none())
            .and_then(|parcel| parcel.items.get(parcel.started).copied());
        let ran = running.map(|parcel| parcel.items.clone()).unwrap_or_default();
        for &item in held.iter().flat_map(|(_, lot)| &lot.items) {
            let its = &mut self.items[item];
            if its.outcome.is_some() {
                continue;
            }
            its.ended_unbegun |= next == Some(item);
            let merged = its.order.merged && ran.contains(&item);
            if under_way == Some(item) || merged || spoilt {
                // It may not be its doing.
                let anothers = death.killed.is_some() || death.sent.is_some() || merged || spoilt;
                its.excused += u32::from(anothers);
            } else {
                its.unstarted_deaths += 1;
            }
        }
    }

    // Workers.

    fn lasts(&self, item: usize) -> Duration {
        match self.items[item].nature {
            Nature::Lasts(time) => time,
            Nature::Crashes => Duration::ZERO,
            Nature::Hangs => NEVER,
        }
    }

    fn next_step(&self, seat: usize) -> Option<(Step, Duration)> {
        let process = self.seats[seat].as_ref()?;
        process.next_step(|item| self.lasts(item))
    }

    fn any_worker_steps(&mut self) {
        let seat = self.rng.usize(..self.seats.len());
        if let Some((step, at)) = self.next_step(seat)
            && at <= self.now
        {
            self.worker_steps(seat, step);
        }
    }

    fn worker_steps(&mut self, seat: usize, step: Step) {
        let (now, tasks) = (self.now, self.plan.tasks_per_worker);
        tell!(self, "seat {seat}: {step:?}");
        let Some(process) = self.seats[seat].as_mut() else { return };
        match step {
            // It reports to the reactor, which hears it later.
            Step::ReportIn => process.ready = true,
            Step::Take => {
                let next = process.next;
                process.next += 1;
                let slot = process.slot(next);
                *slot = match std::mem::replace(slot, Slot::Empty) {
                    Slot::Filled(mut parcel) => {
                        parcel.begun = now;
                        Slot::Running(parcel)
                    }
                    _ => Slot::Empty,
                };
            }
            Step::Start | Step::Finish => {
                let Some(number) = process.running().map(|parcel| parcel.number) else { return };
                let name = process.name;
                let Slot::Running(parcel) = process.slot(number) else { return };
                if step == Step::Start {
                    let item = parcel.items[parcel.started];
                    parcel.started += 1;
                    parcel.item_since = now;
                    process.ran += 1;
                    let ran = process.ran;
                    assert!(tasks.is_none_or(|tasks| ran <= tasks), "a worker starts more tasks than it may");
                    self.starts(item, name);
                } else {
                    let item = parcel.items[parcel.started - 1];
                    if self.items[item].nature == Nature::Crashes {
                        process.ended = Some(Ending::Signal(11));
                        tell!(self, "seat {seat}: item {item} crashes it");
                    } else {
                        parcel.done += 1;
                    }
                }
            }
            Step::EndParcel => {
                let Some(number) = process.running().map(|parcel| parcel.number) else { return };
                let slot = process.slot(number);
                if let Slot::Running(parcel) = std::mem::replace(slot, Slot::Empty) {
                    *slot = Slot::Done(parcel);
                }
                let is_idle = process.next_step(|_| Duration::ZERO).is_none();
                self.rung |= match self.listener {
                    Listener::Caller | Listener::Reactor => true,
                    Listener::WhenIdle => is_idle,
                    Listener::Nobody => false,
                };
            }
            Step::Exit => process.ended = Some(Ending::Exited { success: true }),
        }
    }

    fn starts(&mut self, item: usize, name: u64) {
        let living: Vec<u64> =
            self.seats.iter().flatten().filter(|one| one.ended.is_none()).map(|one| one.name).collect();
        let its = &mut self.items[item];
        // A worker that is killed may go on for a moment.
        let was_given_up = its.outcome == Some(Outcome::Failed(BatchFailure::Terminated)) || !its.order.wanted.get();
        assert!(its.outcome.is_none() || was_given_up, "item {item} is started after its outcome");
        let twice = its.started_in.iter().find(|name| living.contains(name));
        assert_eq!(twice, None, "item {item} is started while another worker has it");
        assert!(!its.ended_unbegun, "item {item} is started, and its call was ended before it began");
        its.started_in.push(name);
        let times = u32::try_from(its.started_in.len()).unwrap_or(u32::MAX);
        let most = its.order.retries + 1 + its.excused;
        assert!(times <= most, "item {item} is started {times} times, and may be {most} times");
    }

    /// The reactor hears that a worker has reported in.
    fn hears(&mut self, seat: usize) {
        self.tell(Event::Ready { worker: seat, divides: self.plan.divides });
        self.pump();
        self.settle();
    }

    // What must hold.

    fn check_kill(&self, seat: usize, why: Option<crate::state::life::Killed>) {
        use crate::state::life::Killed;
        let (Some(worker), Some(process)) = (self.state.worker(seat), &self.seats[seat]) else { return };
        match why {
            Some(Killed::Timeout { parcel, item }) => {
                let its = process.slots.iter().find_map(|slot| match slot {
                    Slot::Running(its) | Slot::Done(its) if its.number == parcel => Some(its),
                    _ => None,
                });
                let its = its.expect("a worker is killed for a parcel that it has");
                let timeout = self.items[its.items[item]].order.timeout.expect("it has a timeout");
                if its.started == item + 1 && its.done == item {
                    assert!(self.now - its.item_since >= timeout, "an item is killed before its time");
                }
            }
            Some(Killed::Start) => assert!(self.now - self.at(worker.born) >= LONGEST_START, "a start is killed early"),
            Some(Killed::Spoilt) => assert!(process.spoilt, "a worker is killed for a lane that is whole"),
            Some(Killed::Retired) => {
                assert!(self.foreign || self.plan.deeds.iter().any(|deed| matches!(deed, Deed::ChangeUser)))
            }
            Some(Killed::Stop) => assert!(
                self.state.phase == PoolPhase::Terminated || process.told_to_stop,
                "a worker is killed that was not told to stop"
            ),
            None => panic!("a worker is killed for nothing"),
        }
    }

    fn check_blame(&self, lot: &Lot, cause: BlameCause, process: &Process, under_way: Option<usize>, death: &Death) {
        let first = lot.items[0];
        let runs = |item: &usize| process.running().is_some_and(|parcel| parcel.items.contains(item));
        let is_guilty = if lot.is_merged() { lot.items.iter().all(runs) } else { under_way == Some(first) };
        match cause {
            BlameCause::Died => {
                assert!(is_guilty, "item {first} is blamed, and {under_way:?} was under way");
                assert!(death.killed.is_none() || death.ending == Ending::Runs, "we killed it: {death:?}");
                if let Some(Sent { item, parcel, signal }) = death.sent
                    && death.ending == Ending::Signal(signal)
                {
                    let its = process.running().expect("it ran something");
                    let meant = (its.number, its.started - 1) == (parcel, item);
                    assert!(meant, "item {first} is blamed for a signal that was meant for another");
                }
            }
            BlameCause::TimedOut => {
                assert!(is_guilty, "item {first} is blamed for its time, and {under_way:?} was under way");
                let its = process.running().expect("it ran something");
                let ran = process.kill_decided.expect("it was killed") - its.item_since;
                assert!(Some(ran) >= lot.timeout(), "item {first} timed out after {ran:?}");
            }
            BlameCause::Overwritten => assert!(process.spoilt, "nothing was written over"),
            BlameCause::NeverStarted => {
                let deaths = self.items[first].unstarted_deaths;
                assert!(deaths > ACCIDENTS + lot.retries(), "it is given up after {deaths} deaths");
            }
        }
    }

    /// What must hold whenever nothing is on its way.
    fn check(&self) {
        let queue = &self.state.queue;
        assert_eq!(queue.iter().map(|(_, lot)| lot.len()).sum::<usize>(), queue.items(), "the queue counts wrong");
        assert_eq!(queue.iter().count(), queue.len(), "the queue counts wrong");
        for (place, lot) in queue.iter() {
            let is_told = |order: &Rc<Order>| order.places.borrow().contains(&place);
            assert!(lot.orders.iter().all(is_told), "whose batch waits at {place:?} does not know");
        }
        let held = self.state.workers().flat_map(|worker| &worker.held).map(|held| &held.batch);
        let queued = queue.iter().map(|(_, lot)| lot);
        let mut seen = vec![false; self.items.len()];
        for &item in held.chain(queued).flat_map(|lot| &lot.items) {
            assert!(!std::mem::replace(&mut seen[item], true), "item {item} is in two places");
            assert!(self.items[item].outcome.is_none(), "item {item} is here, and has its outcome");
        }
        for (item, its) in self.items.iter().enumerate() {
            let is_somewhere = seen[item] || its.outcome.is_some() || !its.order.wanted.get();
            assert!(is_somewhere, "item {item} is lost");
        }
        for (worker, process) in self.state.seats.iter().zip(&self.seats) {
            assert_eq!(worker.is_some(), process.is_some(), "a worker's seat and its process differ");
        }
        let seats = &self.state.seats;
        let all = || seats.iter().enumerate().filter_map(|(seat, worker)| Some((seat, worker?)));
        let engaged: Vec<usize> = all().filter(|(_, worker)| worker.is_engaged()).map(|(seat, _)| seat).collect();
        assert_eq!(seats.engaged().map(|(seat, _)| seat).collect::<Vec<_>>(), engaged, "the seats are not sorted");
        let idle = all().find(|(_, worker)| worker.is_idle()).map(|(seat, _)| seat);
        assert_eq!(seats.first_idle(), idle, "the seats are not sorted");
        assert_eq!(self.leader().is_some(), !self.callers.is_empty(), "some wait, and nobody leads");
        for (&name, caller) in &self.callers {
            let hears = caller.woken || (self.leader() == Some(name) && self.rung);
            assert!(hears || !self.is_over(name), "caller {name} sleeps, and what it waits for is there");
        }
        let counts = &self.state.counts;
        assert!(counts.restarts + counts.recycled <= self.gone, "more workers are replaced than are gone");
    }

    // Callers, and whoever else.

    fn submit(&mut self, submission: &Submission) {
        let Submission { call, merged, fixed, watched, needs_idle_worker, short, pace, timeout, retries, .. } =
            *submission;
        let (wanted, places) = (Cell::new(true), RefCell::default());
        let order = Order { wanted, merged, fixed, watched, needs_idle_worker, short, pace, timeout, retries, places };
        let order = Rc::new(order);
        let first = self.items.len();
        let id = call.then_some(CallId(self.calls.len() as u64));
        for &nature in &submission.items {
            self.items.push(Item {
                nature,
                order: Rc::clone(&order),
                call: id,
                outcome: None,
                started_in: Vec::new(),
                excused: 0,
                unstarted_deaths: 0,
                signalled: false,
                ended_unbegun: false,
            });
        }
        let items: Vec<usize> = (first..self.items.len()).collect();
        self.submissions.push(items.clone());
        if call {
            self.calls.push(first);
        }
        if self.state.phase != PoolPhase::Open {
            items.iter().for_each(|&item| self.settle_item(item, Outcome::Refused));
            return;
        }
        let batch = Lot {
            items,
            calls: id.into_iter().collect(),
            orders: vec![order],
            forbids_retries: false,
            history: History::default(),
        };
        let held_back = self.state.is_holding_back();
        self.tell(Event::Submitted { batch, is_awaited: self.leader().is_some() });
        match (held_back, self.state.is_holding_back()) {
            (true, true) => return,
            (false, true) => {}
            (_, false) => self.pump(),
        }
        self.settle();
    }

    /// Where batches of an item's submission wait.
    fn places(&self, item: usize) -> Vec<Place> {
        self.items[item].order.places.borrow().iter().copied().collect()
    }

    fn cancel(&mut self, call: usize) {
        self.pump();
        let id = CallId(call as u64);
        if let Some(Whereabouts::Held { worker, parcel, item }) = self.state.find(id, &self.places(self.calls[call])) {
            self.ask_for(Ask::Revoke { worker, parcel });
            if self.state.worker(worker).is_some_and(|worker| worker.held(parcel).is_some()) {
                self.ask_for(Ask::Divide { worker, parcel, keep: item });
            }
        }
        let places = self.places(self.calls[call]);
        self.state.withdraw(id, &places, &mut self.effects);
        self.pump();
        self.settle();
    }

    fn signal(&mut self, call: usize, signal: i32) {
        let its_item = self.calls[call];
        if let Some(Whereabouts::Held { worker, parcel, item }) = self.state.find(CallId(call as u64), &[])
            && let Slot::Running(its) = self.process(worker).slot(parcel).clone()
            && its.done == item
            && (its.started == item || its.started == item + 1)
            && self.process(worker).ended.is_none()
        {
            // It may begin, or end, right now, and its worker be at the next.
            for _ in 0..self.rng.usize(..6) {
                if let Some((step, at)) = self.next_step(worker).filter(|&(_, at)| at < self.now + SOON) {
                    self.now = self.now.max(at);
                    self.worker_steps(worker, step);
                }
            }
            if self.process(worker).ended.is_some() {
                return;
            }
            let behind = self.state.worker(worker).and_then(|its| its.held.back()).map(|held| held.number);
            if let Some(behind) = behind.filter(|&behind| behind != parcel) {
                self.ask_for(Ask::Revoke { worker, parcel: behind });
            }
            self.ask_for(Ask::Divide { worker, parcel, keep: item + 1 });
            self.process(worker).signalled = Some(signal);
            self.items[its_item].signalled = true;
            self.tell(Event::Signalled { worker, sent: Sent { parcel, item, signal } });
        }
        self.settle();
    }

    fn does(&mut self, deed: &Deed) {
        tell!(self, "{deed:?}");
        match *deed {
            Deed::Submit(ref submission) => self.submit(submission),
            Deed::Cancel(call) if call < self.calls.len() => self.cancel(call),
            Deed::Signal(call, signal) if call < self.calls.len() => self.signal(call, signal),
            Deed::Abandon(at) if at < self.submissions.len() => {
                self.items[self.submissions[at][0]].order.wanted.set(false);
                let places = self.places(self.submissions[at][0]);
                let waits = |(&name, caller): (&usize, &Caller)| (caller.submission == Some(at)).then_some(name);
                let theirs: Vec<usize> = self.callers.iter().filter_map(waits).collect();
                theirs.into_iter().for_each(|caller| self.stops_waiting(caller));
                self.tell(Event::Abandoned { places });
                let waits = |(_, lot): (_, &Lot)| lot.items.contains(&self.submissions[at][0]);
                assert!(!self.state.queue.iter().any(waits), "what was abandoned waits");
                self.pump();
                self.settle();
            }
            Deed::Kill(seat, signal) => {
                if let Some(process) = self.seats[seat].as_mut() {
                    process.ended.get_or_insert(Ending::Signal(signal));
                }
            }
            Deed::Spoil(seat) => {
                if let Some(process) = self.seats[seat].as_mut().filter(|process| process.ready) {
                    process.spoilt = true;
                }
            }
            Deed::CutOff(seat) => {
                if let Some(process) = self.seats[seat].as_mut() {
                    process.cut_off = true;
                }
            }
            Deed::Fill(seat) => {
                if let Some(process) = self.seats[seat].as_mut() {
                    process.full = true;
                }
            }
            Deed::Stick(seat) => self.sticks[seat] = true,
            Deed::ChangeUser => self.foreign = true,
            Deed::StartsFail(times) => self.starts_to_fail += times,
            Deed::Wait(submission) if submission < self.submissions.len() => self.waits(Some(submission)),
            Deed::GiveUp(at) => {
                if let Some(&caller) = self.callers.keys().nth(at) {
                    self.stops_waiting(caller);
                    self.settle();
                }
            }
            Deed::Pause(pause) => self.passes(self.now + pause),
            Deed::Cancel(_) | Deed::Signal(..) | Deed::Abandon(_) | Deed::Wait(_) => {}
        }
    }

    // Time.

    /// Something happens that can happen now; false where nothing can.
    fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "it does not come to rest");
        let mut can: Vec<(usize, u8)> = Vec::new();
        for seat in 0..self.seats.len() {
            let Some(process) = &self.seats[seat] else { continue };
            if process.ended.is_some() {
                can.push((seat, 1));
                continue;
            }
            if process.killed || process.signalled.is_some() {
                can.push((seat, 2));
            }
            if process.ready && self.state.worker(seat).is_some_and(|worker| !worker.life.has_reported_in()) {
                can.push((seat, 3));
            }
            if self.next_step(seat).is_some_and(|(_, at)| at <= self.now) {
                can.push((seat, 0));
            }
        }
        let leads = self.leader().is_some();
        if self.rung || (leads && self.now >= self.looked_at + self.state.look_again_after()) {
            can.push((0, 4));
        }
        can.extend(self.callers.iter().filter(|(_, caller)| caller.woken).map(|(&name, _)| (name, 7)));
        if self.alarm.is_some_and(|at| at <= self.now) {
            can.push((0, 5));
        }
        if self.foreign {
            can.push((0, 6));
        }
        if can.is_empty() {
            return false;
        }
        match can[self.rng.usize(..can.len())] {
            (seat, 0) => {
                if let Some((step, _)) = self.next_step(seat) {
                    self.worker_steps(seat, step);
                }
            }
            (seat, 1) => {
                let ending = self.process(seat).ended.unwrap_or(Ending::Unknown);
                tell!(self, "seat {seat} is gone: {ending:?}");
                self.bury(seat, ending);
            }
            (seat, 2) => {
                if self.sticks[seat] && self.process(seat).killed {
                    tell!(self, "seat {seat} cannot be ended");
                    self.bury(seat, Ending::Runs);
                } else {
                    let process = self.process(seat);
                    let signal = process.signalled.filter(|_| !process.killed).unwrap_or(9);
                    process.ended = Some(Ending::Signal(signal));
                }
            }
            (seat, 3) => self.hears(seat),
            (_, 4) => match self.leader() {
                Some(leader) => self.caller_runs(leader),
                None => {
                    self.pump();
                    self.settle();
                }
            },
            (caller, 7) => self.caller_runs(caller),
            (_, 5) => self.ring_alarm(),
            (_, _) => self.user_is_known(),
        }
        true
    }

    /// The reactor has seen whose the program is: those that were started before are another's.
    fn user_is_known(&mut self) {
        self.foreign = false;
        tell!(self, "the program is another user's");
        self.tell(Event::OwnerDoubted(false));
        for seat in 0..self.seats.len() {
            if self.state.worker(seat).is_some() {
                self.tell(Event::Foreign { worker: seat });
            }
        }
        self.pump();
        self.settle();
    }

    /// When something is next to happen by itself.
    fn next_moment(&self) -> Option<Duration> {
        let steps = (0..self.seats.len()).filter_map(|seat| self.next_step(seat)).map(|(_, at)| at);
        let looks = self.leader().map(|_| self.looked_at + self.state.look_again_after());
        steps.chain(looks).chain(self.alarm).filter(|&at| at > self.now && at < NEVER).min()
    }

    /// Time passes, and what can happen meanwhile happens.
    fn passes(&mut self, until: Duration) {
        loop {
            while self.step() {}
            match self.next_moment().filter(|&at| at <= until) {
                Some(at) => self.now = at,
                None => break,
            }
        }
        self.now = self.now.max(until);
    }

    /// All that will happen happens, as long as anything is to be done.
    fn comes_to_rest(&mut self, is_over: impl Fn(&Self) -> bool) {
        while !is_over(self) {
            if !self.step() {
                match self.next_moment() {
                    Some(at) => self.now = at,
                    None => return,
                }
            }
        }
    }

    fn run(&mut self) {
        self.refill();
        let plan = self.plan;
        for deed in &plan.deeds {
            self.does(deed);
            for _ in 0..self.rng.usize(..8) {
                self.step();
            }
        }
        // Nobody waits: what is queued must not wait for somebody to come.
        if self.rng.bool() {
            while let Some(&caller) = self.callers.keys().next() {
                self.stops_waiting(caller);
            }
            self.settle();
            self.comes_to_rest(|world| world.state.attention() == Attention::Never && !world.rung);
            let drained = self.state.queue.is_empty() || self.state.phase != PoolPhase::Open;
            assert!(drained, "something waits, and nobody looks: {:?}", self.state.queue);
        }
        self.waits(None);
        match plan.end {
            End::Joined => {
                self.state.join();
                self.pump();
                self.settle();
                self.comes_to_rest(|world| world.state.is_drained());
                assert!(self.state.is_drained(), "the pool does not drain");
                let now = self.instant();
                self.state.close(now, &mut self.effects);
            }
            End::Terminated | End::Dropped => {
                let grace = (plan.end == End::Dropped).then_some(Duration::from_secs(1));
                self.look();
                let now = self.instant();
                self.state.terminate(grace, now, &mut self.effects);
            }
        }
        self.carry_out();
        self.comes_to_rest(|world| world.seats.iter().all(Option::is_none));
        assert!(self.seats.iter().all(Option::is_none), "workers are left");
        for (item, its) in self.items.iter().enumerate() {
            let is_settled = its.outcome.is_some() || !its.order.wanted.get();
            assert!(is_settled, "item {item} has no outcome");
            if plan.end == End::Joined && its.outcome == Some(Outcome::Failed(BatchFailure::Terminated)) {
                panic!("item {item} was given up by a pool that was joined");
            }
        }
    }
}

/// Runs a plan; a failure is told with its story, if that is wanted.
pub(crate) fn run(plan: &Plan, tells: bool) -> Result<(), String> {
    let mut world = World::new(plan, tells);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        format!("{}broken: {text}", world.story.take().unwrap_or_default())
    })
}
