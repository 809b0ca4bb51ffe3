//! A lock that is simply taken over when its holder died, because every change behind it is whole.

use super::lock::{Consistency, LockError, LockWord};
use super::platform::WaitDeadline;

/// Whose turn it is, on cache lines of its own.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Turn(LockWord);

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a LockWord);

impl Turn {
    /// Nobody's turn; memory of zeros is that, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(LockWord::new())
    }

    /// Waits for the turn.
    #[inline]
    pub(crate) fn take(&self) -> Held<'_> {
        if !self.0.lock_at_once() {
            let waited = || self.0.lock().map(|()| true);
            while self.take_over(waited).is_none() {}
        }
        Held(&self.0)
    }

    /// Waits for the turn until the deadline.
    pub(crate) fn take_until(&self, deadline: WaitDeadline) -> Option<Held<'_>> {
        loop {
            let waited = || self.0.lock_until(deadline).map(|()| true);
            match self.take_over(waited) {
                Some(true) => return Some(Held(&self.0)),
                Some(false) => return None,
                None => {}
            }
        }
    }

    /// Takes the turn if it is nobody's.
    #[inline]
    pub(crate) fn try_take(&self) -> Option<Held<'_>> {
        loop {
            match self.take_over(|| self.0.try_lock()) {
                Some(true) => return Some(Held(&self.0)),
                Some(false) => return None,
                None => {}
            }
        }
    }

    /// Whether the lock was taken; `None`: its holder had died, and it is free now, or somebody else's.
    fn take_over(&self, lock: impl FnOnce() -> Result<bool, LockError>) -> Option<bool> {
        match lock() {
            Ok(taken) => Some(taken),
            Err(LockError::TimedOut) => Some(false),
            Err(LockError::OwnerDied(_)) => {
                self.0.recover();
                None
            }
        }
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.unlock(Consistency::Whole);
    }
}
