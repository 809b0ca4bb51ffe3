//! How programs that fail are watched: from [`outside`], by the tests that start them, and from [`inside`], by
//! themselves.

#[macro_use]
mod list;
pub mod inside;
pub mod outside;

use std::time::{Duration, Instant};

/// How long anything may take before it counts as a hang. Long, for a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `check` gives something.
///
/// # Panics
///
/// When that takes longer than [`PATIENCE`].
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
