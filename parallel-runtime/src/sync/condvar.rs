//! A signal that the data behind a lock have changed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::guard::Guard;
use super::object::{Object, ObjectWords};
use super::words::condvar::CondvarWords;
use super::words::platform::WaitDeadline;
use crate::error::Result;

// SAFETY: `repr(C)`, atomic words alone; zeros are a condition variable without waiters.
unsafe impl ObjectWords for CondvarWords {
    const KIND: u32 = 5;
}

/// Waits for a change of what a lock guards, of a [`Mutex`](super::Mutex), a [`Value`](crate::shared::Value) or an
/// [`Array`](crate::shared::Array).
///
/// A wait frees the lock and takes it again before it returns. A wait may end without a notification: look whether what
/// was waited for is there, or use [`wait_while`](Self::wait_while). A notification given while threads wait is never
/// lost, also if the waiter that it went to dies or times out at that moment.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::sync::{Condvar, Mutex};
///
/// #[parallel]
/// fn fill(level: Mutex<u32>, changed: Condvar) {
///     for _ in 0..10 {
///         *level.lock().unwrap() += 1;
///         changed.notify_one();
///     }
/// }
///
/// fn main() -> parallel::Result<()> {
///     let (level, changed) = (Mutex::new(0)?, Condvar::new()?);
///     let _call = fill.spawn(level.clone(), changed.clone());
///     let full = changed.wait_while(level.lock()?, |level| *level < 10)?;
///     assert_eq!(*full, 10);
///     Ok(())
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Condvar(Object<CondvarWords, ()>);

impl Condvar {
    /// Makes a condition variable without waiters.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let changed = parallel::sync::Condvar::new()?;
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        Object::zeroed(0).map(Self)
    }

    /// Frees the lock, waits for a notification, and takes the lock again.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](crate::ErrorKind::OwnerDied) when the lock cannot be taken again because a holder died.
    ///
    /// # Examples
    ///
    /// ```
    /// let (ready, changed) = (parallel::sync::Mutex::new(0_u8)?, parallel::sync::Condvar::new()?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *ready.lock().unwrap() = 1;
    ///         changed.notify_one();
    ///     });
    ///     let mut guard = ready.lock()?;
    ///     while *guard == 0 {
    ///         guard = changed.wait(guard)?;
    ///     }
    ///     Ok::<_, parallel::Error>(())
    /// })?;
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait<'a, T: ?Sized>(&self, guard: Guard<'a, T>) -> Result<Guard<'a, T>> {
        let (guard, _) = self.wait_until(guard, WaitDeadline::NEVER)?;
        Ok(guard)
    }

    /// Does as [`wait`](Self::wait), for `timeout` at most. Taking the lock again may take longer.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (mutex, changed) = (parallel::sync::Mutex::new(0)?, parallel::sync::Condvar::new()?);
    /// let (guard, outcome) = changed.wait_timeout(mutex.lock()?, Duration::from_millis(1))?;
    /// assert!(outcome.timed_out());
    /// assert_eq!(*guard, 0);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: Guard<'a, T>,
        timeout: Duration,
    ) -> Result<(Guard<'a, T>, WaitTimeoutResult)> {
        self.wait_until(guard, WaitDeadline::after(timeout))
    }

    /// Waits as long as `condition` is true. `condition` runs first, and after each wake-up, with the lock held.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let (mutex, changed) = (parallel::sync::Mutex::new(1)?, parallel::sync::Condvar::new()?);
    /// let guard = changed.wait_while(mutex.lock()?, |value| *value == 0)?;
    /// assert_eq!(*guard, 1);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<Guard<'a, T>> {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: Guard<'a, T>,
        deadline: WaitDeadline,
    ) -> Result<(Guard<'a, T>, WaitTimeoutResult)> {
        let (guard, notified) = guard.waiting(|lock| self.0.words().wait_until(lock, deadline))?;
        Ok((guard, WaitTimeoutResult(!notified)))
    }

    /// Wakes one waiter, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// parallel::sync::Condvar::new()?.notify_one(); // no waiter: nothing happens
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn notify_one(&self) {
        self.0.words().notify(1);
    }

    /// Wakes `count` waiters, or all if they are fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// parallel::sync::Condvar::new()?.notify_n(3);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn notify_n(&self, count: usize) {
        self.0.words().notify(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Wakes all waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// parallel::sync::Condvar::new()?.notify_all();
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn notify_all(&self) {
        self.0.words().notify(u32::MAX);
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

/// Tells whether a wait ended because its timeout had passed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let (mutex, changed) = (parallel::sync::Mutex::new(0)?, parallel::sync::Condvar::new()?);
/// let (_guard, outcome) = changed.wait_timeout(mutex.lock()?, Duration::ZERO)?;
/// assert!(outcome.timed_out());
/// # Ok::<_, parallel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the timeout had passed and no notification had come.
    ///
    /// # Examples
    ///
    /// See [`WaitTimeoutResult`].
    pub fn timed_out(&self) -> bool {
        self.0
    }
}
