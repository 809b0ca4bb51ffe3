//! Batching of submitted calls: short ones travel together, many in one parcel, and one that was submitted just now may wait for
//! others to travel with.

use std::time::{Duration, Instant};

use super::load::Load;
use super::queue::Queue;
use super::rules::Rules;
use super::seats::Seats;
use crate::tuning::SLOTS;

/// How many calls of this pace take so long.
fn calls_in(time: Duration, pace: Duration) -> usize {
    usize::try_from(time.as_nanos() / pace.as_nanos().max(1)).unwrap_or(usize::MAX)
}

/// How many calls like this one travel together to a worker that can be asked to leave some: as many as take some time, and
/// no more than leave the other workers their share.
pub(crate) fn group_size<B: Load>(call: &B, queue: &Queue<B>, workers: usize, rules: &Rules) -> usize {
    let Some(pace) = call.pace().filter(|_| call.is_sociable()) else { return 1 };
    let share = queue.len() / (SLOTS * workers.max(1)) + 1;
    let company = calls_in(rules.company_time, pace);
    calls_in(rules.group_time, pace).min(share.max(company)).min(rules.largest_group)
}

/// Joins a call, taken off the queue, with those like it that wait right behind it, so that up to `most` travel together.
pub(crate) fn gather<B: Load>(first: B, queue: &mut Queue<B>, most: usize) -> B {
    let is_alike = |queue: &Queue<B>| queue.front().is_some_and(|next| next.is_sociable() && next.is_like(&first));
    if most < 2 || !is_alike(queue) {
        return first;
    }
    let mut others = Vec::new();
    while others.len() + 1 < most && is_alike(queue) {
        others.extend(queue.pop_front().filter(B::is_wanted));
    }
    first.join(others)
}

/// Whether a call that was submitted just now is held back for others: it would take less time than it takes to hand it over,
/// and either others are held back already, or a worker is at such calls and will be free in as little.
pub(crate) fn holds_back<B: Load>(call: &B, queue: &Queue<B>, seats: &Seats<B>, now: Instant, rules: &Rules) -> bool {
    let Some(pace) = call.pace().filter(|_| call.is_sociable()) else { return false };
    let enough = calls_in(rules.company_time, pace).min(rules.largest_company);
    if queue.len() + 1 >= enough {
        return false;
    }
    let is_such = |batch: &B| batch.is_calls() && batch.pace().is_some();
    match queue.back() {
        Some(last) => is_such(last),
        None => seats.engaged().any(|(_, worker)| {
            let front = worker.held.front().filter(|_| worker.divides);
            front.is_some_and(|held| is_such(&held.batch)) && worker.at_front(now) < rules.shared_after
        }),
    }
}
