//! How large a map's chunks are: a pure function of how long the former took.

use std::time::Duration;

use crate::tuning::{CHUNK_TIME, CHUNK_WEIGHT, CHUNKS_EACH, GROWTH, LONG_CHUNK_TIME, MERGED, ONE_WORKER_TIME, WAKE_UP};

/// How many items the next chunk of a map gets, from how long the former took: small at first, unless it is known how
/// long the function took before, and growing until a chunk takes some 100 µs. Where it is known how many are left, up to 2 ms
/// while no worker would wait for another at the end, and less and less towards it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunker {
    /// The size that the caller chose; nothing is measured then.
    fixed: Option<usize>,
    /// Nanoseconds an item takes, a moving average.
    per_item: Option<f64>,
    /// How many items the latest measured chunk had.
    learned: usize,
    /// A chunk was sent.
    begun: bool,
    last: usize,
    most: usize,
}

#[allow(clippy::cast_precision_loss, reason = "a small number")]
const BRIEF_NANOS: f64 = WAKE_UP.as_nanos() as f64;

impl Chunker {
    /// `most`: the largest chunk that makes sense, for lack of room. `pace`: how long an item of the function took before.
    pub(crate) fn new(fixed: Option<usize>, most: usize, pace: Option<Duration>) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "an average of nanoseconds")]
        let per_item = pace.map(|pace| pace.as_nanos() as f64);
        // What is known from before may be wrong for these items: a short chunk will show.
        let last = per_item.map_or(0, |nanos| items_in(ONE_WORKER_TIME, nanos).div_ceil(GROWTH));
        Self { fixed, per_item, learned: 0, begun: false, last, most: most.max(1) }
    }

    /// How long an item takes, as far as it is known.
    pub(crate) fn pace(&self) -> Option<Duration> {
        self.per_item.map(|nanos| Duration::from_secs_f64(nanos / 1e9))
    }

    /// Whether the items are so short that they only compute.
    pub(crate) fn is_brief(&self) -> bool {
        self.fixed.is_none() && self.per_item.is_some_and(|nanos| nanos < BRIEF_NANOS)
    }

    /// The size of the next chunk; `left`: how many items are still to come, where the input says.
    pub(crate) fn next(&self, left: Option<usize>, workers: usize) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let share = left.map(|left| (left / (workers.max(1) * CHUNKS_EACH)).max(1));
        let wanted = match (self.per_item, share) {
            (None, _) => 1,
            (Some(nanos), None) => items_in(CHUNK_TIME, nanos),
            (Some(nanos), Some(share)) => {
                let short = items_in(WAKE_UP, nanos);
                let left = left.unwrap_or_default();
                let whole = items_in(if self.begun { WAKE_UP } else { ONE_WORKER_TIME }, nanos);
                // What is left is one such chunk, or at most one for each worker.
                let least = if left <= whole { left } else { short.min(left.div_ceil(workers.max(1))) };
                let longest = items_in(LONG_CHUNK_TIME, nanos);
                share.clamp(least, longest.max(least))
            }
        };
        wanted.clamp(1, self.most.min(self.last.saturating_mul(GROWTH)).max(1))
    }

    /// The same for a reduction, of which so many items were sent. What is merged where it was made travels once a chunk, so it is
    /// some more items where enough are left for all, or where all have had many.
    pub(crate) fn next_merged(&self, left: Option<usize>, workers: usize, sent: usize) -> usize {
        let wanted = self.next(left, workers);
        if self.fixed.is_some() {
            return wanted;
        }
        let share = match left {
            Some(left) => left / (workers.max(1) * CHUNKS_EACH),
            None => sent / (workers.max(1) * CHUNKS_EACH),
        };
        wanted.max(share.min(MERGED)).min(self.most)
    }

    /// Notes that a chunk of this size was sent: the next may be somewhat larger.
    pub(crate) fn sent(&mut self, size: usize) {
        self.begun = true;
        self.last = size;
    }

    /// Learns that `items` took `elapsed`.
    pub(crate) fn learn(&mut self, items: usize, elapsed: Duration) {
        if items == 0 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "an average of nanoseconds")]
        let nanos = elapsed.as_nanos() as f64 / items as f64;
        #[allow(clippy::cast_precision_loss, reason = "a part of one")]
        let weight = (1.0 - self.learned as f64 / items as f64).max(CHUNK_WEIGHT);
        self.per_item = Some(match self.per_item {
            None => nanos,
            Some(before) => before + weight * (nanos - before),
        });
        self.learned = items;
    }
}

