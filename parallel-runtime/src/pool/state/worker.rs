//! A worker as the state knows it: where it is in its life, what it holds, and what was last read from its lane.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::blame::Sent;
use super::life::Life;
use super::load::Load;
use crate::tuning::SLOTS;

/// What the slot of a parcel says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum ParcelStage {
    /// The worker has not taken it up: it may be revoked.
    #[default]
    Waiting,
    Running,
    Ended,
}

/// How far a worker was with a parcel when its lane was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    pub(crate) stage: ParcelStage,
    pub(crate) started: usize,
    pub(crate) done: usize,
    /// When the worker took it up.
    pub(crate) begun: Option<Instant>,
    /// When the latest item was started.
    pub(crate) item_since: Option<Instant>,
}

impl Reading {
    /// How long the parcel has run.
    pub(crate) fn ran(&self, now: Instant) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun))
    }

    /// The item that is under way.
    pub(crate) fn under_way(&self) -> Option<usize> {
        (self.stage == ParcelStage::Running && self.started > self.done).then(|| self.started - 1)
    }
}

/// A batch in a worker's lane.
#[derive(Debug)]
pub(crate) struct HeldParcel<B> {
    /// The parcel's number: each that goes into a lane gets the next.
    pub(crate) number: u64,
    /// The items of which nothing has been delivered yet.
    pub(crate) batch: B,
    /// How many items of the parcel stand before those.
    pub(crate) delivered: usize,
    pub(crate) reading: Reading,
    /// The worker was asked to leave items, and it cannot be told which it will run: it keeps all.
    pub(crate) stays: bool,
}

impl<B: Load> HeldParcel<B> {
    /// How many of its items the worker has certainly not started.
    fn not_started(&self) -> usize {
        self.batch.len().saturating_sub(self.reading.started.saturating_sub(self.delivered))
    }
}

/// What a slot of the lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    Empty,
    Held,
    /// A parcel that was taken back, until the worker has passed it by.
    Revoked,
}

/// A worker, from its start to its end.
#[derive(Debug)]
pub(crate) struct Worker<B> {
    pub(crate) life: Life,
    pub(crate) born: Instant,
    /// At most [`SLOTS`].
    pub(crate) held: VecDeque<HeldParcel<B>>,
    /// Since when its first parcel is the first.
    pub(crate) front_since: Instant,
    /// How many more tasks it may take.
    pub(crate) budget: Option<usize>,
    /// Its channel had no room for the latest message; the next look at the lanes clears this.
    pub(crate) is_full: bool,
    /// Whether a parcel that it runs can be divided.
    pub(crate) divides: bool,
    /// How long its parcels took that have ended.
    pub(crate) busy: Duration,
    /// How long its latest parcel ran; `None` before the first.
    pub(crate) latest: Option<Duration>,
    /// The latest signal that a call's handle asked for.
    pub(crate) sent: Option<Sent>,
    slots: [SlotState; SLOTS],
    next: u64,
}

impl<B: Load> Worker<B> {
    pub(crate) fn new(now: Instant, budget: Option<usize>) -> Self {
        Self {
            life: Life::Starting,
            born: now,
            held: VecDeque::new(),
            front_since: now,
            budget,
            is_full: false,
            divides: false,
            busy: Duration::ZERO,
            latest: None,
            sent: None,
            slots: [SlotState::Empty; SLOTS],
            next: 0,
        }
    }

