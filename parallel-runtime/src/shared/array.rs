//! Many values behind one lock.

use std::fmt;

use super::Plain;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sync::Guard;
use crate::sync::guard::Locked;
use crate::sync::object::{Object, ObjectWords};
use crate::sync::words::lock::LockWord;

/// The word of an array.
#[derive(Debug)]
#[repr(transparent)]
struct ArrayWords(LockWord);

// SAFETY: one atomic word, transparently; zeros are a free lock.
unsafe impl ObjectWords for ArrayWords {
    const KIND: u32 = 9;
}

// SAFETY: only this file makes objects with these words, and it gives the data out through guards alone.
unsafe impl Locked for ArrayWords {
    fn lock(&self) -> &LockWord {
        &self.0
    }
}

/// Holds a fixed number of values that processes share.
///
/// Each method locks the whole array for as long as it runs; a thread that calls one while it has a
/// [`lock`](Self::lock) of the same array waits for itself. To touch many values, lock once.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn negate(squares: Array<i32>) {
///     for square in squares.lock().unwrap().iter_mut() {
///         *square = -*square;
///     }
/// }
///
/// fn main() -> parallel::Result<()> {
///     let squares = Array::from_iter((0..4).map(|i| i * i))?;
///     negate.spawn(squares.clone()).join()?;
///     assert_eq!(squares.to_vec()?, [0, -1, -4, -9]);
///     Ok(())
/// }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Plain")]
pub struct Array<T>(Object<ArrayWords, T>);

impl<T: Plain> Array<T> {
    /// Makes an array of `len` values of zero bytes. A page takes memory when it is first written.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where `len` values are more than memory can be, or where the system
    /// has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// let counts = Array::<u64>::zeroed(256)?;
    /// assert_eq!(counts.get(255), Some(0));
    /// assert!(Array::<u64>::zeroed(usize::MAX).is_err());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn zeroed(len: usize) -> Result<Self> {
        Object::zeroed(len).map(Self)
    }

    /// Makes an array that holds copies of `values`.
    ///
    /// # Errors
    ///
    /// As for [`zeroed`](Self::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = parallel::shared::Array::from_slice(&[1.0, 2.5])?;
    /// assert_eq!(array.to_vec()?, [1.0, 2.5]);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn from_slice(values: &[T]) -> Result<Self> {
        Object::holding(values).map(Self)
    }

    /// Makes an array of what `values` yields.
    ///
    /// # Errors
    ///
    /// As for [`zeroed`](Self::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = parallel::shared::Array::from_iter(0..10_i32)?;
    /// assert_eq!(array.len(), 10);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    #[allow(clippy::should_implement_trait, reason = "the trait's method cannot fail, and making shared memory can")]
    pub fn from_iter(values: impl IntoIterator<Item = T>) -> Result<Self> {
        Self::from_slice(&values.into_iter().collect::<Vec<_>>())
    }

    /// Returns how many values the array holds.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(parallel::shared::Array::<u8>::zeroed(3)?.len(), 3);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the array holds no value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(parallel::shared::Array::<u8>::zeroed(0)?.is_empty());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a copy of the value at `index`, or `None` beyond the end.
    ///
    /// After a process died while it held the lock, the value may be half written: [`lock`](Self::lock),
    /// [`set`](Self::set) and [`to_vec`](Self::to_vec) fail then, and `get` does not.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = parallel::shared::Array::from_slice(&[5, 6])?;
    /// assert_eq!((array.get(1), array.get(2)), (Some(6), None));
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        self.0.look_anyway(|values| values.get(index).copied())
    }

    /// Replaces the value at `index`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) beyond the end; and as for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = parallel::shared::Array::from_slice(&[5, 6])?;
    /// array.set(1, 7)?;
    /// assert_eq!(array.get(1), Some(7));
    /// assert!(array.set(2, 8).is_err());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn set(&self, index: usize, value: T) -> Result<()> {
        let len = self.len();
        match self.lock()?.get_mut(index) {
            Some(place) => *place = value,
            None => return Err(Error::invalid(format!("index {index} is beyond the end of an array of {len}"))),
        }
        Ok(())
    }

    /// Waits for the lock and holds it until the guard is dropped. The guard derefs to `[T]`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`](crate::ErrorKind::OwnerDied) once a process died or panicked while it held the lock, until
    /// [`recover`](Self::recover).
    ///
    /// # Examples
    ///
    /// ```
    /// let array = parallel::shared::Array::from_slice(&[3, 1, 2])?;
    /// array.lock()?.sort();
    /// assert_eq!(array.to_vec()?, [1, 2, 3]);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    #[inline]
    pub fn lock(&self) -> Result<Guard<'_, [T]>> {
        self.0.lock()
    }

    /// Returns a copy of all values, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(parallel::shared::Array::<u16>::zeroed(2)?.to_vec()?, [0, 0]);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<T>> {
        Ok(self.lock()?.to_vec())
    }

    /// Makes the array accessible again after a process died or panicked while it held the lock. Does nothing to an array
    /// that is whole.
    ///
    /// The values are as the dead holder left them.
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
    /// fn leave(array: Array<u8>) {
    ///     let _guard = array.lock().unwrap();
    ///     std::process::exit(0);
    /// }
    ///
    /// fn main() -> parallel::Result<()> {
    ///     let array = Array::from_slice(b"abc")?;
    ///     leave.spawn(array.clone()).join().unwrap_err();
    ///     assert!(matches!(array.to_vec().unwrap_err().kind(), ErrorKind::OwnerDied { .. }));
    ///     array.recover()?;
    ///     assert_eq!(array.to_vec()?, b"abc");
    ///     Ok(())
    /// }
    /// ```
    pub fn recover(&self) -> Result<()> {
        self.0.recover();
        Ok(())
    }
}

impl<T: Plain> Clone for Array<T> {
    /// Another handle to the same array.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Plain> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array").field("len", &self.len()).finish_non_exhaustive()
    }
}
