//! The lock over one side of a ring. When its holder dies the next caller takes it over, because every change under it is
//! whole.

use super::lock::{Consistency, LockError, LockWord};
use super::platform::WaitDeadline;

/// The lock over one side of a ring, on cache lines of its own.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct SideLock(LockWord);

/// Holds a [`SideLock`].
#[derive(Debug)]
pub(crate) struct SideGuard<'a>(&'a LockWord);

/// What came of one attempt to take the lock.
enum LockAttempt {
    Taken,
    /// A live process holds the lock.
    Busy,
    /// The holder had died. The lock was made usable; another process may have taken it since.
    RetryAfterDeadHolder,
}

impl SideLock {
    /// A free lock; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(LockWord::new())
    }

    #[inline]
    pub(crate) fn lock(&self) -> SideGuard<'_> {
        if !self.0.lock_at_once() {
            let wait = || self.0.lock().map(|()| true);
            while !matches!(self.attempt(wait), LockAttempt::Taken) {}
        }
        SideGuard(&self.0)
    }

    pub(crate) fn lock_until(&self, deadline: WaitDeadline) -> Option<SideGuard<'_>> {
        self.lock_by(|| self.0.lock_until(deadline).map(|()| true))
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> Option<SideGuard<'_>> {
        self.lock_by(|| self.0.try_lock())
    }

    /// Calls `lock` until the lock is taken, or held by a live process: `None`.
    #[inline]
    fn lock_by(&self, mut lock: impl FnMut() -> Result<bool, LockError>) -> Option<SideGuard<'_>> {
        loop {
            match self.attempt(&mut lock) {
                LockAttempt::Taken => return Some(SideGuard(&self.0)),
                LockAttempt::Busy => return None,
                LockAttempt::RetryAfterDeadHolder => {}
            }
        }
    }

    fn attempt(&self, lock: impl FnOnce() -> Result<bool, LockError>) -> LockAttempt {
        match lock() {
            Ok(true) => LockAttempt::Taken,
            Ok(false) | Err(LockError::TimedOut) => LockAttempt::Busy,
            Err(LockError::OwnerDied(_)) => {
                self.0.recover();
                LockAttempt::RetryAfterDeadHolder
            }
        }
    }
}

impl Drop for SideGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.unlock(Consistency::Whole);
    }
}
