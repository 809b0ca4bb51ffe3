//! What callers ask of the state, and what can be asked about it.

use std::time::{Duration, Instant};

use super::life::{Killed, StopReason};
use super::load::Load;
use super::rules::Rules;
use super::worker::Worker;
use super::{Action, Attention, BatchFailure, Effects, PoolPhase, State, Whereabouts, placement};
use crate::engine::call_id::{CallId, Place};

impl<B: Load> State<B> {
    /// Takes nothing new, and finishes what it has.
    pub(crate) fn join(&mut self) {
        self.phase = PoolPhase::Joining;
    }

    /// All is done: tells the workers to end.
    pub(crate) fn close(&mut self, now: Instant, effects: &mut Effects<B>) {
        self.phase = PoolPhase::Closed;
        for index in 0..self.seats.len() {
            self.stop(index, self.rules.stop_grace, StopReason::Dismissed, now, effects);
        }
    }

    /// Ends at once: pending batches fail. Busy workers are killed; idle ones get `grace` to end as programs do, or are killed
    /// too.
    pub(crate) fn terminate(&mut self, grace: Option<Duration>, now: Instant, effects: &mut Effects<B>) {
        if matches!(self.phase, PoolPhase::Open | PoolPhase::Joining) {
            self.phase = PoolPhase::Terminated;
        }
        let mut pending = self.queue.drain_where(|_| true);
        for index in 0..self.seats.len() {
            let Some(mut worker) = self.seats.get_mut(index) else { continue };
            let is_idle = worker.held.is_empty() && (worker.life.has_reported_in() || !self.rules.initializes);
            pending.extend(worker.held.drain(..).map(|held| held.batch));
            drop(worker);
            match grace.filter(|_| is_idle) {
                Some(grace) => {
                    // Processes that it has started in its group do not outlive it either.
                    effects.actions.push_back(Action::EndGroup { worker: index });
                    self.stop(index, grace, StopReason::Dismissed, now, effects);
                }
                None => self.kill(index, Killed::Stop, effects),
            }
        }
        effects.failed.extend(pending.into_iter().map(|batch| (batch, BatchFailure::Terminated)));
    }

    /// Lets a call fail that waits at one of these places of the queue; false where it does not.
    pub(crate) fn withdraw(&mut self, call: CallId, places: &[Place], effects: &mut Effects<B>) -> bool {
        let withdrawn = places.iter().find_map(|&place| self.queue.withdraw(call, place));
        let is_withdrawn = withdrawn.is_some();
        effects.failed.extend(withdrawn.map(|batch| (batch, BatchFailure::Cancelled)));
        is_withdrawn
    }

    /// A worker's first parcel has ended, with so many items done: what of them is to be delivered, and how many items of the
    /// parcel stand before that. What was not run waits again.
    pub(crate) fn take_ended(&mut self, worker: usize, parcel: u64, done: usize, now: Instant) -> Option<(usize, B)> {
        let (before, head, rest) = self.seats.get_mut(worker)?.take_ended(parcel, done, now);
        rest.into_iter().for_each(|rest| self.queue.push_front(rest));
        Some((before, head?))
    }

    /// Items of a parcel up to the `done`th are delivered now: what of them had not been, and how many stand before those.
    pub(crate) fn deliver(&mut self, worker: usize, parcel: u64, done: usize) -> Option<(usize, B)> {
        self.seats.get_mut(worker)?.deliver(parcel, done)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker<B>> {
        self.seats.iter().flatten()
    }

    pub(crate) fn worker(&self, index: usize) -> Option<&Worker<B>> {
        self.seats.get(index)
    }

    pub(crate) fn generation(&self, index: usize) -> u32 {
        self.generations[index]
    }

    /// Whether all waiting batches are calls held back for company.
    pub(crate) fn is_holding_back(&self) -> bool {
        self.holds_back && !self.queue.is_empty()
    }

    /// Where a call is; if it waits, then at one of these places.
    pub(crate) fn find(&self, call: CallId, places: &[Place]) -> Option<Whereabouts> {
        if places.iter().any(|&place| self.queue.has(call, place)) {
            return Some(Whereabouts::Queued);
        }
        self.seats.engaged().find_map(|(worker, its)| {
            its.held.iter().find_map(|held| {
                let item = held.delivered + held.batch.position(call)?;
                Some(Whereabouts::Held { worker, parcel: held.number, item })
            })
        })
    }

    /// Whether no worker serves, and another try to start one is some time off.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.starts.is_hopeless() && !self.workers().any(|worker| worker.life.has_reported_in())
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.seats.engaged().all(|(_, worker)| worker.held.is_empty())
    }

