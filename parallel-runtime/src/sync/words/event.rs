//! The word of an event.

use super::platform::{self, AtomicU32, Deadline, Ordering, SLICE};

/// It is set.
const SET: u32 = 1;
/// Somebody may be asleep.
const WAITERS: u32 = 2;
/// One time that it was set.
const TURN: u32 = 4;

/// Whether an event is set, who waits for it, and how often it was set.
///
/// | bits | |
/// |---|---|
/// | 2 to 31 | how often it was set, so that who waited sees that it was, also when it is not any more |
/// | 1 | WAITERS |
/// | 0 | SET |
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct EventWord(AtomicU32);

impl EventWord {
    /// An event that is not set; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; events of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) & SET != 0
    }

    /// Sets it, and wakes all who wait.
    pub(crate) fn set(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // Counted also where it is set already: what was done before this call is to be seen by who waits next.
            let set = (word & !(SET | WAITERS)).wrapping_add(TURN) | SET;
            match self.0.compare_exchange(word, set, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & WAITERS != 0 {
            platform::wake(&self.0, u32::MAX);
        }
    }

    pub(crate) fn clear(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & SET != 0 {
            match self.0.compare_exchange(word, word & !SET, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Waits until it is set, or was since the call, or the deadline has passed: `false`.
    pub(crate) fn wait_until(&self, deadline: Deadline) -> bool {
        let first = self.0.load(Ordering::Acquire);
        let mut word = first;
        loop {
            if word & SET != 0 || word / TURN != first / TURN {
                return true;
            }
            if word & WAITERS == 0
                && let Err(now) = self.0.compare_exchange(word, word | WAITERS, Ordering::Relaxed, Ordering::Acquire)
            {
                word = now;
                continue;
            }
            if deadline.has_passed() {
                return false;
            }
            platform::sleep(&self.0, word | WAITERS, deadline.within(SLICE));
            word = self.0.load(Ordering::Acquire);
        }
    }
}
