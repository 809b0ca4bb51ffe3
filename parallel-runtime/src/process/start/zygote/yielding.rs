//! Yielding: before work ahead of need, the reactor or the zygote gives way to what a caller waits for on this core, such as
//! the end of a process, or the caller itself.

use std::time::{Duration, Instant};

use crate::tuning;

/// Gives way as long as it is worth it. In a busy machine unrelated threads take the core, for milliseconds; after such a
/// yield the next [`tuning::TIMES_WITHOUT_GIVING_WAY`] are skipped.
#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// How many yields are still to be skipped.
    rest: u32,
}

impl Yielding {
    /// Whether no unrelated load takes the core, by what the last yields took.
    pub(super) fn is_quiet(&self) -> bool {
        self.rest == 0
    }

    /// Lets other threads that are ready on this core run first.
    pub(super) fn give_way(&mut self) {
        if self.is_quiet() {
            let before = Instant::now();
            std::thread::yield_now();
            self.learn(before.elapsed());
        } else {
            self.rest -= 1;
        }
    }

    /// Notes that a yield took so long.
    fn learn(&mut self, elapsed: Duration) {
        if elapsed > tuning::GAVE_WAY_IN_VAIN {
            self.rest = tuning::TIMES_WITHOUT_GIVING_WAY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_yield_the_next_ones_are_skipped() {
        let mut yielding = Yielding::default();
        yielding.learn(tuning::GAVE_WAY_IN_VAIN);
        assert!(yielding.is_quiet());
        yielding.learn(2 * tuning::GAVE_WAY_IN_VAIN);
        for _ in 0..tuning::TIMES_WITHOUT_GIVING_WAY {
            assert!(!yielding.is_quiet());
            yielding.give_way();
        }
        assert!(yielding.is_quiet());
    }
}
