//! How many items of a parcel the worker may start. By it the parent takes back items that have not been started.
//!
//! The worker says which item it starts, and then looks at the limit; the parent lowers the limit, lets all cores pass a
//! barrier, and then looks what was started. So worker or parent sees what the other did, and an item costs no fence.

use super::platform::{AtomicU32, Ordering, order_all, order_here};

const ALL: u32 = u32::MAX;
const NONE: u32 = 0;

/// The word.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Limit(AtomicU32);

impl Limit {
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(ALL))
    }

    /// A new parcel: all its items may be started.
    pub(crate) fn open(&self) {
        self.0.store(ALL, Ordering::Relaxed);
    }

    /// The parent wants no further item to be started.
    pub(crate) fn cancel(&self) {
        self.0.store(NONE, Ordering::Release);
    }

    /// Whether the parent wants no further item of the parcel.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NONE
    }

    /// The worker has said that it starts the item behind the first `done`: whether it may.
    #[inline(always)]
    pub(crate) fn allows(&self, done: u32) -> bool {
        order_here();
        done < self.0.load(Ordering::Relaxed)
    }

    /// The parent leaves the worker the first `keep` items. Returns how many items the worker runs at most, by the number
    /// that it has published as `started`: it will start none behind them. `None`: that cannot be known.
    pub(crate) fn lower(&self, keep: u32, started: impl FnOnce() -> usize) -> Option<usize> {
        // What was cancelled stays so.
        self.0.fetch_min(keep, Ordering::SeqCst);
        order_all().then_some(())?;
        Some((keep as usize).max(started()))
    }
}