    /// Whether it takes a parcel and has none.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.takes_more()
    }

    /// Whether something of it is to be looked at: what it holds, what was revoked, a channel that had no room.
    pub(crate) fn is_engaged(&self) -> bool {
        !self.held.is_empty() || self.has_revoked() || self.is_full
    }

    /// The parcel of which nothing is to be seen before its end: one item, which is known to run and may take as long as it likes.
    pub(crate) fn only_ends(&self) -> Option<u64> {
        let front = self.held.front().filter(|_| self.held.len() == 1 && !self.has_revoked() && !self.is_full)?;
        let HeldParcel { number, batch, reading, .. } = front;
        let runs = reading.stage == ParcelStage::Running && !self.life.is_spoilt();
        (runs && batch.len() == 1 && batch.timeout().is_none()).then_some(*number)
    }

    /// How many parcels it holds, if it takes any more. Where its latest was a `long_parcel`, it gets none ahead.
    pub(crate) fn capacity(&self, long_parcel: Duration) -> Option<usize> {
        let ahead = self.held.is_empty() || self.latest.is_some_and(|latest| latest < long_parcel);
        (ahead && self.takes_more()).then_some(self.held.len())
    }

    fn takes_more(&self) -> bool {
        let has_room = self.slots[slot_of(self.next)] == SlotState::Empty;
        self.life == Life::Serving && !self.is_full && self.budget != Some(0) && has_room
    }

    /// Whether a slot holds a revoked parcel, which the worker has yet to pass by.
    pub(crate) fn has_revoked(&self) -> bool {
        self.slots.contains(&SlotState::Revoked)
    }

    /// The worker has passed by what was revoked: the numbers' slots are empty.
    pub(crate) fn has_passed(&mut self) {
        for slot in &mut self.slots {
            if *slot == SlotState::Revoked {
                *slot = SlotState::Empty;
            }
        }
    }

    /// The place of a parcel among those that it holds.
    pub(crate) fn at(&self, number: u64) -> Option<usize> {
        self.held.iter().position(|held| held.number == number)
    }

    pub(crate) fn held(&self, number: u64) -> Option<&HeldParcel<B>> {
        self.held.iter().find(|held| held.number == number)
    }

    /// Gives it a batch, within its budget.
    pub(crate) fn assign(&mut self, batch: B, now: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.slots[slot_of(number)] = SlotState::Held;
        if let Some(budget) = &mut self.budget {
            *budget -= batch.cost().min(*budget);
        }
        if self.held.is_empty() {
            self.front_since = now;
        }
        self.held.push_back(HeldParcel { number, batch, delivered: 0, reading: Reading::default(), stays: false });
        number
    }

    /// The batch of its latest parcel never reached it: its number is free again.
    pub(crate) fn not_given(&mut self, number: u64) -> Option<B> {
        self.held.back().filter(|held| held.number == number)?;
        let batch = self.held.pop_back()?.batch;
        self.next = number;
        self.slots[slot_of(number)] = SlotState::Empty;
        self.refund(batch.cost());
        Some(batch)
    }

    /// A parcel that it had not taken up was taken back.
    pub(crate) fn give_back(&mut self, number: u64, now: Instant) -> Option<B> {
        let at = self.at(number)?;
        let batch = self.held.remove(at)?.batch;
        self.slots[slot_of(number)] = SlotState::Revoked;
        if at == 0 {
            self.front_since = now;
        }
        self.refund(batch.cost());
        Some(batch)
    }

    /// It runs no more than the first `kept` items of a parcel: the others are given back.
    pub(crate) fn leave(&mut self, number: u64, kept: usize) -> Option<B> {
        let at = self.at(number)?;
        let held = &mut self.held[at];
        held.reading.started = held.reading.started.max(kept);
        let kept = kept.saturating_sub(held.delivered);
        if kept >= held.batch.len() {
            return None;
        }
        let held = self.held.remove(at)?;
        let (batch, tail) = held.batch.split(kept);
        self.held.insert(at, HeldParcel { batch, ..held });
        self.refund(tail.cost());
        Some(tail)
    }

    /// Items of a parcel up to the `done`th are delivered now: those that had not been. None of an unfinished merge.
    pub(crate) fn deliver(&mut self, number: u64, done: usize) -> Option<(usize, B)> {
        let at = self.at(number)?;
        let fresh = done.saturating_sub(self.held[at].delivered).min(self.held[at].batch.len());
        if fresh == 0 || (self.held[at].batch.is_merged() && fresh < self.held[at].batch.len()) {
            return None;
        }
        let held = self.held.remove(at)?;
        let delivered = held.delivered;
        let (head, batch) = held.batch.split(fresh);
        self.held.insert(at, HeldParcel { batch, delivered: delivered + fresh, ..held });
        Some((delivered, head))
    }

    /// Its first parcel has ended with `done` items done. Returns how many were delivered before, those to deliver now, and those
    /// that were not run: of an unfinished merge, all.
    pub(crate) fn take_ended(&mut self, number: u64, done: usize, now: Instant) -> (usize, Option<B>, Option<B>) {
        if self.held.front().is_none_or(|held| held.number != number) {
            return (0, None, None);
        }
        let Some(held) = self.held.pop_front() else { return (0, None, None) };
        self.front_since = now;
        let fresh = done.saturating_sub(held.delivered);
        if fresh >= held.batch.len() {
            return (held.delivered, Some(held.batch), None);
        }
        let (head, rest) = if held.batch.is_merged() || fresh == 0 {
            (None, held.batch)
        } else {
            let (head, rest) = held.batch.split(fresh);
            (Some(head), rest)
        };
        // Items that it has not begun do not count as its tasks; of an unfinished merge, those that it has begun do.
        let begun = if rest.is_merged() { held.reading.started.saturating_sub(held.delivered) } else { 0 };
        self.refund(rest.cost().saturating_sub(begun));
        (held.delivered, head, Some(rest))
    }

    /// A parcel was taken in, which ran so long: its slot is empty.
    pub(crate) fn end(&mut self, number: u64, elapsed: Duration) {
        self.slots[slot_of(number)] = SlotState::Empty;
        self.busy += elapsed;
        self.latest = Some(elapsed);
    }

    fn refund(&mut self, cost: usize) {
        if let Some(budget) = &mut self.budget {
            *budget += cost;
        }
    }

    /// How long what it holds has run. Bounded by the worker's age: it may have written over the times in its lane.
    pub(crate) fn running(&self, now: Instant) -> Duration {
        let ran = if self.held.is_empty() { Duration::ZERO } else { self.at_front(now) };
        ran.min(now.saturating_duration_since(self.born).saturating_sub(self.busy))
    }

    /// How long it had nothing to run.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born).saturating_sub(self.busy).saturating_sub(self.running(now))
    }

    /// How long its first parcel has run, or has waited for the worker to take it up.
    pub(crate) fn at_front(&self, now: Instant) -> Duration {
        let since = self.held.front().and_then(|held| held.reading.begun).unwrap_or(self.front_since);
        now.saturating_duration_since(since)
    }

    /// Whether it runs short items, as far as is known by now: the parcel has run for less than `limit`.
    pub(crate) fn is_at_short_items(&self, now: Instant, limit: Duration) -> bool {
        self.held.front().is_some_and(|held| held.batch.is_short()) && self.at_front(now) < limit
    }

    /// Whether it has a parcel that it has not taken up and that another worker may run: a signal may have stopped it.
    pub(crate) fn has_not_begun(&self) -> bool {
        let front = self.held.front().filter(|_| self.life.killed().is_none());
        front.is_some_and(|held| !held.batch.needs_idle_worker() && held.reading.stage == ParcelStage::Waiting)
    }

    /// Whether what it runs has items that another worker might run.
    pub(crate) fn may_be_divided(&self) -> bool {
        let front = self.held.front().filter(|held| !held.stays && self.divides);
        front.is_some_and(|held| held.batch.is_divisible() && held.batch.len() > 1)
    }

    /// How many items of its first parcel it has certainly not started, if another worker may run them and the parcel has run
    /// for `after`.
    pub(crate) fn spare_items(&self, now: Instant, after: Duration) -> usize {
        let alive = self.life.killed().is_none() && self.may_be_divided();
        match self.held.front().filter(|held| alive && held.batch.is_wanted() && held.reading.ran(now) >= after) {
            Some(held) => held.not_started(),
            None => 0,
        }
    }
}

fn slot_of(number: u64) -> usize {
    // The remainder is smaller than the number of slots.
    (number % SLOTS as u64) as usize
}
