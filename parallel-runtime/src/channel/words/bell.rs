//! The bell on which one side of a pipe waits for the other.
//!
//! Whoever finds nothing to do is counted in, looks once more, and sleeps until it rings; who has changed the pipe looks at
//! the count afterwards. Between the two steps of either there is a full fence. So one of the two sees the other, and no
//! call is lost. Should one who was woken die before he acts, the others look again after a slice of time.

use super::platform::{AtomicU64, Ordering, fence, fence_after_swap, sleep_low_half, wake_low_half};
use std::time::Duration;

/// Who waits, and how often they were woken.
///
/// ```text
///  63             32  31                             0
/// | how many wait    | how often it rang; they sleep on this half |
/// ```
///
/// The count may be too high, by those who were killed: then a call finds nobody, and empties it. It is too low for no
/// longer than a slice, after one died who had counted down and not yet woken.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Bell(AtomicU64);

/// One who waits, in the upper half.
const WAITER: u64 = 1 << 32;

fn word(waiters: u64, rings: u32) -> u64 {
    waiters << 32 | u64::from(rings)
}

impl Bell {
    /// One for which nobody waits; memory of zeros is that, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// How often it rang. Who reads this before he looks at what [`ring_all`](Self::ring_all) tells of hears of all that
    /// happens later.
    pub(crate) fn rings(&self) -> u32 {
        self.0.load(Ordering::Acquire) as u32
    }

    /// Sleeps until it rings, unless it rang since `before`, or `act` finds something to do. `act` looks once more under
    /// the lock `held`, which is then given back. May return early, and does after `slice`.
    pub(crate) fn wait<Held>(&self, before: u32, held: Held, act: impl FnOnce() -> bool, slice: Duration) {
        let rings = self.0.fetch_add(WAITER, Ordering::Relaxed) as u32;
        fence(Ordering::SeqCst);
        let acted = act();
        drop(held);
        if !acted {
            sleep_low_half(&self.0, before, Some(slice));
        }
        self.count_out(rings);
    }

    /// Counts one out who was not woken since.
    fn count_out(&self, rings: u32) {
        let out = |word: u64| (word as u32 == rings).then(|| word.checked_sub(WAITER)).flatten();
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, out);
    }

    /// Wakes one who waits, if there is one; after something was changed and the lock over it freed.
    #[inline]
    pub(crate) fn ring(&self) {
        fence_after_swap();
        if self.0.load(Ordering::Relaxed) >= WAITER {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let mut now = self.0.load(Ordering::Relaxed);
        let rung = loop {
            let Some(waiters) = (now >> 32).checked_sub(1) else { return };
            let rung = word(waiters, (now as u32).wrapping_add(1));
            match self.0.compare_exchange_weak(now, rung, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break rung,
                Err(other) => now = other,
            }
        };
        if wake_low_half(&self.0, 1) == 0 {
            // They were killed, or have not fallen asleep yet and see that it rang. Fails where somebody came since.
            let _ = self.0.compare_exchange(rung, word(0, rung as u32), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Wakes everybody, after something was written that does not come back.
    pub(crate) fn ring_all(&self) {
        let rung = |now: u64| Some(word(0, (now as u32).wrapping_add(1)));
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, rung);
        wake_low_half(&self.0, u32::MAX >> 1);
    }
}
