//! Values in shared memory that cannot change any more.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::Plain;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Result;
use crate::sync::object::{EncodedRegion, no_memory};
use crate::sys::memory::{Access, Region};

/// Holds values that every process reads in place: one copy for all of them.
///
/// It derefs to `[T]`. The kernel seals the memory: no process, its maker included, can write it, map it for writing or
/// resize it, so the slice never changes. To hand it to a call costs the same however large it is.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn nearest(table: Frozen<f64>, x: f64) -> f64 {
///     *table.iter().min_by(|a, b| (*a - x).abs().total_cmp(&(*b - x).abs())).unwrap()
/// }
///
/// fn main() -> parallel::Result<()> {
///     let table = Frozen::from_vec((0..1_000).map(|i| f64::from(i) * 0.5).collect())?;
///     assert_eq!(table.len(), 1_000);
///     let found = nearest.par_map([7.1, 42.4].map(|x| (table.clone(), x)))?;
///     assert_eq!(found, [7.0, 42.5]);
///     Ok(())
/// }
/// ```
pub struct Frozen<T> {
    region: Arc<Region>,
    /// How many values the region begins with.
    len: usize,
    /// Behaves as a shared slice.
    of: PhantomData<Arc<[T]>>,
}

impl<T: Plain> Frozen<T> {
    /// Makes a copy of `values` that every process can read.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let primes = parallel::shared::Frozen::from_vec(vec![2, 3, 5, 7])?;
    /// assert_eq!(primes.iter().sum::<i32>(), 17);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn from_vec(values: Vec<T>) -> Result<Self> {
        Self::from_slice(&values)
    }

    /// Makes a copy of `values` that every process can read.
    ///
    /// # Errors
    ///
    /// As for [`from_vec`](Self::from_vec).
    ///
    /// # Examples
    ///
    /// ```
    /// let text = parallel::shared::Frozen::from_slice("a long text".as_bytes())?;
    /// assert_eq!(&text[2..6], b"long");
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn from_slice(values: &[T]) -> Result<Self> {
        const { assert!(align_of::<T>() <= 4096, "shared memory begins on a page: no more alignment can be had") };
        let bytes = bytemuck::cast_slice(values);
        let region = Region::frozen(bytes).map_err(|error| no_memory(bytes.len(), &error))?;
        Ok(Self { region, len: values.len(), of: PhantomData })
    }
}

impl<T: Plain> Deref for Frozen<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the region holds so many values (it was made of them, or `deserialize` compared), begins on a page, lives
        // as long as `self`, is sealed against writing, and any bits are a `T`.
        unsafe { std::slice::from_raw_parts(self.region.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> AsRef<[T]> for Frozen<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Plain> Clone for Frozen<T> {
    /// Another handle to the same values.
    fn clone(&self) -> Self {
        Self { region: Arc::clone(&self.region), len: self.len, of: PhantomData }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Frozen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Plain> Serialize for Frozen<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        EncodedRegion::give::<T, S::Error>(&self.region, self.len)?.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Frozen<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (region, len) = EncodedRegion::deserialize(deserializer)?.take::<T, D::Error>()?;
        let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes <= region.len());
        if region.access() != Access::Frozen || !fits {
            return Err(de::Error::custom("frozen memory of another size than its handle says"));
        }
        Ok(Self { region, len, of: PhantomData })
    }
}
