//! Deadlines: a start, a task and a stop may each take so long and no longer.

use std::time::{Duration, Instant};

use super::core::{Core, Shared};
use super::seat::{KilledFor, Seat};
use crate::config;
use crate::sys::wait::monotonic_nanos;

impl Shared {
    /// Kills what has run into a deadline; returns the next one.
    pub(crate) fn enforce(&self, core: &mut Core, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = core.retry_at.filter(|&at| at > now);
        let mut at_latest = |at: Option<Instant>| {
            next = match (next, at) {
                (Some(next), Some(at)) => Some(next.min(at)),
                (next, at) => next.or(at),
            };
        };
        for seat in core.seats.iter_mut().flatten() {
            at_latest(let_go(seat, now));
            if seat.killed_for.is_some() {
                continue;
            }
            let start_by = if seat.ready { None } else { seat.born.checked_add(self.settings.start_timeout()) };
            let stop_by = seat.stop_by.filter(|_| seat.in_hand.is_empty());
            at_latest(expire(seat, start_by, now, KilledFor::Start));
            at_latest(expire(seat, stop_by, now, KilledFor::Stop));
            at_latest(overdue(seat, now));
        }
        next
    }
}

/// Gives back the memory of a large parcel that no other followed for a while; otherwise returns when to look again.
fn let_go(seat: &mut Seat, now: Instant) -> Option<Instant> {
    let spare = seat.block.as_ref()?;
    let at = spare.since + config::SPARE_BLOCK;
    if at > now {
        return Some(at);
    }
    seat.block = None;
    None
}

/// Kills a worker whose time was over at `at`; otherwise returns when it will be.
fn expire(seat: &mut Seat, at: Option<Instant>, now: Instant, reason: KilledFor) -> Option<Instant> {
    let at = at.filter(|_| seat.killed_for.is_none())?;
    if at > now {
        return Some(at);
    }
    seat.killed_for = Some(reason);
    seat.child.end();
    None
}

/// Kills a worker whose task has run too long; returns when to look again.
fn overdue(seat: &mut Seat, now: Instant) -> Option<Instant> {
    let mut next: Option<Instant> = None;
    let mut late = None;
    for hand in &seat.in_hand {
        let Some(timeout) = hand.batch.terms.timeout else { continue };
        let progress = seat.lane.progress(hand.number);
        let runs = progress.taken && !progress.ended && progress.started > progress.done;
        // The start is read last, so it is never that of an earlier item: nobody is killed early.
        let ran = Duration::from_nanos(monotonic_nanos().saturating_sub(progress.started_at));
        if runs && ran >= timeout {
            late = Some(KilledFor::Timeout { number: hand.number, item: progress.started - 1 });
            break;
        }
        let left = if runs { timeout - ran } else { timeout };
        let at = now.checked_add(left);
        next = match (next, at) {
            (Some(next), Some(at)) => Some(next.min(at)),
            (next, at) => next.or(at),
        };
    }
    if late.is_some() {
        seat.killed_for = late;
        seat.child.end();
        return None;
    }
    next
}
