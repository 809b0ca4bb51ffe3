//! The lock that its holder may take again.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::Duration;

use super::plain::Plain;
use serde::{Deserialize, Serialize};

use super::guard::refusal;
use super::object::{Object, ObjectWords};
use super::words::lock::{Consistency, LockError};
use super::words::platform::WaitDeadline;
use super::words::reentrant::{Failed, ReentrantWords};
use crate::error::{Error, Result};

// SAFETY: `repr(C)`, atomic words alone; zeros are a free lock.
unsafe impl ObjectWords for ReentrantWords {
    const KIND: u32 = 2;
}

/// Guards a value that processes share, with a lock that the thread which holds it may take again.
///
/// The lock is free when the last guard is dropped. As a thread may have several guards of the same value, none of them
/// can lend the value to be changed in place: a guard derefs to [`Cell<T>`], with `get`, `set` and `replace`.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// fn add(total: &ReentrantMutex<i64>, amount: i64) -> parallel::Result<()> {
///     let total = total.lock()?;
///     total.set(total.get() + amount);
///     Ok(())
/// }
///
/// #[parallel]
/// fn add_both(total: ReentrantMutex<i64>, first: i64, second: i64) {
///     let _together = total.lock().unwrap(); // no process sees one change without the other
///     add(&total, first).unwrap();
///     add(&total, second).unwrap();
/// }
///
/// fn main() -> parallel::Result<()> {
///     let total = ReentrantMutex::new(0)?;
///     add_both.spawn(total.clone(), 3, 4).join()?;
///     assert_eq!(total.lock()?.get(), 7);
///     Ok(())
/// }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Plain", try_from = "Object<ReentrantWords, T>", into = "Object<ReentrantWords, T>")]
pub struct ReentrantMutex<T>(Object<ReentrantWords, T>);

impl<T: Plain> ReentrantMutex<T> {
    /// Makes a mutex that holds `value`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let turns = parallel::sync::ReentrantMutex::new(())?; // nothing but a lock
    /// let outer = turns.lock()?;
    /// let inner = turns.lock()?;
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new(value: T) -> Result<Self> {
        Object::holding(&[value]).map(Self)
    }

    /// Waits for the lock; returns at once where this thread holds it.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](crate::ErrorKind::OwnerDied) once a holder died or panicked, until [`recover`](Self::recover);
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where this thread holds it 2 to the 32nd times.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = parallel::sync::ReentrantMutex::new(1)?;
    /// assert_eq!(mutex.lock()?.replace(2), 1);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn lock(&self) -> Result<ReentrantGuard<'_, T>> {
        self.0.words().lock().map_err(failure)?;
        Ok(self.guard())
    }

    /// Takes the lock if it is free or this thread holds it; `None` if another thread does. Never waits.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = parallel::sync::ReentrantMutex::new(1)?;
    /// let _held = mutex.lock()?;
    /// assert!(mutex.try_lock()?.is_some());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| assert!(mutex.try_lock().unwrap().is_none()));
    /// });
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn try_lock(&self) -> Result<Option<ReentrantGuard<'_, T>>> {
        let locked = self.0.words().try_lock().map_err(failure)?;
        Ok(locked.then(|| self.guard()))
    }

    /// Waits for the lock for `timeout`; `None` if another thread held it all that time.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mutex = parallel::sync::ReentrantMutex::new(1)?;
    /// assert!(mutex.lock_timeout(Duration::ZERO)?.is_some());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ReentrantGuard<'_, T>>> {
        match self.0.words().lock_until(|| WaitDeadline::after(timeout)) {
            Ok(()) => Ok(Some(self.guard())),
            Err(Failed::Refused(LockError::TimedOut)) => Ok(None),
            Err(failed) => Err(failure(failed)),
        }
    }

    /// Makes the lock free again after its holder died or panicked. Does nothing to a lock that is whole.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn fail(turns: ReentrantMutex<()>) {
    ///     let _outer = turns.lock().unwrap();
    ///     let _inner = turns.lock().unwrap();
    ///     panic!("with the lock held twice");
    /// }
    ///
    /// fn main() -> parallel::Result<()> {
    ///     let turns = ReentrantMutex::new(())?;
    ///     fail.spawn(turns.clone()).join().unwrap_err();
    ///     assert!(matches!(turns.lock().unwrap_err().kind(), ErrorKind::OwnerDied { .. }));
    ///     turns.recover()?;
    ///     turns.lock()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn recover(&self) -> Result<()> {
        self.0.words().recover();
        Ok(())
    }

    fn guard(&self) -> ReentrantGuard<'_, T> {
        ReentrantGuard { of: self, panicked_before: std::thread::panicking(), stays: PhantomData }
    }
}

fn failure(failed: Failed) -> Error {
    match failed {
        Failed::Refused(refused) => refusal(refused),
        Failed::TooDeep => Error::invalid("this thread holds the lock as often as can be counted"),
    }
}

impl<T: Plain> From<ReentrantMutex<T>> for Object<ReentrantWords, T> {
    fn from(mutex: ReentrantMutex<T>) -> Self {
        mutex.0
    }
}

impl<T: Plain> TryFrom<Object<ReentrantWords, T>> for ReentrantMutex<T> {
    type Error = &'static str;

    fn try_from(object: Object<ReentrantWords, T>) -> std::result::Result<Self, &'static str> {
        if object.len() == 1 { Ok(Self(object)) } else { Err("shared memory of another length") }
    }
}

impl<T: Plain> Clone for ReentrantMutex<T> {
    /// Another handle to the same mutex.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Plain> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReentrantMutex").finish_non_exhaustive()
    }
}

/// Holds a [`ReentrantMutex`], one time, until it is dropped. A guard belongs to the thread that locked.
///
/// # Examples
///
/// ```
/// let mutex = parallel::sync::ReentrantMutex::new([1, 2])?;
/// let guard = mutex.lock()?;
/// let mut pair = guard.get();
/// pair.reverse();
/// guard.set(pair);
/// assert_eq!(mutex.lock()?.get(), [2, 1]);
/// # Ok::<_, parallel::Error>(())
/// ```
#[must_use = "the lock is freed as soon as the guard is dropped"]
pub struct ReentrantGuard<'a, T: Plain> {
    of: &'a ReentrantMutex<T>,
    /// A panic that began before the lock was held has nothing to do with the data.
    panicked_before: bool,
    /// Keeps the guard on its thread, which holds the lock; a `Cell` must not be seen by two threads.
    stays: PhantomData<*const Cell<T>>,
}

impl<T: Plain> Deref for ReentrantGuard<'_, T> {
    type Target = Cell<T>;

    fn deref(&self) -> &Cell<T> {
        let data: NonNull<Cell<T>> = self.of.0.data().cast();
        // SAFETY: the object holds one value (looked at when it was made and when it arrived), a `Cell<T>` is laid out as a
        // `T`, and only this thread touches it while the lock is held: the guard stays on it.
        unsafe { data.as_ref() }
    }
}

impl<T: Plain> Drop for ReentrantGuard<'_, T> {
    fn drop(&mut self) {
        let panicked = !self.panicked_before && std::thread::panicking();
        self.of.0.words().unlock(if panicked { Consistency::Panicked } else { Consistency::Whole });
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for ReentrantGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
