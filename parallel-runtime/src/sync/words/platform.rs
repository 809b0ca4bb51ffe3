//! What the algorithms beside this file stand on: atomic words, sleeping on them, the clock, and which processes live.
//!
//! The package `models` replaces this file by one on loom, so the algorithms name nothing else.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

pub(crate) use crate::sys::wait::{wait_word as sleep, wake_word as wake};
pub(crate) use crate::sys::word::{PID_BITS, is_gone, own_identity, wait_low_half as sleep_low_half, wake_low_half};
use crate::tuning::LOCK_PATIENCE;
pub(crate) use crate::tuning::{LOCK_PROMISE as HANDOFF_WAIT, LOCK_SPINS as SPINS, SLICE};

/// A full fence, behind a read-modify-write that this thread has just made.
#[inline]
pub(crate) fn fence_after_swap() {
    if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
        // A read-modify-write, even a failed one, is a full fence here; only the compiler is to be held back.
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// When a wait ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitDeadline(Option<Instant>);

impl WaitDeadline {
    pub(crate) const NEVER: Self = Self(None);

    /// `timeout` from now; never, when the clock does not reach so far.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// How long to sleep now: until the deadline, and `slice` at most.
    pub(crate) fn within(self, slice: Duration) -> Option<Duration> {
        match self.0 {
            None => Some(slice),
            Some(at) => Some(at.saturating_duration_since(Instant::now()).min(slice)),
        }
    }
}

/// When a wait began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning(Instant);

impl Beginning {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// Whether it is time to ask for a hand-off.
    pub(crate) fn is_long_ago(self) -> bool {
        self.0.elapsed() >= LOCK_PATIENCE
    }

    /// Whether a slice has passed; if so, the next one begins.
    pub(crate) fn slice_has_passed(&mut self) -> bool {
        let passed = self.0.elapsed() >= SLICE;
        if passed {
            self.0 = Instant::now();
        }
        passed
    }
}

/// The mark of this thread: no other thread of a living process has the same. Never 0.
pub(crate) fn own_thread() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        /// The process in which the mark was made, and the mark: a forked child has a copy of its parent's.
        static OWN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let process = own_identity();
    let (made_in, mark) = OWN.get();
    if made_in == process {
        return mark;
    }
    let mark = mixed(process).wrapping_add(mixed(THREADS.fetch_add(1, Ordering::Relaxed))).max(1);
    OWN.set((process, mark));
    mark
}

/// Spreads a number over all 64 bits, different numbers to different results: the last step of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}