fn items_in(time: Duration, nanos_per_item: f64) -> usize {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that saturates"
    )]
    let items = (time.as_nanos() as f64 / nanos_per_item.max(0.1)) as usize;
    items.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_after_learning(per_item: Duration, left: Option<usize>) -> usize {
        let mut chunker = Chunker::new(None, usize::MAX, None);
        for _ in 0..100 {
            let size = chunker.next(left, 2);
            chunker.sent(size);
            chunker.learn(size, per_item * u32::try_from(size).unwrap());
        }
        chunker.next(left, 2)
    }

    #[test]
    fn long_items_of_a_reduction_are_put_together_where_enough_are_left_for_all() {
        let slow = Chunker::new(None, usize::MAX, Some(Duration::from_secs(1)));
        for (left, sent, size) in [
            (None, 0, 1),
            (None, 15, 1),
            (None, 16, 2),
            (None, 1_000_000, MERGED),
            (Some(1_000), 0, MERGED),
            (Some(64), 0, 8),
            (Some(15), 1_000_000, 1),
        ] {
            assert_eq!(slow.next_merged(left, 2, sent), size, "{left:?} left, {sent} sent");
        }
        assert_eq!(Chunker::new(None, 4, None).next_merged(Some(1_000), 2, 0), 4);
        assert_eq!(Chunker::new(Some(3), usize::MAX, None).next_merged(Some(1_000), 2, 0), 3);
        // Short ones are put together as everywhere.
        let quick = Chunker::new(None, usize::MAX, Some(Duration::from_nanos(10)));
        assert_eq!(quick.next_merged(Some(6_000), 2, 0), quick.next(Some(6_000), 2));
    }

    #[test]
    fn chunks_start_at_one_item_and_grow_step_by_step() {
        let mut chunker = Chunker::new(None, usize::MAX, None);
        assert_eq!(chunker.next(None, 2), 1);
        chunker.sent(1);
        chunker.learn(1, Duration::from_nanos(10));
        assert_eq!(chunker.next(None, 2), GROWTH);
    }

    #[test]
    fn the_pace_of_an_earlier_map_is_believed_for_a_short_chunk() {
        let mut chunker = Chunker::new(None, usize::MAX, Some(Duration::from_nanos(10)));
        assert!(chunker.is_brief());
        let first = items_in(ONE_WORKER_TIME, 10.0).next_multiple_of(GROWTH);
        assert_eq!(chunker.next(None, 2), first);
        // A map that is no longer goes to one worker, a longer one to all.
        assert_eq!((chunker.next(Some(5_000), 2), chunker.next(Some(6_000), 2)), (5_000, 2_000));
        chunker.sent(first);
        // And for one of the usual length, if that showed nothing else.
        assert_eq!(chunker.next(None, 2), 10_000);
        chunker.sent(10_000);
        chunker.learn(first, Duration::from_secs(2 * first as u64));
        assert_eq!((chunker.next(None, 2), chunker.is_brief()), (1, false));
        assert!(!Chunker::new(None, 1, None).is_brief());
        assert!(!Chunker::new(None, 1, Some(WAKE_UP)).is_brief());
    }

    #[test]
    fn chunks_settle_at_the_time_they_should_take() {
        assert_eq!(size_after_learning(Duration::from_micros(1), None), 100);
        assert_eq!(size_after_learning(Duration::from_secs(1), None), 1);
        assert_eq!(size_after_learning(Duration::from_micros(1), Some(1_000_000)), 2_000);
    }

    #[test]
    fn what_handing_over_costs_is_not_taken_for_the_items() {
        let mut chunker = Chunker::new(None, usize::MAX, None);
        for size in [1, 16, 256, 4096] {
            chunker.sent(size);
            chunker.learn(size, Duration::from_nanos(1000 + 5 * size as u64));
        }
        // 6 ns or so an item, not some 300 as the plain average has it.
        assert!(chunker.next(None, 2) > 10_000, "{}", chunker.next(None, 2));
    }

    #[test]
    fn near_the_end_everyone_gets_a_share() {
        assert_eq!(size_after_learning(Duration::from_micros(10), Some(80)), 10);
        assert_eq!(size_after_learning(Duration::from_millis(10), Some(3)), 1);
        // But none that is shorter than it takes to hand it over,
        assert_eq!(size_after_learning(Duration::from_nanos(10), Some(80)), 80);
        assert_eq!(size_after_learning(Duration::from_nanos(10), Some(2_000)), 2_000);
        // and where that leaves two for two, half of it.
        assert_eq!(size_after_learning(Duration::from_nanos(10), Some(3_000)), 1_500);
        assert_eq!(size_after_learning(Duration::from_nanos(10), Some(10_000)), 2_000);
    }

    #[test]
    fn a_fixed_size_stays() {
        let mut chunker = Chunker::new(Some(7), 3, None);
        chunker.learn(7, Duration::from_secs(9));
        assert_eq!(chunker.next(Some(100), 2), 7);
    }
}
