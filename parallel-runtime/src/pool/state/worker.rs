//! A worker as the state knows it: where it is in its life, what it holds, and what was last read from its lane.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::blame::Sent;
use super::life::Life;
use super::load::Load;
use crate::tuning::SLOTS;

/// How far a worker was with a parcel when its lane was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// The worker has taken it up: it cannot be revoked any more.
    pub(crate) taken: bool,
    pub(crate) ended: bool,
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
        (self.taken && !self.ended && self.started > self.done).then(|| self.started - 1)
    }
}

/// A batch in a worker's lane.
#[derive(Debug)]
pub(crate) struct Held<B> {
    /// The parcel's number: each that goes into a lane gets the next.
    pub(crate) number: u64,
    /// The items of which nothing has been delivered yet.
    pub(crate) batch: B,
    /// How many items of the parcel stand before those.
    pub(crate) delivered: usize,
    pub(crate) reading: Reading,
    /// The worker was asked to leave some of its items, and that cannot be told.
    pub(crate) stays: bool,
}

impl<B: Load> Held<B> {
    /// How many of its items the worker has certainly not started.
    fn not_started(&self) -> usize {
        self.batch.len().saturating_sub(self.reading.started.saturating_sub(self.delivered))
    }
}

/// What a slot of the lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
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
    pub(crate) held: VecDeque<Held<B>>,
    /// Since when its first parcel is the first.
    pub(crate) front_since: Instant,
    /// How many more tasks it may take.
    pub(crate) budget: Option<usize>,
    /// Its channel had no room for what was last to go there; the next look clears this.
    pub(crate) is_full: bool,
    /// Whether a parcel that it runs can be divided.
    pub(crate) divides: bool,
    /// How long its parcels took that have ended.
    pub(crate) busy: Duration,
    /// How long its latest parcel ran; `None` before the first.
    pub(crate) latest: Option<Duration>,
    /// The latest signal that a call's handle asked for.
    pub(crate) sent: Option<Sent>,
    slots: [Slot; SLOTS],
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
            slots: [Slot::Empty; SLOTS],
            next: 0,
        }
    }

    /// How many parcels it holds, if it takes any more. Where its latest was a `long_parcel`, it gets none ahead.
    pub(crate) fn capacity(&self, long_parcel: Duration) -> Option<usize> {
        let ahead = self.held.is_empty() || self.latest.is_some_and(|latest| latest < long_parcel);
        let takes = self.life == Life::Serving && !self.is_full && self.budget != Some(0) && ahead && self.has_room();
        takes.then_some(self.held.len())
    }

    fn has_room(&self) -> bool {
        self.slots[slot_of(self.next)] == Slot::Empty
    }

    /// Whether a slot may become empty without a word from here.
    pub(crate) fn has_revoked(&self) -> bool {
        self.slots.contains(&Slot::Revoked)
    }

    /// The worker has passed by what was revoked: the numbers' slots are empty.
    pub(crate) fn has_passed(&mut self) {
        for slot in &mut self.slots {
            if *slot == Slot::Revoked {
                *slot = Slot::Empty;
            }
        }
    }

    /// Where in its hands a parcel is.
    pub(crate) fn at(&self, number: u64) -> Option<usize> {
        self.held.iter().position(|held| held.number == number)
    }

    pub(crate) fn held(&self, number: u64) -> Option<&Held<B>> {
        self.held.iter().find(|held| held.number == number)
    }

    /// Gives it a batch, within its budget.
    pub(crate) fn take_on(&mut self, batch: B, now: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.slots[slot_of(number)] = Slot::Held;
        if let Some(budget) = &mut self.budget {
            *budget -= batch.cost().min(*budget);
        }
        if self.held.is_empty() {
            self.front_since = now;
        }
        self.held.push_back(Held { number, batch, delivered: 0, reading: Reading::default(), stays: false });
        number
    }

    /// The batch of its latest parcel never reached it: its number is free again.
    pub(crate) fn not_given(&mut self, number: u64) -> Option<B> {
        self.held.back().filter(|held| held.number == number)?;
        let batch = self.held.pop_back()?.batch;
        self.next = number;
        self.slots[slot_of(number)] = Slot::Empty;
        self.refund(batch.cost());
        Some(batch)
    }

    /// A parcel that it had not taken up was taken back.
    pub(crate) fn give_back(&mut self, number: u64, now: Instant) -> Option<B> {
        let at = self.at(number)?;
        let batch = self.held.remove(at)?.batch;
        self.slots[slot_of(number)] = Slot::Revoked;
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
        self.held.insert(at, Held { batch, ..held });
        self.refund(tail.cost());
        Some(tail)
    }

    /// Items of a parcel up to the `done`th are delivered now: what of them had not been. Nothing of half a merge.
    pub(crate) fn deliver(&mut self, number: u64, done: usize) -> Option<(usize, B)> {
        let at = self.at(number)?;
        let fresh = done.saturating_sub(self.held[at].delivered).min(self.held[at].batch.len());
        if fresh == 0 || (self.held[at].batch.is_merged() && fresh < self.held[at].batch.len()) {
            return None;
        }
        let held = self.held.remove(at)?;
        let delivered = held.delivered;
        let (head, batch) = held.batch.split(fresh);
        self.held.insert(at, Held { batch, delivered: delivered + fresh, ..held });
        Some((delivered, head))
    }

    /// Its first parcel has ended, with so many items done: those of them that had not been delivered, with how many items stand
    /// before them, and what was not run. Of a merge that is not whole, all of it was not run.
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
        // What it has not begun is none of its tasks; of half a merge it has begun some.
        let begun = if rest.is_merged() { held.reading.started.saturating_sub(held.delivered) } else { 0 };
        self.refund(rest.cost().saturating_sub(begun));
        (held.delivered, head, Some(rest))
    }

    /// A parcel that was taken in ran so long, and its slot is empty.
    pub(crate) fn end(&mut self, number: u64, elapsed: Duration) {
        self.slots[slot_of(number)] = Slot::Empty;
        self.busy += elapsed;
        self.latest = Some(elapsed);
    }

    fn refund(&mut self, cost: usize) {
        if let Some(budget) = &mut self.budget {
            *budget += cost;
        }
    }

    /// How long what it holds has run. What a worker says is bounded by what can be: it may scribble.
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

    /// Whether it is at short items, as far as it is known by now: the parcel has run for less than `limit`.
    pub(crate) fn is_at_short_items(&self, now: Instant, limit: Duration) -> bool {
        self.held.front().is_some_and(|held| held.batch.is_short()) && self.at_front(now) < limit
    }

    /// Whether it has a parcel that it does not take up, and that may go elsewhere: somebody may have stopped it.
    pub(crate) fn has_not_begun(&self) -> bool {
        let front = self.held.front().filter(|_| self.life.killed().is_none());
        front.is_some_and(|held| !held.batch.needs_idle_worker() && !held.reading.taken)
    }

    /// Whether what it runs has items that another worker might run.
    pub(crate) fn may_be_divided(&self) -> bool {
        let front = self.held.front().filter(|held| !held.stays && self.divides);
        front.is_some_and(|held| held.batch.is_divisible() && held.batch.len() > 1)
    }

    /// How many items of what it runs it has certainly not started, if they may go elsewhere and it is time for that.
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
