//! What a pool decides, apart from what it does: without a descriptor, a clock, a lock, or a call of other code.
//!
//! The [driver](super::driver) tells the [`State`] what happens ([`Event`]), and carries out what it answers ([`Effects`]) before
//! it tells anything else. What the state knows of a worker's lane is what the driver has read from it ([`Reading`]). It knows
//! batches by the trait [`Load`], so that a simulation can drive it with numbers: `tests/simulation` does, in every order.
//!
//! Longer than 400 lines: one match over all events, and a function for each.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

mod asks;
pub(crate) mod batcher;
pub(crate) mod blame;
mod events;
pub(crate) mod life;
pub(crate) mod load;
pub(crate) mod placement;
pub(crate) mod queue;
pub(crate) mod rules;
pub(crate) mod seats;
pub(crate) mod starts;
pub(crate) mod waiters;
pub(crate) mod worker;

use self::blame::{BlameCause, Death, Fate, LeftParcel, Reached, Sent};
pub(crate) use self::events::*;
use self::life::{Killed, Life, Stage, StopReason};
use self::load::Load;
use self::placement::Ask;
use self::queue::Queue;
use self::rules::Rules;
use self::seats::Seats;
use self::starts::{StartError, Starts};
use self::worker::{ParcelStage, Reading, Worker};
use crate::engine::call_id::{History, Place};
use crate::tuning::SLOTS;

/// All that a pool knows and decides.
#[derive(Debug)]
pub(crate) struct State<B> {
    pub(crate) rules: Rules,
    pub(crate) phase: PoolPhase,
    pub(crate) queue: Queue<B>,
    pub(crate) seats: Seats<B>,
    pub(crate) starts: Starts,
    pub(crate) counts: Counts,
    /// The empty seats for which a deputy starts a worker.
    pub(crate) awaited: BTreeSet<usize>,
    /// How many workers have served in each seat and are gone.
    generations: Vec<u32>,
    /// All waiting batches are calls held back for company.
    holds_back: bool,
    /// The program's user may have changed; nothing is handed out until that is known.
    owner_in_doubt: bool,
}

impl<B: Load> State<B> {
    pub(crate) fn new(workers: usize, rules: Rules) -> Self {
        Self {
            rules,
            phase: PoolPhase::Open,
            queue: Queue::default(),
            seats: Seats::new(workers),
            starts: Starts::default(),
            counts: Counts::default(),
            awaited: BTreeSet::new(),
            generations: vec![0; workers],
            holds_back: false,
            owner_in_doubt: false,
        }
    }

    // What happens.

    /// Applies an event, and adds what is to be done to `effects`.
    pub(crate) fn handle(&mut self, event: Event<B>, now: Instant, effects: &mut Effects<B>) {
        match event {
            Event::Submitted { batch, is_awaited } => self.submitted(batch, is_awaited, now),
            Event::LooksAtLanes => self.looks_at_lanes(),
            Event::Seen { worker, readings, has_passed } => self.seen(worker, readings, has_passed, now, effects),
            Event::Ended { worker, parcel, elapsed } => self.ended(worker, parcel, elapsed, now, effects),
            Event::HandOut => self.hand_out(now, effects),
            Event::NotGiven { worker, parcel, why } => self.not_given(worker, parcel, why, now, effects),
            Event::Revoked { worker, parcel, is_back } => self.revoked(worker, parcel, is_back, now, effects),
            Event::Divided { worker, parcel, kept } => self.divided(worker, parcel, kept, effects),
            Event::Seated { worker } => self.seated(worker, now, effects),
            Event::StartFailed(error) => self.start_failed(error, now, effects),
            Event::Ready { worker, divides } => self.ready(worker, divides),
            Event::Gone { worker, death, reached, start_error } => {
                self.gone(worker, &death, reached, start_error, now, effects);
            }
            Event::Spoilt { worker } => self.kill(worker, Killed::Spoilt, effects),
            Event::Foreign { worker } => self.retire(worker, now, effects),
            Event::Signalled { worker, sent } => self.signalled(worker, sent),
            Event::Abandoned { places } => self.abandoned(&places, effects),
            Event::OwnerDoubted(is_doubted) => self.owner_in_doubt = is_doubted,
            Event::Time => self.enforce(now, effects),
        }
    }

