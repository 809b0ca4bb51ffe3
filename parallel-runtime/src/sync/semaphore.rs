//! The lock that lets a number of holders in.

use std::fmt;
use std::mem;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::object::{Object, ObjectWords};
use super::words::platform::{PID_BITS, WaitDeadline};
use super::words::semaphore::{MOST, NoNote, PermitNote, Permits, SemaphoreWords};
use crate::error::{Error, Result};
use crate::tuning::FEWEST_NOTES;

/// The most notes of a semaphore: as many as there can be processes.
const MOST_NOTES: usize = 1 << PID_BITS;

// SAFETY: `repr(C)`, atomic words alone; zeros are a semaphore without permits.
unsafe impl ObjectWords for SemaphoreWords {
    const KIND: u32 = 3;
}

/// Lets as many in at a time as it has permits.
///
/// A [`Permit`] goes back when it is dropped, and when the process that has it dies: waiting processes notice that within
/// some 50 ms. (A process that is killed in the very moment of taking a permit or of giving it back may take it along.)
///
/// As many processes can have permits at a time as the semaphore was made with, and 4,096 in any case; a process counts
/// once for each 1,023 permits that it has. Where more were [added](Self::release) than that, a process too many gets an
/// error, and no permit.
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
    /// Its values are the notes.
    object: Object<SemaphoreWords, u64>,
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
        let notes = usize::try_from(permits).unwrap_or(MOST_NOTES).clamp(FEWEST_NOTES, MOST_NOTES);
        let semaphore = Self { object: Object::zeroed(notes)?, bound };
        // Within the bound: no permit is there yet.
        let _ = semaphore.permits().release(permits);
        Ok(semaphore)
    }

    fn permits(&self) -> Permits<'_> {
        let (first, count) = (self.object.data().cast::<AtomicU64>(), self.object.len());
        // SAFETY: so many aligned numbers live as long as the object, and are accessed only as atomic words.
        let notes = unsafe { std::slice::from_raw_parts(first.as_ptr(), count) };
        Permits { words: self.object.words(), notes, bound: self.bound }
    }

    fn permit(&self, note: PermitNote) -> Permit<'_> {
        Permit { of: self, note }
    }

    fn no_note(&self, NoNote: NoNote) -> Error {
        Error::invalid(format!(
            "{} other processes have permits of this semaphore, as many as it can note; a semaphore that is made with more \
             permits can note as many processes",
            self.object.len()
        ))
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where more processes would have permits than can be noted; see
    /// [`Semaphore`].
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
            // Always a permit: there is no deadline.
            if let Some(note) = self.permits().acquire_until(WaitDeadline::NEVER).map_err(|full| self.no_note(full))? {
                return Ok(self.permit(note));
            }
        }
    }

    /// Takes a permit if one is free. Never waits.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where more processes would have permits than can be noted; see
    /// [`Semaphore`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(parallel::sync::Semaphore::new(0)?.try_acquire()?.is_none());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Option<Permit<'_>>> {
        let note = self.permits().try_acquire().map_err(|full| self.no_note(full))?;
        Ok(note.map(|note| self.permit(note)))
    }

    /// Waits for a permit for `timeout`; `None` if none came in that time.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where more processes would have permits than can be noted; see
    /// [`Semaphore`].
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
        let permits = self.permits();
        let note = match permits.acquire_free() {
            // The clock is read here only: it may cost a system call.
            Ok(None) => permits.acquire_until(WaitDeadline::after(timeout)),
            taken => taken,
        };
        Ok(note.map_err(|full| self.no_note(full))?.map(|note| self.permit(note)))
    }

    /// Adds `permits` permits, and wakes as many waiters.
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
        self.permits().release(number(permits)?).map_err(|_| {
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
    note: PermitNote,
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
        self.of.permits().forget(&self.note);
        mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.of.permits().give_back(&self.note);
    }
}
