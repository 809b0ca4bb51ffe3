//! Yielding: who is about to do what nobody waits for yet gives way to what is waited for on this very core, such as the end
//! of a process, or the caller who hears of it.

use std::time::{Duration, Instant};

use crate::tuning;

/// Gives way as long as it is worth it. Where others compute as well, it is they who take the core, for milliseconds; then it
/// is not done for some time.
#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// How often it is not done.
    rest: u32,
}

impl Yielding {
    /// Whether nobody else takes the cores, by what giving way has shown.
    pub(super) fn is_quiet(&self) -> bool {
        self.rest == 0
    }

    /// Lets whoever else is ready to run on this core do so first.
    pub(super) fn give_way(&mut self) {
        if self.is_quiet() {
            let before = Instant::now();
            std::thread::yield_now();
            self.learn(before.elapsed());
        } else {
            self.rest -= 1;
        }
    }

    /// Giving way took so long.
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
    fn who_waited_long_does_not_give_way_for_some_time() {
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
