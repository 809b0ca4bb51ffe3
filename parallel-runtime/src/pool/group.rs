//! Groups: short submitted calls that travel together, many in one parcel, and how one of them is found and taken out again.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, Sink};
use super::core::{Core, Shared};
use super::seat::Seat;
use super::values::Values;
use crate::config::{COMPANY_TIME, GROUP_TIME, LARGEST_COMPANY, LARGEST_GROUP, LONGEST_IN_GROUP, SHARED_AFTER};
use crate::error::Error;
use crate::job::Callback;
use crate::wire::payload::Payload;

/// Calls whose outcomes go to each of them.
struct Group(Vec<Arc<dyn Sink>>);

impl Sink for Group {
    fn is_wanted(&self) -> bool {
        self.0.iter().any(|call| call.is_wanted())
    }

    fn is_watched(&self) -> bool {
        self.0.iter().any(|call| call.is_watched())
    }

    fn find(&self, call: *const ()) -> Option<usize> {
        self.0.iter().position(|member| Arc::as_ptr(member).cast::<()>() == call)
    }

    fn values(&self, first: usize, values: Values) -> Vec<Callback> {
        let each = self.0[first..].iter().zip(values.iter());
        each.flat_map(|(call, (value, handles))| call.value(Payload { bytes: value.into(), handles: handles.into() }))
            .collect()
    }

    fn failed(&self, index: usize, error: Error) -> Vec<Callback> {
        self.0[index].failed(0, error)
    }
}

impl Batch {
    /// Whether it is a short call that may travel with others.
    fn is_sociable(&self) -> bool {
        let small = self.len() == 1 && self.bytes.len() <= LONGEST_IN_GROUP && self.handles.is_empty();
        small && self.merge.is_none() && self.attempts == 0 && self.deaths == 0 && self.sink.is_call()
    }

    /// Which of its items this call is.
    pub(super) fn position(&self, call: *const ()) -> Option<usize> {
        self.sink.find(call)?.checked_sub(self.first).filter(|&position| position < self.len())
    }

    /// What is left without one of its items, in order.
    fn without(self, position: usize) -> impl Iterator<Item = Batch> {
        let (before, with) = self.split(position);
        let (_, after) = with.split(1);
        [before, after].into_iter().filter(|part| part.len() > 0)
    }
}

impl Shared {
    /// Joins a call that is about to be posted with those like it that wait right behind it.
    pub(super) fn gather(core: &mut Core, index: usize, first: Batch) -> Batch {
        let most = if first.is_sociable() { core.group_size(index, &first) } else { 1 };
        let mut group = first;
        let mut members: Vec<Arc<dyn Sink>> = Vec::new();
        while members.len().max(1) < most {
            let alike = |next: &Batch| {
                let same = next.entry.zip(group.entry).is_some_and(|(one, other)| std::ptr::eq(one, other));
                same && next.is_sociable() && next.terms == group.terms
            };
            if !core.queue.front().is_some_and(alike) {
                break;
            }
            let Some(next) = core.queue.pop_front().filter(|next| next.sink.is_wanted()) else { continue };
            if members.is_empty() {
                members.push(Arc::clone(&group.sink));
            }
            group.bytes.extend_from_slice(&next.bytes);
            group.ends.push(group.bytes.len());
            members.push(next.sink);
        }
        if !members.is_empty() {
            group.sink = Arc::new(Group(members));
        }
        group
    }
}

/// How many calls of this pace take so long.
fn calls_in(time: Duration, pace: Duration) -> usize {
    usize::try_from(time.as_nanos() / pace.as_nanos().max(1)).unwrap_or(usize::MAX)
}

impl Core {
    /// How many calls like this one are to travel together: as many as take some time, and no more than leave the other
    /// workers their share.
    fn group_size(&self, index: usize, call: &Batch) -> usize {
        let Some(pace) = self.pace_of(call) else { return 1 };
        if !self.seats[index].as_ref().is_some_and(|seat| seat.lane.is_divisible()) {
            return 1;
        }
        let share = self.queue.len() / (2 * self.seats.len()) + 1;
        calls_in(GROUP_TIME, pace).min(share.max(calls_in(COMPANY_TIME, pace))).min(LARGEST_GROUP)
    }

    /// Whether a call that was submitted just now is to wait for others to travel with: it would take less time than it takes
    /// to hand it over, and either others wait so, or a worker is at such calls and will be free in as little. Where somebody
    /// waits for calls already, none is to wait for more.
    pub(super) fn awaits_company(&self, call: &Batch) -> bool {
        let Some(pace) = self.pace_of(call) else { return false };
        let enough = calls_in(COMPANY_TIME, pace).min(LARGEST_COMPANY);
        if self.led || self.queue.len() + 1 >= enough || !call.is_sociable() {
            return false;
        }
        let such = |batch: &Batch| batch.calls && self.pace_of(batch).is_some();
        match self.queue.back() {
            Some(last) => such(last),
            None => self.seated().filter(|seat| seat.lane.is_divisible()).any(|seat| {
                let front = seat.in_hand.front();
                front.is_some_and(|hand| such(&hand.batch) && seat.lane.ran(hand.number) < SHARED_AFTER)
            }),
        }
    }

    /// Takes a call that has not started out of the pool; false when it has started, or is not here.
    pub(super) fn withdraw(&mut self, call: *const ()) -> bool {
        let queued = self.queue.iter().enumerate().find_map(|(at, batch)| Some((at, batch.position(call)?)));
        if let Some((at, position)) = queued {
            let Some(batch) = self.queue.remove(at) else { return false };
            for part in batch.without(position).collect::<Vec<_>>().into_iter().rev() {
                self.queue.insert(at, part);
            }
            return true;
        }
        let Self { seats, queue, .. } = self;
        seats.iter_mut().flatten().any(|seat| {
            let Some((at, position)) = seat.find(call) else { return false };
            let taken = match seat.take_back(at) {
                Some(batch) => Some((batch, position)),
                None => seat.take_from(at, position).map(|batch| (batch, 0)),
            };
            let Some((batch, position)) = taken else { return false };
            for part in batch.without(position).collect::<Vec<_>>().into_iter().rev() {
                queue.push_front(part);
            }
            true
        })
    }
}

impl Seat {
    /// Which parcel in hand a call is in, and which of its items it is.
    pub(super) fn find(&self, call: *const ()) -> Option<(usize, usize)> {
        self.in_hand.iter().enumerate().find_map(|(at, hand)| Some((at, hand.batch.position(call)?)))
    }

    /// Takes the items from `position` on out of the parcel that runs; `None` when the first of them has started.
    pub(super) fn take_from(&mut self, at: usize, position: usize) -> Option<Batch> {
        let hand = self.in_hand.get(at).filter(|_| at == 0)?;
        let kept = self.lane.divide(hand.number, hand.delivered + position)?.saturating_sub(hand.delivered);
        if kept > position {
            // What follows it comes back when the parcel ends, which it does before that.
            return None;
        }
        let mut hand = self.in_hand.pop_front()?;
        let (head, tail) = hand.batch.split(kept);
        hand.batch = head;
        self.in_hand.push_front(hand);
        if let Some(budget) = &mut self.budget {
            *budget += tail.cost();
        }
        Some(tail)
    }
}
