//! How far a lazy map runs ahead of its caller: a pure function of what an item takes, in time and in memory.

use std::time::Duration;

use crate::tuning::{AHEAD_BYTES, AHEAD_TIME, CHUNK_WEIGHT, REFILLED_PART, SLOTS, WINDOW_PER_WORKER};

/// How many items of a lazy map may have been taken from its input and not been given back as outcomes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// What the caller chose, which stays.
    exact: Option<usize>,
    workers: usize,
    /// The memory of a value in bytes, a moving average; 0 before the first.
    value: f64,
}

/// What a lazy map has ahead of its caller.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ahead {
    /// Items that were sent and have not come back.
    pub(crate) under_way: usize,
    /// Outcomes that have come back and have not been given.
    pub(crate) waiting: usize,
    /// The memory of these, in bytes.
    pub(crate) waiting_bytes: usize,
    /// The memory of an item's arguments lately, in bytes.
    pub(crate) argument_bytes: usize,
    /// How long an item takes, as far as it is known.
    pub(crate) pace: Option<Duration>,
}

impl Ahead {
    pub(crate) fn items(&self) -> usize {
        self.under_way + self.waiting
    }
}

impl Window {
    pub(crate) fn new(exact: Option<usize>, workers: usize) -> Self {
        Self { exact, workers: workers.max(1), value: 0.0 }
    }

    /// Learns what the values of so many items take.
    pub(crate) fn learn(&mut self, items: usize, bytes: usize) {
        if items == 0 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "an average of bytes")]
        let each = bytes as f64 / items as f64;
        // Larger ones are believed at once: those under way may be as large.
        self.value = each.max(self.value + CHUNK_WEIGHT * (each - self.value));
    }

    /// The most items that there may be ahead.
    pub(crate) fn most(&self, ahead: Ahead) -> usize {
        if let Some(exact) = self.exact {
            return exact;
        }
        let usual = WINDOW_PER_WORKER * self.workers;
        let in_time = ahead.pace.map_or(0, |pace| count(AHEAD_TIME.as_secs_f64() / pace.as_secs_f64()));
        let room = AHEAD_BYTES.saturating_sub(ahead.waiting_bytes);
        #[allow(clippy::cast_precision_loss, reason = "a number of bytes")]
        let under_way = count(room as f64 / (self.value + ahead.argument_bytes as f64));
        usual.max(in_time).min(under_way.saturating_add(ahead.waiting)).max(SLOTS * self.workers)
    }

    /// How many more items may be taken, and how many to a chunk, so that each worker gets its parcels.
    pub(crate) fn room(&self, ahead: Ahead) -> Room {
        let most = self.most(ahead);
        let items = most.saturating_sub(ahead.items());
        let refilled = (most / REFILLED_PART).max(1);
        let wanting = if ahead.under_way == 0 { 0 } else { refilled.saturating_sub(items) };
        Room { items, wanting, chunk: (most / (SLOTS * self.workers)).max(1) }
    }
}

/// What a window leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) items: usize,
    /// So many outcomes are to be given before items are taken: a good part of the window at a time, so that chunks stay large.
    pub(crate) wanting: usize,
    /// The largest chunk.
    pub(crate) chunk: usize,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that saturates")]
fn count(items: f64) -> usize {
    items as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Four workers, where an item takes so long and its value so many bytes.
    fn most(nanos: u64, bytes: usize, ahead: Ahead) -> usize {
        let mut window = Window::new(None, 4);
        window.learn(1, bytes);
        window.most(Ahead { pace: Some(Duration::from_nanos(nanos)), ..ahead })
    }

    #[test]
    fn a_window_holds_100_ms_of_short_items_and_256_a_worker_of_others_and_64_mib() {
        let second = 1_000_000_000;
        for (nanos, bytes, items) in [
            (1_000, 8, 100_000),
            (1_000, 0, 100_000),
            // More by memory than by time, and the other way.
            (10, 64, MIB),
            (10, 8, 8 * MIB),
            (100_000, 8, 1024),
            (second, 8, 1024),
            (second, 64 << 10, 1024),
            (second, MIB, 64),
            // Two for each worker in any case.
            (second, 4 * MIB, 16),
            (second, 64 * MIB, 8),
            (10, 64 * MIB, 8),
        ] {
            assert_eq!(most(nanos, bytes, Ahead::default()), items, "{nanos} ns, {bytes} bytes");
        }
        // Nothing is known.
        assert_eq!(Window::new(None, 4).most(Ahead::default()), 1024);
    }

    #[test]
    fn what_waits_and_what_is_sent_take_room_too() {
        let waiting = |waiting, waiting_bytes| Ahead { waiting, waiting_bytes, ..Ahead::default() };
        assert_eq!(most(10, MIB, waiting(32, 32 * MIB)), 64);
        assert_eq!(most(10, MIB, waiting(4, 63 * MIB)), 8);
        assert_eq!(most(10, MIB, waiting(9, 65 * MIB)), 9);
        assert_eq!(most(10, MIB, Ahead { argument_bytes: MIB, ..Ahead::default() }), 32);
    }

    #[test]
    fn larger_values_are_believed_at_once_and_smaller_ones_bit_by_bit() {
        let mut window = Window::new(None, 1);
        let mut after = |bytes| {
            window.learn(2, 2 * bytes);
            window.most(Ahead { pace: Some(Duration::from_nanos(1)), ..Ahead::default() })
        };
        assert_eq!((after(64), after(MIB)), (MIB, 64));
        assert!((65..128).contains(&after(64)));
        assert!((0..100).map(|_| after(64)).last() > Some(MIB / 2));
    }

    #[test]
    fn a_chosen_window_stays() {
        let mut window = Window::new(Some(7), 4);
        window.learn(1, 1 << 40);
        let ahead = Ahead { under_way: 3, waiting: 3, waiting_bytes: 1 << 40, ..Ahead::default() };
        assert_eq!(window.room(ahead), Room { items: 1, wanting: 0, chunk: 1 });
    }

    #[test]
    fn a_window_is_filled_again_once_a_quarter_is_free_or_nothing_is_under_way() {
        let window = Window::new(Some(100), 2);
        let room = |under_way, waiting| {
            let Room { items, wanting, .. } = window.room(Ahead { under_way, waiting, ..Ahead::default() });
            (items, wanting)
        };
        assert_eq!(room(100, 0), (0, 25));
        assert_eq!(room(50, 30), (20, 5));
        assert_eq!(room(50, 25), (25, 0));
        assert_eq!(room(0, 90), (10, 0));
        assert_eq!(Window::new(Some(100), 2).room(Ahead::default()).chunk, 25);
    }
}