    /// The empty seats that are to be filled now.
    pub(crate) fn seats_to_fill(&self, now: Instant) -> Vec<usize> {
        if !self.needs_workers() || self.starts.retry_after(now).is_some() {
            return Vec::new();
        }
        let is_empty = |index: &usize| self.seats.get(*index).is_none() && !self.awaited.contains(index);
        (0..self.seats.len()).filter(is_empty).collect()
    }

    /// Whether its empty seats are to be filled.
    pub(crate) fn needs_workers(&self) -> bool {
        self.phase == PoolPhase::Open || (self.phase == PoolPhase::Joining && !self.is_drained())
    }

    /// Whether the reactor must hear the workers while no caller waits.
    pub(crate) fn attention(&self) -> Attention {
        let mut held = self.seats.engaged().flat_map(|(_, worker)| &worker.held);
        if held.any(|held| held.batch.is_watched()) {
            return Attention::Always;
        }
        let waits = !self.queue.is_empty()
            || self.seats.engaged().any(|(_, worker)| worker.budget.is_some() && !worker.held.is_empty())
            // A worker that becomes idle first is to get the second parcel.
            || (self.seats.len() > 1 && self.seats.engaged().any(|(_, worker)| worker.held.len() > 1))
            || placement::can_divide(&self.seats);
        if waits { Attention::WhenIdle } else { Attention::Never }
    }

    /// How soon to pump again if no worker rings before: something may be to be shared or delivered.
    pub(crate) fn look_again_after(&self) -> Duration {
        let Rules { shared_after, long_parcel, heartbeat, .. } = self.rules;
        let idle = self.seats.first_idle().is_some();
        // Workers at short items may be blocked in one, so idle ones are needed.
        if idle && self.queue.front().is_some_and(|batch| batch.is_calls() || batch.is_short()) {
            return shared_after;
        }
        if idle && self.seats.engaged().any(|(_, worker)| worker.has_not_begun()) {
            return long_parcel;
        }
        let is_long = |(_, worker): (usize, &Worker<B>)| {
            worker.held.front().is_some_and(|held| held.batch.is_divisible() && held.batch.len() > 1)
        };
        match self.seats.engaged().any(is_long) {
            true if idle && placement::can_divide(&self.seats) => shared_after,
            true => long_parcel,
            false => heartbeat,
        }
    }

    /// When a deadline is next.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let alive = || self.workers().filter(|worker| worker.life.killed().is_none());
        let ends = alive().flat_map(|worker| self.deadlines(worker)).map(|(at, _)| at);
        // A parcel without an item under way may start one now.
        let waiting = alive().flat_map(|worker| &worker.held).filter(|held| held.reading.under_way().is_none());
        let starts = waiting.filter_map(|held| now.checked_add(held.batch.timeout()?));
        ends.chain(starts).chain(self.starts.retry_after(now)).min()
    }

    /// A worker's deadlines, each with what the worker is killed for then.
    pub(super) fn deadlines(&self, worker: &Worker<B>) -> impl Iterator<Item = (Instant, Killed)> {
        let start_by = worker.born.checked_add(self.rules.start_timeout).filter(|_| !worker.life.has_reported_in());
        let stop_by = worker.life.stop_by().filter(|_| worker.held.is_empty());
        let end_by = worker.held.iter().filter_map(|held| {
            // The start is read last, so it is never that of an earlier item: no item is killed early.
            let (item, since) = (held.reading.under_way()?, held.reading.item_since?);
            Some((since.checked_add(held.batch.timeout()?)?, Killed::Timeout { parcel: held.number, item }))
        });
        let others = [start_by.map(|at| (at, Killed::Start)), stop_by.map(|at| (at, Killed::Stop))];
        others.into_iter().flatten().chain(end_by)
    }
}
