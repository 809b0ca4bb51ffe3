//! The lock over one value.

use std::fmt;
use std::time::Duration;

use super::plain::Plain;
use serde::{Deserialize, Serialize};

use super::guard::{Guard, Locked};
use super::object::ObjectWords;
use super::single::Single;
use super::words::lock::LockWord;
use crate::error::Result;

/// The word of a mutex.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct MutexWords(LockWord);

// SAFETY: one atomic word, transparently; zeros are a free lock.
unsafe impl ObjectWords for MutexWords {
    const KIND: u32 = 1;
}

// SAFETY: only this file makes objects with these words, and it gives the data out through guards alone.
unsafe impl Locked for MutexWords {
    fn lock(&self) -> &LockWord {
        &self.0
    }
}

/// Guards a value that processes share.
///
/// Without other callers, locking and unlocking take two atomic operations and no system call. The lock is handed to
/// callers that have waited longer than a millisecond, so none starves.
///
/// A mutex is not reentrant: a thread that locks it twice waits for itself. Use
/// [`ReentrantMutex`](super::ReentrantMutex) for that.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::sync::Mutex;
///
/// #[parallel]
/// fn deposit(account: Mutex<[i64; 2]>, amount: i64) {
///     let mut account = account.lock().unwrap();
///     account[0] += amount;
///     account[1] += 1;
/// }
///
/// fn main() -> parallel::Result<()> {
///     let account = Mutex::new([100, 0])?;
///     let calls: Vec<_> = (1..=3).map(|amount| deposit.spawn(account.clone(), amount)).collect();
///     for call in calls {
///         call.join()?;
///     }
///     assert_eq!(*account.lock()?, [106, 3]);
///     Ok(())
/// }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Plain")]
pub struct Mutex<T>(Single<MutexWords, T>);

impl<T: Plain> Mutex<T> {
    /// Makes a mutex that holds `value`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let turns = parallel::sync::Mutex::new(())?; // nothing but a lock
    /// drop(turns.lock()?);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new(value: T) -> Result<Self> {
        Single::new(value).map(Self)
    }

    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](crate::ErrorKind::OwnerDied) once a holder died or panicked, until [`recover`](Self::recover).
    ///
    /// # Examples
    ///
    /// ```
    /// let longest = parallel::sync::Mutex::new(0_u64)?;
    /// let mut guard = longest.lock()?;
    /// *guard = (*guard).max(7);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    #[inline]
    pub fn lock(&self) -> Result<Guard<'_, T>> {
        self.0.lock()
    }

    /// Takes the lock if it is free; `None` if another holds it. Never waits.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock); a holder that died is noticed at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = parallel::sync::Mutex::new(1)?;
    /// let first = mutex.try_lock()?;
    /// assert!(first.is_some());
    /// assert!(mutex.try_lock()?.is_none());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn try_lock(&self) -> Result<Option<Guard<'_, T>>> {
        self.0.try_lock()
    }

    /// Waits for the lock for `timeout`; `None` if it did not come free in that time.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock); a holder that died is noticed before the time is over, however short.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mutex = parallel::sync::Mutex::new(1)?;
    /// let held = mutex.lock()?;
    /// assert!(mutex.lock_timeout(Duration::from_millis(1))?.is_none());
    /// drop(held);
    /// assert!(mutex.lock_timeout(Duration::MAX)?.is_some());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<Guard<'_, T>>> {
        self.0.lock_timeout(timeout)
    }

    /// Makes the lock free again after its holder died or panicked. Does nothing to a lock that is whole.
    ///
    /// The value is as the dead holder left it.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::ErrorKind;
    /// use parallel::prelude::*;
    /// use parallel::sync::Mutex;
    ///
    /// #[parallel]
    /// fn half_a_transfer(accounts: Mutex<[i64; 2]>) {
    ///     let mut accounts = accounts.lock().unwrap();
    ///     accounts[0] -= 10;
    ///     std::process::abort();
    /// }
    ///
    /// fn main() -> parallel::Result<()> {
    ///     let accounts = Mutex::new([50, 50])?;
    ///     half_a_transfer.spawn(accounts.clone()).join().unwrap_err();
    ///     let error = accounts.lock().unwrap_err();
    ///     assert!(matches!(error.kind(), ErrorKind::OwnerDied { .. }));
    ///
    ///     accounts.recover()?;
    ///     let mut accounts = accounts.lock()?;
    ///     accounts[1] = 100 - accounts[0];
    ///     assert_eq!(*accounts, [40, 60]);
    ///     Ok(())
    /// }
    /// ```
    pub fn recover(&self) -> Result<()> {
        self.0.recover();
        Ok(())
    }
}

impl<T: Plain> Clone for Mutex<T> {
    /// Another handle to the same mutex.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Plain> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}
