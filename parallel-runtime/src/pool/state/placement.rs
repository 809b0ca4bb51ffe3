//! Placement: which batch goes to which worker, and what a busy worker leaves to one that has nothing. So one long item among
//! many short ones keeps none of them waiting.

use std::time::Instant;

use super::load::Load;
use super::queue::Queue;
use super::rules::Rules;
use super::worker::{ParcelStage, Worker};
use crate::tuning::SLOTS;

/// The seats of a pool; those without a worker are empty.
pub(crate) type Seats<B> = [Option<Worker<B>>];

/// What a worker is asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A parcel that it may not have taken up.
    Revoke { worker: usize, parcel: u64 },
    /// All but the first `keep` items of a parcel that it runs.
    Divide { worker: usize, parcel: u64, keep: usize },
}

/// Whether so many workers are at short items that another would only be in their way.
fn has_enough<B: Load>(seats: &Seats<B>, now: Instant, rules: &Rules) -> bool {
    let at_short = |worker: &&Worker<B>| worker.is_at_short_items(now, rules.shared_after);
    seats.len() > rules.cores && seats.iter().flatten().filter(at_short).count() >= rules.cores
}

/// The worker for a batch: the one with the fewest parcels, the first of equals; `None` where all have as much as they take.
/// Short items go to workers that are at some already, where those are enough.
fn worker_for<B: Load>(seats: &Seats<B>, batch: &B, now: Instant, rules: &Rules) -> Option<usize> {
    let most = if batch.needs_idle_worker() { 0 } else { SLOTS - 1 };
    let wakes_none = batch.is_short() && has_enough(seats, now, rules);
    let load = |worker: &Worker<B>| {
        let held = worker.capacity(rules.long_parcel).filter(|&held| held <= most)?;
        (!wakes_none || worker.is_at_short_items(now, rules.shared_after)).then_some(held)
    };
    let takers = seats.iter().enumerate().filter_map(|(index, seat)| Some((load(seat.as_ref()?)?, index)));
    takers.min().map(|(_, index)| index)
}

/// The place in the queue of the batch that is handed out next, and the worker that gets it. Where the first batch is short and
/// waits for workers at short items, the first that is not short may go ahead of it.
pub(crate) fn next<B: Load>(queue: &Queue<B>, seats: &Seats<B>, now: Instant, rules: &Rules) -> Option<(usize, usize)> {
    let first = queue.front()?;
    if let Some(worker) = worker_for(seats, first, now, rules) {
        return Some((0, worker));
    }
    let at =
        if first.is_short() { queue.position(|batch| !batch.is_short() && batch.is_wanted())? } else { return None };
    Some((at, worker_for(seats, queue.get(at)?, now, rules)?))
}

/// What a busy worker is asked to leave to an idle one: the second parcel in its lane; else a first parcel that it has not taken
/// up for long; else half of the items that it has not started.
pub(crate) fn share<B: Load>(seats: &Seats<B>, now: Instant, rules: &Rules) -> Option<Ask> {
    let is_idle = |worker: &Worker<B>| worker.capacity(rules.long_parcel) == Some(0);
    seats.iter().flatten().find(|worker| is_idle(worker))?;
    let enough = || has_enough(seats, now, rules);
    let busy = || seats.iter().enumerate().filter_map(|(index, seat)| Some((index, seat.as_ref()?)));
    let waiting = busy().find_map(|(worker, its)| {
        let second =
            its.held.get(1).filter(|held| held.reading.stage == ParcelStage::Waiting && its.life.killed().is_none())?;
        let stays = second.batch.is_short() && its.is_at_short_items(now, rules.shared_after) && enough();
        (!stays).then_some(Ask::Revoke { worker, parcel: second.number })
    });
    let overlooked = || {
        busy().find_map(|(worker, its)| {
            let waited = now.saturating_duration_since(its.front_since);
            let front = its.held.front().filter(|_| its.has_not_begun() && waited >= rules.long_parcel)?;
            Some(Ask::Revoke { worker, parcel: front.number })
        })
    };
    let longest = || {
        let stays = |its: &Worker<B>| its.held.front().is_some_and(|held| held.batch.is_short()) && enough();
        let spare = |(worker, its): (usize, &Worker<B>)| (its.spare_items(now, rules.shared_after), worker);
        let may_go = busy().filter(|(_, its)| its.may_be_divided() && !stays(its)).map(spare);
        let (left, worker) = may_go.max_by_key(|&(left, _)| left).filter(|&(left, _)| left > 0)?;
        let front = seats[worker].as_ref()?.held.front()?;
        let keep = front.delivered + front.batch.len() - left.div_ceil(2);
        Some(Ask::Divide { worker, parcel: front.number, keep })
    };
    waiting.or_else(overlooked).or_else(longest)
}

/// Whether some worker's parcel has items that another might run.
pub(crate) fn can_divide<B: Load>(seats: &Seats<B>) -> bool {
    seats.len() > 1 && seats.iter().flatten().any(Worker::may_be_divided)
}
