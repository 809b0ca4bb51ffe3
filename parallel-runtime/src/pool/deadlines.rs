//! Deadlines: a start, a task and a stop may each take so long and no longer.

use std::time::{Duration, Instant};

use super::core::{Core, Shared};
use super::seat::Seat;
use super::state::life::Killed;
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
            if seat.life.killed().is_some() {
                continue;
            }
            let starts = !seat.life.has_reported_in();
            let start_by = seat.born.checked_add(self.settings.start_timeout()).filter(|_| starts);
            let stop_by = seat.life.stop_by().filter(|_| seat.in_hand.is_empty());
            at_latest(expire(seat, start_by, now, Killed::Start));
            at_latest(expire(seat, stop_by, now, Killed::Stop));
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
fn expire(seat: &mut Seat, at: Option<Instant>, now: Instant, reason: Killed) -> Option<Instant> {
    let at = at.filter(|_| seat.life.killed().is_none())?;
    if at > now {
        return Some(at);
    }
    seat.kill(reason);
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
            late = Some(Killed::Timeout { parcel: hand.number, item: progress.started - 1 });
            break;
        }
        let left = if runs { timeout - ran } else { timeout };
        let at = now.checked_add(left);
        next = match (next, at) {
            (Some(next), Some(at)) => Some(next.min(at)),
            (next, at) => next.or(at),
        };
    }
    if let Some(late) = late {
        seat.kill(late);
        return None;
    }
    next
}
