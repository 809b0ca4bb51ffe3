//! The word of a semaphore.
//!
//! To take and to give back a permit is one compare-and-swap, and a system call only where somebody may be asleep. As in
//! the lock's word, [`WAITERS`] stays set until a release finds nobody asleep, so that a waiter that was woken and then
//! timed out or died has taken nothing from the others.

use super::platform::{self, AtomicU32, Deadline, Ordering, SLICE};

/// Somebody may be asleep.
const WAITERS: u32 = 1 << 31;
/// The most permits there can be at a time.
pub(crate) const MOST: u32 = WAITERS - 1;

/// How many permits are free, and whether somebody waits.
///
/// | bits | |
/// |---|---|
/// | 31 | WAITERS |
/// | 0 to 30 | free permits |
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct SemaphoreWord(AtomicU32);

/// More permits than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl SemaphoreWord {
    /// A semaphore without permits; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; semaphores of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes a permit if one is free.
    pub(crate) fn try_acquire(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & MOST > 0 {
            match self.0.compare_exchange(word, word - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Waits for a permit until the deadline; takes a free one however late it is.
    pub(crate) fn acquire_until(&self, deadline: Deadline) -> bool {
        let mut slept = false;
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word & MOST > 0 {
                // Who slept may not have been the only one.
                let taken = (word - 1) | if slept { WAITERS } else { 0 };
                if self.0.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return true;
                }
                continue;
            }
            if word != WAITERS && self.0.compare_exchange(word, WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            if deadline.has_passed() {
                return false;
            }
            platform::sleep(&self.0, WAITERS, deadline.within(SLICE));
            slept = true;
        }
    }

    /// Adds `count` permits.
    ///
    /// # Errors
    ///
    /// When there would be more than `bound` free ones; then none is added.
    pub(crate) fn release(&self, count: u32, bound: u32) -> Result<(), TooMany> {
        let mut word = self.0.load(Ordering::Relaxed);
        let after = loop {
            let free = (word & MOST).checked_add(count).filter(|free| *free <= bound.min(MOST)).ok_or(TooMany)?;
            let after = word & WAITERS | free;
            // Acquire too: what one releaser did is seen by who takes the permit of the next.
            match self.0.compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break after,
                Err(now) => word = now,
            }
        };
        if after & WAITERS != 0 && platform::wake(&self.0, count) == 0 {
            // Nobody was asleep: later releases need not look. Fails if a permit was taken or added meanwhile; then it is
            // looked at again.
            let _ = self.0.compare_exchange(after, after & MOST, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(())
    }
}
