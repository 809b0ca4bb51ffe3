//! Pauses that double, before what has failed is tried again.

use std::time::Duration;

use crate::tuning::{FIRST_PAUSE, LONGEST_PAUSE};

/// The pause after so many failures in a row.
pub(crate) fn after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!([0, 1, 2].map(after), [1, 2, 4].map(|times| times * FIRST_PAUSE));
        assert_eq!([16, 31, 32, u32::MAX].map(after), [LONGEST_PAUSE; 4]);
    }
}
