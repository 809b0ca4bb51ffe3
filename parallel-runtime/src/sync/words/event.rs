//! The word of an event.

use super::platform::{self, AtomicU32, Ordering, SLICE, WaitDeadline};

const SET: u32 = 1;
/// Waiters may be asleep.
const WAITERS: u32 = 2;
/// One call of `set`, in the count.
const ONE_SET: u32 = 4;

/// Whether an event is set, whether it has waiters, and how often it was set.
///
/// | bits | |
/// |---|---|
/// | 2 to 31 | how often it was set: a waiter sees that also when the event was cleared since |
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

    /// Sets the event, and wakes all waiters.
    pub(crate) fn set(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // Also writes where the event is set already: the next waiter must see what was done before this call.
            let set = (word & !(SET | WAITERS)).wrapping_add(ONE_SET) | SET;
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

    /// Waits until the event is set, or was set since the call; `false`: the deadline passed first.
    pub(crate) fn wait_until(&self, deadline: WaitDeadline) -> bool {
        let first = self.0.load(Ordering::Acquire);
        let mut word = first;
        loop {
            if word & SET != 0 || word / ONE_SET != first / ONE_SET {
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
