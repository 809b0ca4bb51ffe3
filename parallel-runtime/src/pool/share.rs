//! Sharing: what a busy worker has not started goes to one that has nothing, and what a long parcel has done is delivered
//! before its end. So one long item among many short ones keeps none of them waiting.

use std::time::Duration;

use super::core::{Core, Shared};
use super::seat::{InHand, Seat};
use crate::config::{HEARTBEAT, LONG_PARCEL, SHARED_AFTER};

impl Core {
    /// Whether some worker's parcel has items that another might run.
    pub(super) fn can_divide(&self) -> bool {
        let divisible = |seat: &Seat| {
            let parcel = seat.in_hand.front().is_some_and(|hand| hand.batch.is_divisible() && hand.batch.len() > 1);
            parcel && seat.lane.is_divisible()
        };
        self.seats.len() > 1 && self.seated().any(divisible)
    }

    /// When to look again whether something is to be shared or delivered, if nothing rings before.
    pub(super) fn look_again(&self) -> Duration {
        let idle = self.seated().any(|seat| seat.capacity() == Some(0));
        // Those that are at such items may wait for something, and others are needed.
        match self.queue.front() {
            Some(batch) if idle && batch.calls => return SHARED_AFTER,
            Some(batch) if idle && batch.brief => return self.brief_for,
            _ if idle && self.seated().any(Seat::has_not_begun) => return LONG_PARCEL,
            _ => {}
        }
        let mut in_hand = self.seated().filter_map(|seat| seat.in_hand.front());
        match in_hand.any(|hand| hand.batch.is_divisible() && hand.batch.len() > 1) {
            true if idle && self.can_divide() => SHARED_AFTER,
            true => LONG_PARCEL,
            false => HEARTBEAT,
        }
    }
}

impl Shared {
    /// Gives workers that have nothing what waits in another's lane, or what another has not started. False: something could
    /// not be given to one of them, and waits in the queue now.
    pub(super) fn share_out(&self, core: &mut Core) -> bool {
        loop {
            let idle = core.seats.iter().position(|seat| seat.as_ref().and_then(Seat::capacity) == Some(0));
            let Some(idle) = idle.filter(|_| self.is_same_owner(core)) else { return true };
            let (enough, brief_for) = (core.has_enough(self.enough()), core.brief_for);
            let may_go = |seat: &&mut Seat| {
                let stays = |second: &InHand| enough && second.batch.brief && seat.is_briefly_at_work(brief_for);
                !seat.in_hand.get(1).is_some_and(stays)
            };
            let waiting = core.seats.iter_mut().flatten().filter(may_go).find_map(|seat| seat.take_back(1));
            let overdue = |seat: &&mut Seat| seat.has_not_begun() && seat.front_since.elapsed() >= LONG_PARCEL;
            let mut overlooked = || core.seats.iter_mut().flatten().filter(overdue).find_map(|seat| seat.take_back(0));
            let batch = waiting.or_else(&mut overlooked).or_else(|| {
                let longest = core.seats.iter_mut().flatten().max_by_key(|seat| not_started(seat, brief_for))?;
                take_half(longest, brief_for)
            });
            let Some(batch) = batch else { return true };
            if batch.sink.is_wanted() && !self.post(core, idle, batch) {
                return false;
            }
        }
    }

    /// Delivers what a parcel that has run for long has done so far.
    pub(super) fn deliver_early(&self, core: &mut Core, index: usize) {
        let Some(seat) = core.seats[index].as_mut().filter(|seat| seat.life.killed().is_none()) else { return };
        let Some(hand) = seat.in_hand.front_mut() else { return };
        if !hand.batch.is_divisible() || hand.batch.len() < 2 || seat.lane.ran(hand.number) < LONG_PARCEL {
            return;
        }
        let progress = seat.lane.progress(hand.number);
        let done = progress.done.saturating_sub(hand.delivered);
        // What has ended is taken in as a whole.
        if progress.ended || done == 0 || done >= hand.batch.len() {
            return;
        }
        let Some(reply) = seat.lane.reply_so_far(hand.number) else { return };
        let Some(InHand { number, batch, delivered }) = seat.in_hand.pop_front() else { return };
        let (head, rest) = batch.split(done);
        self.deliver(core, index, InHand { number, batch: head, delivered }, &progress, reply);
        if let Some(seat) = core.seats[index].as_mut() {
            seat.in_hand.push_front(InHand { number, batch: rest, delivered: delivered + done });
        }
    }
}

impl Seat {
    /// Whether it has a parcel that it does not take up, and that may go elsewhere: somebody may have stopped it.
    fn has_not_begun(&self) -> bool {
        let front = self.in_hand.front().filter(|_| self.life.killed().is_none());
        front.is_some_and(|hand| !hand.batch.is_sent_last() && !self.lane.progress(hand.number).taken)
    }
}

/// How many items of what a worker runs it has certainly not started, if they may go elsewhere and it is time for that.
fn not_started(seat: &Seat, brief_for: Duration) -> usize {
    let Some(hand) = seat.in_hand.front().filter(|_| seat.life.killed().is_none()) else { return 0 };
    let may_go = hand.batch.is_divisible() && hand.batch.sink.is_wanted();
    // One item alone would only be made ready once more elsewhere.
    let after = if hand.batch.brief { brief_for } else { SHARED_AFTER };
    if !may_go || hand.batch.len() < 2 || seat.lane.ran(hand.number) < after {
        return 0;
    }
    let started = seat.lane.progress(hand.number).started.saturating_sub(hand.delivered);
    hand.batch.len().saturating_sub(started)
}

/// Takes the second half of what a worker has not started.
fn take_half(seat: &mut Seat, brief_for: Duration) -> Option<super::batch::Batch> {
    let left = not_started(seat, brief_for);
    if left == 0 {
        return None;
    }
    let hand = seat.in_hand.front()?;
    let keep = hand.batch.len() - left.div_ceil(2);
    seat.take_from(0, keep).filter(|tail| tail.len() > 0)
}
