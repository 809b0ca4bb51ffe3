//! Exclusive access to what a lock guards, for as long as the guard lives.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::Duration;

use bytemuck::Pod;

use super::object::{Object, ObjectWords};
use super::words::lock::{Consistency, LockError, LockWord};
use super::words::platform::WaitDeadline;
use crate::error::{Error, ErrorKind, Result};

/// Data behind a lock.
///
/// # Safety
///
/// As for [`ObjectWords`]; and only the holder of [`lock`](Self::lock) touches the data of the object.
pub(crate) unsafe trait Locked: ObjectWords {
    fn lock(&self) -> &LockWord;
}

/// Gives exclusive access to what a [`Mutex`](crate::sync::Mutex), a [`Value`](crate::shared::Value) or an
/// [`Array`](crate::shared::Array) holds, and frees the lock when it is dropped.
///
/// A guard that is dropped by a panic leaves the lock as the death of its process would: later callers get
/// [`OwnerDied`](crate::ErrorKind::OwnerDied). A guard belongs to the thread that locked. A forgotten guard holds the lock
/// until its process ends.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// fn main() -> parallel::Result<()> {
///     let squares = Array::from_slice(&[1, 4, 9])?;
///     let mut guard = squares.lock()?;
///     guard[2] += 7;
///     guard.swap(0, 2);
///     assert_eq!(*guard, [16, 4, 1]);
///     Ok(())
/// }
/// ```
///
/// A guard stays on its thread:
///
/// ```compile_fail,E0277
/// let mutex = parallel::sync::Mutex::new(1)?;
/// let guard = mutex.lock()?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// # Ok::<_, parallel::Error>(())
/// ```
#[must_use = "the lock is freed as soon as the guard is dropped"]
pub struct Guard<'a, T: ?Sized> {
    lock: &'a LockWord,
    /// Inside memory that lives for `'a`; only this thread touches it while the lock is held.
    data: NonNull<T>,
    /// A panic that began before the lock was held has nothing to do with the data.
    panicked_before: bool,
    /// Behaves as a `&mut T`. The pointer in `data` keeps the guard on its thread, as std's guards are.
    of: PhantomData<&'a mut T>,
}

// SAFETY: sharing the guard gives `&T` and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for Guard<'_, T> {}

impl<'a, T: ?Sized> Guard<'a, T> {
    /// # Safety
    ///
    /// This thread has just taken `lock`; `data` is valid for `'a`, and only the holder of `lock` touches it.
    #[inline]
    unsafe fn new(lock: &'a LockWord, data: NonNull<T>) -> Self {
        Self { lock, data, panicked_before: std::thread::panicking(), of: PhantomData }
    }

    /// Lends the lock to `wait`, which frees it, takes it again, and holds it when it returns `Ok`, and only then.
    pub(crate) fn waiting<U>(
        self,
        wait: impl FnOnce(&LockWord) -> std::result::Result<U, LockError>,
    ) -> Result<(Self, U)> {
        let Self { lock, data, .. } = self;
        std::mem::forget(self);
        let outcome = wait(lock).map_err(refusal)?;
        // SAFETY: the same lock and data as before, for the same time; `wait` holds the lock.
        Ok((unsafe { Self::new(lock, data) }, outcome))
    }
}

impl<T: ?Sized> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let panicked = !self.panicked_before && std::thread::panicking();
        self.lock.unlock(if panicked { Consistency::Panicked } else { Consistency::Whole });
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so no other thread writes; see `data`.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, so no other thread reads or writes; see `data`.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The error that users see where a lock was not taken.
pub(crate) fn refusal(refused: LockError) -> Error {
    match refused {
        LockError::OwnerDied(pid) => Error::new(ErrorKind::OwnerDied { pid }),
        // Only waits with a deadline end so, and their callers handle that.
        LockError::TimedOut => Error::invalid("a wait without a deadline timed out"),
    }
}

/// `None` where the lock was not free in time.
pub(crate) fn in_time(outcome: std::result::Result<(), LockError>) -> Result<Option<()>> {
    match outcome {
        Ok(()) => Ok(Some(())),
        Err(LockError::TimedOut) => Ok(None),
        Err(refused) => Err(refusal(refused)),
    }
}

impl<W: Locked, T: Pod> Object<W, T> {
    pub(crate) fn lock(&self) -> Result<Guard<'_, [T]>> {
        self.words().lock().lock().map_err(refusal)?;
        Ok(self.guard())
    }

    pub(crate) fn try_lock(&self) -> Result<Option<Guard<'_, [T]>>> {
        let locked = self.words().lock().try_lock().map_err(refusal)?;
        Ok(locked.then(|| self.guard()))
    }

    pub(crate) fn lock_timeout(&self, timeout: Duration) -> Result<Option<Guard<'_, [T]>>> {
        let lock = self.words().lock();
        // The clock is read last: it may cost a system call.
        if lock.lock_at_once() {
            return Ok(Some(self.guard()));
        }
        let locked = in_time(lock.lock_until(WaitDeadline::after(timeout)))?;
        Ok(locked.map(|()| self.guard()))
    }

    pub(crate) fn recover(&self) {
        self.words().lock().recover();
    }

    /// Runs `look` with the lock held, also where a holder died.
    pub(crate) fn look_anyway<U>(&self, look: impl FnOnce(&[T]) -> U) -> U {
        /// Frees the lock, even if `look` panics.
        struct Free<'a>(&'a LockWord, Consistency);
        impl Drop for Free<'_> {
            fn drop(&mut self) {
                self.0.unlock(self.1);
            }
        }
        let lock = self.words().lock();
        let _free = Free(lock, lock.lock_anyway());
        let data = NonNull::slice_from_raw_parts(self.data(), self.len());
        // SAFETY: the object holds so many values, and the lock is held.
        look(unsafe { data.as_ref() })
    }

    /// The guard of a lock that the caller has just taken.
    fn guard(&self) -> Guard<'_, [T]> {
        let data = NonNull::slice_from_raw_parts(self.data(), self.len());
        // SAFETY: the callers have just taken the lock; the object holds so many values, which only the holder touches
        // (see `Locked`).
        unsafe { Guard::new(self.words().lock(), data) }
    }
}

impl<'a, T> Guard<'a, [T]> {
    pub(crate) fn single(self) -> Guard<'a, T> {
        assert!(self.len() == 1, "a lock over one value");
        let Self { lock, data, panicked_before, .. } = self;
        std::mem::forget(self);
        Guard { lock, data: data.cast(), panicked_before, of: PhantomData }
    }
}
