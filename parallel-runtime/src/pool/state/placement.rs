//! Placement: which batch goes to which worker, and what a busy worker leaves to one that has nothing. So one long item among
//! many short ones keeps none of them waiting.

use std::time::Instant;

use super::load::Load;
use super::queue::Queue;
use super::rules::Rules;
use super::seats::Seats;
use super::worker::{ParcelStage, Worker};
use crate::engine::call_id::Place;

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
    let at_short = |(_, worker): &(usize, &Worker<B>)| worker.is_at_short_items(now, rules.shared_after);
    seats.len() > rules.cores && seats.engaged().filter(at_short).count() >= rules.cores
}

/// The worker for a batch: the one with the fewest parcels, the first of equals; `None` where all have as much as they take.
/// Short items go to workers that are at some already, where those are enough.
fn worker_for<B: Load>(seats: &Seats<B>, batch: &B, now: Instant, rules: &Rules) -> Option<usize> {
    let wakes_none = batch.is_short() && has_enough(seats, now, rules);
    let idle = seats.first_idle().filter(|_| !wakes_none);
    if idle.is_some() || batch.needs_idle_worker() {
        return idle;
    }
    let may_get = |worker: &Worker<B>| !wakes_none || worker.is_at_short_items(now, rules.shared_after);
    let busy = seats.engaged().filter(|(_, worker)| may_get(worker));
    let takers = busy.filter_map(|(index, worker)| Some((worker.capacity(rules.long_parcel)?, index)));
    takers.min().map(|(_, index)| index)
}

/// The place in the queue of the batch that is handed out next, and the worker that gets it. Where the first batch is short and
/// waits for workers at short items, the first that is not short may go ahead of it.
pub(crate) fn next<B: Load>(queue: &Queue<B>, seats: &Seats<B>, now: Instant, rules: &Rules) -> Option<(Place, usize)> {
    let (place, first) = queue.iter().next()?;
    if let Some(worker) = worker_for(seats, first, now, rules) {
        return Some((place, worker));
    }
    if !first.is_short() {
        return None;
    }
    let (place, other) = queue.iter().find(|(_, batch)| !batch.is_short() && batch.is_wanted())?;
    Some((place, worker_for(seats, other, now, rules)?))
}

/// What a busy worker is asked to leave to an idle one: the second parcel in its lane; else a first parcel that it has not taken
/// up for long; else half of the items that it has not started.
pub(crate) fn share<B: Load>(seats: &Seats<B>, now: Instant, rules: &Rules) -> Option<Ask> {
    seats.first_idle()?;
    let enough = || has_enough(seats, now, rules);
    let waiting = seats.engaged().find_map(|(worker, its)| {
        let second =
            its.held.get(1).filter(|held| held.reading.stage == ParcelStage::Waiting && its.life.killed().is_none())?;
        let stays = second.batch.is_short() && its.is_at_short_items(now, rules.shared_after) && enough();
        (!stays).then_some(Ask::Revoke { worker, parcel: second.number })
    });
    let overlooked = || {
        seats.engaged().find_map(|(worker, its)| {
            let waited = now.saturating_duration_since(its.front_since);
            let front = its.held.front().filter(|_| its.has_not_begun() && waited >= rules.long_parcel)?;
            Some(Ask::Revoke { worker, parcel: front.number })
        })
    };
    let longest = || {
        let stays = |its: &Worker<B>| its.held.front().is_some_and(|held| held.batch.is_short()) && enough();
        let spare = |(worker, its): (usize, &Worker<B>)| (its.spare_items(now, rules.shared_after), worker);
        let may_go = seats.engaged().filter(|(_, its)| its.may_be_divided() && !stays(its)).map(spare);
        let (left, worker) = may_go.max_by_key(|&(left, _)| left).filter(|&(left, _)| left > 0)?;
        let front = seats.get(worker)?.held.front()?;
        let keep = front.delivered + front.batch.len() - left.div_ceil(2);
        Some(Ask::Divide { worker, parcel: front.number, keep })
    };
    waiting.or_else(overlooked).or_else(longest)
}

/// Whether some worker's parcel has items that another might run.
pub(crate) fn can_divide<B: Load>(seats: &Seats<B>) -> bool {
    seats.len() > 1 && seats.engaged().any(|(_, worker)| worker.may_be_divided())
}
