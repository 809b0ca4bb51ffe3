//! How long a sender or a receiver waits.

use std::time::{Duration, Instant};

use crate::sync::words::platform::WaitDeadline;
use crate::tuning::{QUEUE_LOOKS, QUEUE_PAUSES, SLICE};

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// For a timeout; one beyond the clock's end is endless.
    pub(super) fn timeout(timeout: Duration) -> Self {
        Instant::now().checked_add(timeout).map_or(Self::Endless, Self::Until)
    }

    /// How long to sleep now; `None`: the time is over.
    pub(super) fn slice(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Endless => Some(SLICE),
            Self::Until(at) => {
                let left = at.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(SLICE))
            }
        }
    }

    pub(super) fn deadline(self) -> WaitDeadline {
        match self {
            Self::None => WaitDeadline::after(Duration::ZERO),
            Self::Until(at) => WaitDeadline::after(at.saturating_duration_since(Instant::now())),
            Self::Endless => WaitDeadline::NEVER,
        }
    }
}

/// Looks for some microseconds whether `there` is something to do.
pub(super) fn spin(there: impl Fn() -> bool) {
    for _ in 0..QUEUE_LOOKS {
        if there() {
            return;
        }
        (0..QUEUE_PAUSES).for_each(|_| std::hint::spin_loop());
    }
}
