//! The bell on which one side of a pipe waits for the other.
//!
//! A waiter counts itself in, looks once more for something to do, and sleeps. A ringer changes the pipe, and then looks at
//! the count. Both have a full fence between their two steps, so one of them sees the other, and no wake-up is lost. If a
//! woken waiter dies before it acts, the other waiters look again after a slice of time.

use super::platform::{AtomicU64, Ordering, fence, fence_after_swap, sleep_low_half, wake_low_half};
use std::time::Duration;

/// How many waiters there are, and how often the bell rang.
///
/// ```text
///  63             32  31                               0
/// | waiters          | rings; waiters sleep on this half |
/// ```
///
/// The count is too high after waiters were killed, or woke at the end of their slice after a ring for another: then a
/// ring finds no sleeper, and clears the count. The count is too low, for a slice at most, after a ringer died between
/// counting a waiter out and waking it.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct QueueBell(AtomicU64);

/// One waiter, in the upper half.
const WAITER: u64 = 1 << 32;

fn word(waiters: u64, rings: u32) -> u64 {
    waiters << 32 | u64::from(rings)
}

impl QueueBell {
    /// A bell without waiters; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// How often the bell rang. A waiter reads this before it looks at what [`ring_all`](Self::ring_all) announces, and
    /// passes it to [`wait`](Self::wait): then no later ring is missed.
    pub(crate) fn rings(&self) -> u32 {
        self.0.load(Ordering::Acquire) as u32
    }

    /// Sleeps until the bell rings, unless it rang since `before`, or `act` found something to do. `act` runs while
    /// `guard` holds its lock; `guard` is dropped before the sleep. May return early, and does after `slice`.
    pub(crate) fn wait<G>(&self, before: u32, guard: G, act: impl FnOnce() -> bool, slice: Duration) {
        let rings = self.0.fetch_add(WAITER, Ordering::Relaxed) as u32;
        fence(Ordering::SeqCst);
        let acted = act();
        drop(guard);
        if !acted {
            sleep_low_half(&self.0, before, Some(slice));
        }
        self.count_out(rings);
    }

    /// Counts this waiter out, unless the bell rang since it was counted in: a ring counts a waiter out itself.
    fn count_out(&self, rings: u32) {
        let out = |word: u64| (word as u32 == rings).then(|| word.checked_sub(WAITER)).flatten();
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, out);
    }

    /// Wakes one waiter, if there is one. Call it after the change, with the lock freed.
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
            // The waiters were killed, or are still awake and will see this ring. Fails if a waiter has come since.
            let _ = self.0.compare_exchange(rung, word(0, rung as u32), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Wakes all waiters, after a change for good: the pipe was closed, or an end dropped.
    pub(crate) fn ring_all(&self) {
        let rung = |now: u64| Some(word(0, (now as u32).wrapping_add(1)));
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, rung);
        wake_low_half(&self.0, u32::MAX >> 1);
    }
}