    fn submitted(&mut self, batch: B, is_awaited: bool, now: Instant) {
        let is_first = self.queue.is_empty();
        let waits = !is_awaited
            && batcher::holds_back(&batch, &self.queue, &self.seats, now, &self.rules)
            && (is_first || self.holds_back);
        self.holds_back = waits;
        self.queue.push_back(batch);
    }

    fn looks_at_lanes(&mut self) {
        self.holds_back = false;
        let mut next = 0;
        while let Some(index) = self.seats.engaged_from(next) {
            self.seats.get_mut(index).into_iter().for_each(|mut worker| worker.is_full = false);
            next = index + 1;
        }
    }

    fn seen(
        &mut self,
        index: usize,
        readings: [Reading; SLOTS],
        has_passed: bool,
        now: Instant,
        effects: &mut Effects<B>,
    ) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        if has_passed {
            worker.has_passed();
        }
        for (held, reading) in worker.held.iter_mut().zip(readings) {
            held.reading = reading;
        }
        if worker.life.is_spoilt() {
            return;
        }
        let ended = worker.held.iter().take_while(|held| held.reading.stage == ParcelStage::Ended);
        effects.actions.extend(ended.map(|held| Action::TakeIn { worker: index, parcel: held.number }));
        // Values of a long parcel are delivered before its end.
        let Some(front) =
            worker.held.front().filter(|held| held.reading.stage != ParcelStage::Ended && held.batch.len() > 1)
        else {
            return;
        };
        let done = front.reading.done.saturating_sub(front.delivered);
        let is_long = front.reading.ran(now) >= self.rules.long_parcel && front.batch.is_divisible();
        if is_long && worker.life.killed().is_none() && (1..front.batch.len()).contains(&done) {
            let (parcel, done) = (front.number, front.reading.done);
            effects.actions.push_back(Action::TakeSoFar { worker: index, parcel, done });
        }
    }

    fn ended(&mut self, index: usize, parcel: u64, elapsed: Duration, now: Instant, effects: &mut Effects<B>) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        worker.end(parcel, elapsed);
        self.counts.busy += elapsed;
        let is_through = worker.budget == Some(0) || worker.life == Life::Retiring;
        let is_through = is_through && worker.held.is_empty();
        drop(worker);
        if is_through {
            self.stop(index, self.rules.stop_grace, StopReason::Dismissed, now, effects);
        }
    }

    fn hand_out(&mut self, now: Instant, effects: &mut Effects<B>) {
        self.fail_hopeless(effects);
        if self.owner_in_doubt {
            return;
        }
        while let Some(first) = self.queue.front() {
            if !first.is_wanted() {
                self.queue.pop_front();
                continue;
            }
            let Some((place, index)) = placement::next(&self.queue, &self.seats, now, &self.rules) else { break };
            let (Some(batch), Some(mut worker)) = (self.queue.remove(place), self.seats.get_mut(index)) else { break };
            let most = match worker.divides {
                true => batcher::group_size(&batch, &self.queue, self.generations.len(), &self.rules),
                false => 1,
            };
            let mut batch = batcher::gather(batch, &mut self.queue, most);
            if let Some(budget) = worker.budget.filter(|&budget| budget < batch.cost()) {
                let (now, later) = batch.split(budget);
                self.queue.push_front(later);
                batch = now;
            }
            let deadline = batch.timeout().and_then(|timeout| now.checked_add(timeout));
            let parcel = worker.assign(batch, now);
            effects.actions.push_back(Action::Give { worker: index, parcel });
            effects.actions.extend(deadline.map(Action::Arm));
        }
        if self.queue.front().is_none_or(Load::is_short) {
            effects.actions.extend(placement::share(&self.seats, now, &self.rules).map(Action::Ask));
        }
    }

    fn not_given(&mut self, index: usize, parcel: u64, why: GiveRefusal, now: Instant, effects: &mut Effects<B>) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        // Later parcels for the same lane come back as well.
        effects.actions.retain(|action| !matches!(action, Action::Give { worker, .. } if *worker == index));
        while let Some(later) = worker.held.back().map(|held| held.number).filter(|&number| number > parcel) {
            worker.not_given(later).into_iter().for_each(|batch| self.queue.push_front(batch));
        }
        let Some(batch) = worker.not_given(parcel) else { return };
        worker.is_full |= why == GiveRefusal::Full;
        drop(worker);
        if matches!(why, GiveRefusal::CutOff | GiveRefusal::Here { partly: true }) {
            self.stop(index, self.rules.stop_grace, StopReason::CutOff, now, effects);
        }
        if why == GiveRefusal::Spoilt {
            self.kill(index, Killed::Spoilt, effects);
        }
        self.owner_in_doubt |= why == GiveRefusal::OwnerDoubted;
        match why {
            GiveRefusal::Here { .. } => effects.failed.push((batch, BatchFailure::NotGiven)),
            _ => self.queue.push_front(batch),
        }
        self.hand_out(now, effects);
    }

    fn revoked(&mut self, index: usize, parcel: u64, is_back: bool, now: Instant, effects: &mut Effects<B>) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        let retires = worker.life == Life::Retiring;
        if is_back {
            worker.give_back(parcel, now).into_iter().for_each(|batch| self.queue.push_front(batch));
            let is_through = retires && worker.held.is_empty();
            drop(worker);
            if is_through {
                self.stop(index, self.rules.stop_grace, StopReason::Dismissed, now, effects);
            }
            return;
        }
        let Some(held) = worker.held.iter_mut().find(|held| held.number == parcel) else { return };
        held.reading.stage = held.reading.stage.max(ParcelStage::Running);
        if !retires {
            return;
        }
        effects.actions.push_back(match held.batch.is_merged() {
            // A merge has no part results: another worker does all of it.
            true => Action::Cancel { worker: index, parcel },
            false => {
                let keep = held.reading.started.max(held.delivered);
                Action::Ask(Ask::Divide { worker: index, parcel, keep })
            }
        });
    }

    fn divided(&mut self, index: usize, parcel: u64, kept: Option<usize>, effects: &mut Effects<B>) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        if let Some(kept) = kept {
            worker.leave(parcel, kept).into_iter().for_each(|tail| self.queue.push_front(tail));
        } else if let Some(held) = worker.held.iter_mut().find(|held| held.number == parcel) {
            held.stays = true;
            if worker.life == Life::Retiring {
                effects.actions.push_back(Action::Cancel { worker: index, parcel });
            }
        }
    }

    fn seated(&mut self, index: usize, now: Instant, effects: &mut Effects<B>) {
        self.seats.replace(index, Some(Worker::new(now, self.rules.tasks_per_worker)));
        effects.actions.extend(now.checked_add(self.rules.start_timeout).map(Action::Arm));
    }

    fn start_failed(&mut self, error: StartError, now: Instant, effects: &mut Effects<B>) {
        let retry_at = self.starts.failed(error, now, &self.rules);
        if self.is_hopeless() {
            // The failed start counts as an attempt of each waiting batch, until its retries are used up.
            for batch in self.queue.iter_mut() {
                let retries = batch.retries();
                let history = batch.history_mut();
                history.attempts += u32::from(history.attempts <= retries);
            }
        }
        self.fail_hopeless(effects);
        effects.actions.push_back(Action::Arm(retry_at));
    }

    fn ready(&mut self, index: usize, divides: bool) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        worker.life.report_in();
        worker.divides = divides;
        self.starts.went_well();
    }

    fn gone(
        &mut self,
        index: usize,
        death: &Death,
        reached: [Option<Reached>; SLOTS],
        start_error: Option<StartError>,
        now: Instant,
        effects: &mut Effects<B>,
    ) {
        let Some(worker) = self.seats.replace(index, None) else { return };
        // The parcel that it ran counts as busy time, not idle.
        self.counts.busy += worker.running(now);
        self.counts.idle += worker.idle(now);
        self.generations[index] += u32::from(worker.life.has_reported_in());
        let mut again = Vec::new();
        for (at, held) in worker.held.into_iter().enumerate().filter(|(_, held)| held.batch.len() > 0) {
            let mut batch = held.batch;
            let History { attempts, deaths } = batch.history();
            let left = LeftParcel {
                number: held.number,
                is_first: at == 0,
                reached: reached[at],
                is_merged: batch.is_merged(),
                attempts,
                deaths,
                retries: batch.retries(),
                unblamed_deaths: self.rules.unblamed_deaths,
            };
            let started = reached[at].map_or(0, |reached| reached.started);
            match blame::judge(&left, death) {
                Fate::Elsewhere { suspected } => batch.history_mut().deaths += u32::from(suspected),
                Fate::Retry | Fate::RetryAll => {
                    self.counts.retried += 1;
                    batch.history_mut().attempts += 1;
                }
                Fate::FailFirst(cause) => {
                    batch.history_mut().attempts += 1;
                    let (first, rest) = batch.split(1);
                    effects.failed.push((first, BatchFailure::Died { cause, started }));
                    batch = rest;
                }
                Fate::CancelFirst => {
                    let (first, rest) = batch.split(1);
                    effects.failed.push((first, BatchFailure::Cancelled));
                    batch = rest;
                }
                Fate::FailAll(cause) => {
                    batch.history_mut().attempts += u32::from(cause != BlameCause::NeverStarted);
                    effects.failed.push((batch, BatchFailure::Died { cause, started }));
                    continue;
                }
            }
            again.push(batch);
        }
        again.into_iter().rev().for_each(|batch| self.queue.push_front(batch));
        match worker.life.stage() {
            Stage::Starting => {
                if let Some(error) = start_error {
                    self.start_failed(error, now, effects);
                }
            }
            Stage::Serving => self.counts.restarts += 1,
            Stage::Leaving => self.counts.recycled += u64::from(self.phase == PoolPhase::Open),
        }
    }

    /// A worker finishes the items that it is on, and gets no others.
    fn retire(&mut self, index: usize, now: Instant, effects: &mut Effects<B>) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        if !worker.life.retire() {
            drop(worker);
            // It has run no task, so nothing is lost with it.
            self.kill(index, Killed::Retired, effects);
            return;
        }
        let parcels = worker.held.iter().rev().map(|held| held.number);
        effects.actions.extend(parcels.map(|parcel| Action::Ask(Ask::Revoke { worker: index, parcel })));
        let is_idle = worker.held.is_empty();
        drop(worker);
        if is_idle {
            self.stop(index, self.rules.stop_grace, StopReason::Dismissed, now, effects);
        }
    }

    fn signalled(&mut self, index: usize, sent: Sent) {
        let Some(mut worker) = self.seats.get_mut(index) else { return };
        worker.sent = Some(sent);
        // A call that its handle has signalled is not tried again.
        if let Some(held) = worker.held.iter_mut().find(|held| held.number == sent.parcel) {
            held.batch.forbid_retries();
        }
    }

    fn abandoned(&mut self, places: &[Place], effects: &mut Effects<B>) {
        for &place in places {
            if self.queue.get(place).is_some_and(|batch| !batch.is_wanted()) {
                self.queue.remove(place);
            }
        }
        for (worker, its) in self.seats.engaged() {
            let unwanted = its.held.iter().filter(|held| !held.batch.is_wanted());
            effects.actions.extend(unwanted.map(|held| Action::Cancel { worker, parcel: held.number }));
        }
    }

    /// Kills what has run into a deadline.
    fn enforce(&mut self, now: Instant, effects: &mut Effects<B>) {
        for index in 0..self.seats.len() {
            let Some(worker) = self.seats.get(index).filter(|worker| worker.life.killed().is_none()) else {
                continue;
            };
            let late = self.deadlines(worker).find(|(at, _)| *at <= now).map(|(_, why)| why);
            if let Some(why) = late {
                self.kill(index, why, effects);
            }
        }
    }

    // What follows.

    pub(super) fn kill(&mut self, index: usize, why: Killed, effects: &mut Effects<B>) {
        if self.seats.get_mut(index).is_some_and(|mut worker| worker.life.kill(why)) {
            effects.actions.push_back(Action::Kill { worker: index });
        }
    }

    pub(super) fn stop(
        &mut self,
        index: usize,
        grace: Duration,
        why: StopReason,
        now: Instant,
        effects: &mut Effects<B>,
    ) {
        let by = now + grace;
        if self.seats.get_mut(index).is_some_and(|mut worker| worker.life.stop(by, why)) {
            effects.actions.extend([Action::Stop { worker: index, grace }, Action::Arm(by)]);
        }
    }

    /// Fails waiting batches when there is no worker and the next try is some time off, except those with retries left.
    fn fail_hopeless(&mut self, effects: &mut Effects<B>) {
        if self.is_hopeless() && !self.queue.is_empty() {
            let lost = self.queue.drain_where(|batch| batch.history().attempts.max(1) > batch.retries());
            effects.failed.extend(lost.into_iter().map(|batch| (batch, BatchFailure::NoWorkers)));
        }
    }
}
