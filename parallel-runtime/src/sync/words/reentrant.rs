//! The words of a lock that its holder may take again.

use super::lock::{Consistency, LockError, LockWord};
use super::platform::{AtomicU32, AtomicU64, Ordering, WaitDeadline, own_thread};

/// A lock, and the thread that may take it again.
///
/// | word | written by | |
/// |---|---|---|
/// | `lock` | see [`LockWord`] | which process holds the lock |
/// | `thread` | the holder | which thread of that process; 0 while the lock is free |
/// | `depth` | the holder | how often that thread holds the lock |
/// | `panicked` | the holder | 1: a panic dropped one of the holder's guards |
///
/// A thread that reads its own mark in `thread` while its process holds the lock is the holder: no other thread writes
/// that mark, and the holder clears `thread` before it frees the lock.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ReentrantWords {
    lock: LockWord,
    thread: AtomicU64,
    depth: AtomicU32,
    panicked: AtomicU32,
}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Refused(LockError),
    /// This thread holds the lock as often as can be counted.
    TooDeep,
}

impl ReentrantWords {
    /// A free lock; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; locks of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { lock: LockWord::new(), thread: AtomicU64::new(0), depth: AtomicU32::new(0), panicked: AtomicU32::new(0) }
    }

    pub(crate) fn lock(&self) -> Result<(), Failed> {
        if self.is_mine() {
            return self.again();
        }
        self.lock.lock().map_err(Failed::Refused)?;
        self.taken();
        Ok(())
    }

    pub(crate) fn lock_until(&self, deadline: impl FnOnce() -> WaitDeadline) -> Result<(), Failed> {
        if self.is_mine() {
            return self.again();
        }
        if self.lock.lock_at_once() {
            self.taken();
            return Ok(());
        }
        self.lock.lock_until(deadline()).map_err(Failed::Refused)?;
        self.taken();
        Ok(())
    }

    pub(crate) fn try_lock(&self) -> Result<bool, Failed> {
        if self.is_mine() {
            return self.again().map(|()| true);
        }
        let locked = self.lock.try_lock().map_err(Failed::Refused)?;
        if locked {
            self.taken();
        }
        Ok(locked)
    }

    pub(crate) fn recover(&self) {
        self.lock.recover();
    }

    fn is_mine(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == own_thread() && self.lock.is_held_here()
    }

    fn again(&self) -> Result<(), Failed> {
        let depth = self.depth.load(Ordering::Relaxed).checked_add(1).ok_or(Failed::TooDeep)?;
        self.depth.store(depth, Ordering::Relaxed);
        Ok(())
    }

    fn taken(&self) {
        self.thread.store(own_thread(), Ordering::Relaxed);
        self.depth.store(1, Ordering::Relaxed);
        self.panicked.store(0, Ordering::Relaxed);
    }

    /// Undoes one `lock`. Does nothing in a thread that is not the holder, as in a child forked meanwhile.
    pub(crate) fn unlock(&self, left: Consistency) {
        if !self.is_mine() {
            return;
        }
        if left == Consistency::Panicked {
            self.panicked.store(1, Ordering::Relaxed);
        }
        let depth = self.depth.load(Ordering::Relaxed).saturating_sub(1);
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            let panicked = self.panicked.load(Ordering::Relaxed) != 0;
            self.thread.store(0, Ordering::Relaxed);
            self.lock.unlock(if panicked { Consistency::Panicked } else { Consistency::Whole });
        }
    }
}
