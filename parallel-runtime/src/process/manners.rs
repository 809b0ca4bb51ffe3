//! Manners: who is about to do what nobody waits for yet gives way to what is waited for on this very core, such as the end
//! of a process, or the caller who hears of it.

use std::time::Instant;

use crate::config;

/// Gives way as long as it is worth it. Where others compute as well, it is they who take the core, for milliseconds; then it
/// is not done for some time.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// How often it is not done.
    rest: u32,
}

impl Manners {
    /// Whether others leave the cores to us, as far as is known.
    pub(super) fn are_due(&self) -> bool {
        self.rest == 0
    }

    pub(super) fn give_way(&mut self) {
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        let before = Instant::now();
        std::thread::yield_now();
        if before.elapsed() > config::GAVE_WAY_IN_VAIN {
            self.rest = config::TIMES_WITHOUT_GIVING_WAY;
        }
    }
}
