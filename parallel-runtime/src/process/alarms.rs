//! What is to happen at a time.

use std::collections::BTreeMap;
use std::time::Instant;

/// Things in the order of their times; of equal times, the first set comes first.
pub(super) struct Alarms<T> {
    by_time: BTreeMap<(Instant, u64), T>,
    /// How many were set.
    set: u64,
    /// With more than these, those that nothing wants any more are dropped.
    swept: usize,
}

impl<T> Default for Alarms<T> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), set: 0, swept: 0 }
    }
}

impl<T> Alarms<T> {
    /// Adds `what` at `at`. Now and then, as often as their number has doubled, drops those that are not wanted.
    pub(super) fn set(&mut self, at: Instant, what: T, is_wanted: impl Fn(&T) -> bool) {
        self.by_time.insert((at, self.set), what);
        self.set += 1;
        if self.by_time.len() > self.swept {
            self.by_time.retain(|_, what| is_wanted(what));
            self.swept = 2 * self.by_time.len();
        }
    }

    /// The earliest time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<T> {
        let first = self.by_time.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn alarms_come_in_the_order_of_their_times_and_not_before() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut alarms = Alarms::default();
        for (at, what) in [(2, "b"), (1, "a"), (2, "c"), (3, "d")] {
            alarms.set(after(at), what, |_| true);
        }
        assert_eq!((alarms.next(), alarms.take_due(start)), (Some(after(1)), None));
        let due: Vec<&str> = std::iter::from_fn(|| alarms.take_due(after(2))).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!((alarms.next(), alarms.take_due(after(3))), (Some(after(3)), Some("d")));
    }

    #[test]
    fn alarms_that_nothing_wants_do_not_pile_up() {
        let mut alarms = Alarms::default();
        for number in 0..10_000 {
            alarms.set(Instant::now(), number, |&number| number % 100 == 0);
            assert!(alarms.by_time.len() <= 2 * (number / 100 + 2), "{} of {number}", alarms.by_time.len());
        }
    }
}
