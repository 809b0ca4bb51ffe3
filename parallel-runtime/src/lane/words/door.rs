//! The door of a worker: the parent knocks, and the worker sleeps until it does.
//!
//! The parent fills a slot or another word, then counts a knock, then looks whether the worker sleeps; the worker first
//! says that it sleeps, then looks once more at the count. A full fence before the last step on either side: no knock is
//! lost.

use std::time::Duration;

use super::platform::{AtomicU32, Ordering, fence, sleep, wake};

/// The words.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Knocks {
    /// Counts the parent's knocks.
    count: AtomicU32,
    /// 1 while the worker sleeps, or is about to.
    asleep: AtomicU32,
}

impl Knocks {
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { count: AtomicU32::new(0), asleep: AtomicU32::new(0) }
    }

    /// How often the parent has knocked: look for work after this, and sleep until it changes.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// The word of [`count`](Self::count), to look at it for a while.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.count
    }

    /// Whether the worker sleeps, or is about to.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed) != 0
    }

    /// The parent calls the worker, for which it has filled a slot or another word.
    pub(crate) fn knock(&self) {
        self.count.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.is_asleep() {
            wake(&self.count, 1);
        }
    }

    /// The worker sleeps until the parent knocks again after `count`, at most for `patience`. It calls `says` once the
    /// parent can see that it sleeps.
    pub(crate) fn sleep(&self, count: u32, patience: Option<Duration>, says: impl Fn()) {
        self.asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // From here the parent sees that the worker sleeps. A parent that looked earlier had already stored the bell's
        // listener.
        says();
        sleep(&self.count, count, patience);
        self.asleep.store(0, Ordering::Relaxed);
    }
}
