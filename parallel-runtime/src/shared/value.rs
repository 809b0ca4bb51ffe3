//! One value behind a lock.

use std::fmt;

use super::Plain;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::sync::Guard;
use crate::sync::guard::Locked;
use crate::sync::object::ObjectWords;
use crate::sync::single::Single;
use crate::sync::words::lock::LockWord;

/// The word of a value.
#[derive(Debug)]
#[repr(transparent)]
struct ValueWords(LockWord);

// SAFETY: one atomic word, transparently; zeros are a free lock.
unsafe impl ObjectWords for ValueWords {
    const KIND: u32 = 8;
}

// SAFETY: only this file makes objects with these words, and it gives the data out through guards alone.
unsafe impl Locked for ValueWords {
    fn lock(&self) -> &LockWord {
        &self.0
    }
}

/// Holds one value that processes share.
///
/// Each method locks for as long as it runs; a thread that calls one while it has a [`lock`](Self::lock) of the same
/// value waits for itself.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn count(text: &str, words: Value<u64>) {
///     words.update(|words| *words += text.split_whitespace().count() as u64).unwrap();
/// }
///
/// fn main() -> parallel::Result<()> {
///     let words = Value::new(0)?;
///     let calls: Vec<_> = ["to be", "or not to be"].map(|text| count.spawn(text, words.clone())).into();
///     for call in calls {
///         call.join()?;
///     }
///     assert_eq!(words.get()?, 6);
///     Ok(())
/// }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Plain")]
pub struct Value<T>(Single<ValueWords, T>);

impl<T: Plain> Value<T> {
    /// Makes a value.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let total = parallel::shared::Value::new(0.0_f64)?;
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new(value: T) -> Result<Self> {
        Single::new(value).map(Self)
    }

    /// Returns a copy of the value.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(parallel::shared::Value::new(7)?.get()?, 7);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn get(&self) -> Result<T> {
        Ok(*self.lock()?)
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let value = parallel::shared::Value::new(7)?;
    /// value.set(8)?;
    /// assert_eq!(value.get()?, 8);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn set(&self, value: T) -> Result<()> {
        *self.lock()? = value;
        Ok(())
    }

    /// Changes the value with the lock held, and returns what `change` returns.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// When `change` does. The value is as `change` left it, and refused to all callers until [`recover`](Self::recover).
    ///
    /// # Examples
    ///
    /// ```
    /// let next = parallel::shared::Value::new(41)?;
    /// let mine = next.update(|next| {
    ///     *next += 1;
    ///     *next
    /// })?;
    /// assert_eq!(mine, 42);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn update<U>(&self, change: impl FnOnce(&mut T) -> U) -> Result<U> {
        Ok(change(&mut *self.lock()?))
    }

    /// Waits for the lock and holds it until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](crate::ErrorKind::OwnerDied) once a process died or panicked while it held the lock, until
    /// [`recover`](Self::recover).
    ///
    /// # Examples
    ///
    /// ```
    /// let pair = parallel::shared::Value::new([1, 2])?;
    /// let mut guard = pair.lock()?;
    /// guard.reverse();
    /// assert_eq!(*guard, [2, 1]);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    #[inline]
    pub fn lock(&self) -> Result<Guard<'_, T>> {
        self.0.lock()
    }

    /// Makes the value accessible again after a process died or panicked while it held the lock. Does nothing to a value
    /// that is whole.
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
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn fail(value: Value<i32>) {
    ///     value.update(|_| panic!("in the middle")).unwrap();
    /// }
    ///
    /// fn main() -> parallel::Result<()> {
    ///     let value = Value::new(7)?;
    ///     fail.spawn(value.clone()).join().unwrap_err();
    ///     assert!(matches!(value.get().unwrap_err().kind(), ErrorKind::OwnerDied { .. }));
    ///     value.recover()?;
    ///     assert_eq!(value.get()?, 7);
    ///     Ok(())
    /// }
    /// ```
    pub fn recover(&self) -> Result<()> {
        self.0.recover();
        Ok(())
    }
}

impl<T: Plain> Clone for Value<T> {
    /// Another handle to the same value.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Plain> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").finish_non_exhaustive()
    }
}
