//! The lock that lets some in.

use std::fmt;
use std::mem;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::object::{Object, Words};
use super::words::platform::Deadline;
use super::words::semaphore::{Held, MOST, SemaphoreWords};
use crate::error::{Error, Result};

// SAFETY: `repr(C)`, atomic words alone; zeros are a semaphore without permits.
unsafe impl Words for SemaphoreWords {
    const KIND: u32 = 3;
}

/// Lets as many in at a time as it has permits.
///
/// A [`Permit`] goes back when it is dropped, and when the process that has it dies: whoever waits notices within some
/// 50 ms. (A process that is killed in the very moment of taking a permit or of giving it back may take it along; so may one
/// that takes a permit while 256 others are out, which are as many as are known by their holders.)
///
/// Permits may also be made by one process and taken by another, as a signal that can be counted:
/// [`release`](Self::release) adds them, [`Permit::forget`] takes them away for good.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn visit(room: Semaphore, inside: Value<u32>) -> u32 {
///     let _permit = room.acquire().unwrap();
///     let seen = inside.update(|inside| {
///         *inside += 1;
///         *inside
///     });
///     inside.update(|inside| *inside -= 1).unwrap();
///     seen.unwrap()
/// }
///
/// fn main() -> parallel::Result<()> {
///     let (room, inside) = (Semaphore::new(2)?, Value::new(0)?);
///     let calls: Vec<_> = (0..5).map(|_| visit.spawn(room.clone(), inside.clone())).collect();
///     for call in calls {
///         assert!(call.join()? <= 2);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Semaphore {
    object: Object<SemaphoreWords, ()>,
    /// The most permits that may be free.
    bound: u32,
}

impl Semaphore {
    /// Makes a semaphore with `permits` permits; any number can be added.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for 2 to the 31st permits or more, and where the system has no
    /// memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let signal = parallel::sync::Semaphore::new(0)?;
    /// assert!(signal.try_acquire()?.is_none());
    /// signal.release(1)?;
    /// assert!(signal.try_acquire()?.is_some());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new(permits: usize) -> Result<Self> {
        Self::with_bound(number(permits)?, MOST)
    }

    /// Makes a semaphore with `permits` permits, of which there can never be more.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); and for 0 permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = parallel::sync::Semaphore::bounded(3)?;
    /// assert!(seats.release(1).is_err());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn bounded(permits: usize) -> Result<Self> {
        if permits == 0 {
            return Err(Error::invalid("a semaphore bounded by 0 never has a permit: the bound must be 1 or more"));
        }
        let permits = number(permits)?;
        Self::with_bound(permits, permits)
    }

    fn with_bound(permits: u32, bound: u32) -> Result<Self> {
        let object = Object::<SemaphoreWords, ()>::zeroed(0)?;
        // Cannot be too many: there is none yet.
        let _ = object.words().release(permits, bound);
        Ok(Self { object, bound })
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = parallel::sync::Semaphore::new(1)?;
    /// let permit = semaphore.acquire()?;
    /// assert!(semaphore.try_acquire()?.is_none());
    /// drop(permit);
    /// assert!(semaphore.try_acquire()?.is_some());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn acquire(&self) -> Result<Permit<'_>> {
        loop {
            // Always, without a deadline.
            if let Some(held) = self.object.words().acquire_until(Deadline::NEVER, self.bound) {
                return Ok(Permit { of: self, held });
            }
        }
    }

    /// Takes a permit if one is free. Never waits.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(parallel::sync::Semaphore::new(0)?.try_acquire()?.is_none());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Option<Permit<'_>>> {
        Ok(self.object.words().try_acquire(self.bound).map(|held| Permit { of: self, held }))
    }

    /// Waits for a permit so long; `None` if none came in that time.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = parallel::sync::Semaphore::new(0)?;
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(1))?.is_none());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit<'_>>> {
        let words = self.object.words();
        // The clock may cost a system call.
        let held = words.acquire_free().or_else(|| words.acquire_until(Deadline::after(timeout), self.bound));
        Ok(held.map(|held| Permit { of: self, held }))
    }

    /// Adds `permits` permits, and wakes who waits for them.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for 0, and where there would be more free permits than the bound,
    /// or than can be counted; then none is added.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn work(done: Semaphore) {
    ///     done.release(1).unwrap();
    /// }
    ///
    /// fn main() -> parallel::Result<()> {
    ///     let done = Semaphore::new(0)?;
    ///     let _calls = [(); 2].map(|()| work.spawn(done.clone()));
    ///     done.acquire()?.forget();
    ///     done.acquire()?.forget(); // both have worked
    ///     Ok(())
    /// }
    /// ```
    pub fn release(&self, permits: usize) -> Result<()> {
        if permits == 0 {
            return Err(Error::invalid("no permits to release: the number must be 1 or more"));
        }
        let bound = self.bound;
        self.object.words().release(number(permits)?, bound).map_err(|_| {
            Error::invalid(format!(
                "releasing {permits} permits would leave more than {bound} free, which is the bound"
            ))
        })
    }
}

fn number(permits: usize) -> Result<u32> {
    u32::try_from(permits)
        .ok()
        .filter(|permits| *permits <= MOST)
        .ok_or_else(|| Error::invalid(format!("{permits} permits are more than can be counted, {MOST}")))
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").finish_non_exhaustive()
    }
}

/// Lets its holder in; goes back to its [`Semaphore`] when it is dropped.
///
/// # Examples
///
/// ```
/// let semaphore = parallel::sync::Semaphore::new(1)?;
/// let permit = semaphore.acquire()?;
/// drop(permit);
/// # Ok::<_, parallel::Error>(())
/// ```
#[must_use = "the permit goes back as soon as it is dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    of: &'a Semaphore,
    held: Held,
}

impl Permit<'_> {
    /// Takes the permit away for good: dropping it would give it back.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = parallel::sync::Semaphore::new(1)?;
    /// semaphore.acquire()?.forget();
    /// assert!(semaphore.try_acquire()?.is_none());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn forget(self) {
        self.of.object.words().forget(&self.held);
        mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.of.object.words().give_back(&self.held, self.of.bound);
    }
}
