//! An object in shared memory: a head, words, and what the words guard.
//!
//! ```text
//! 0       64                 data_offset::<W, T>()
//! | Head | words W | padding | data: T or [T] |
//! ```
//!
//! Each object is a region of its own, so that its memory goes with its last user. Each handle knows the length of the
//! data, and checks it against the size of the region when it arrives: the memory itself is not trusted.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytemuck::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::error::{Error, Result};
use crate::sys::memory::{Access, Region};
use crate::wire::handles::{self, Handle};

/// `SHARED` in ASCII, and the version of this layout.
const MAGIC: u64 = 0x5348_4152_4544_0001;

/// Where the words begin: on a cache line of their own.
const WORDS: usize = 64;

/// The first bytes of an object. Written once, before the object has a second user.
#[repr(C, align(64))]
struct Head {
    magic: AtomicU64,
    /// Which [`ObjectWords`] follow: [`ObjectWords::KIND`].
    kind: AtomicU32,
}

const _: () = assert!(size_of::<Head>() == WORDS);

/// The words of one kind of object.
///
/// # Safety
///
/// The type is `repr(C)` or transparent, aligned to at most 64 bytes, and consists of atomic words alone: any bits are
/// a value of it, and any process may write it. Memory of zeros is its state at birth.
pub(crate) unsafe trait ObjectWords {
    /// The number of this kind of object, different for each.
    const KIND: u32;
}

/// Where the data begin: right behind the words, so that a small value shares the line of its lock.
const fn data_offset<W, T>() -> usize {
    (WORDS + size_of::<W>()).next_multiple_of(align_of::<T>())
}

/// The largest alignment that data may ask for: regions begin on a page.
const PAGE: usize = 4096;

/// Words `W` and `len` values of `T` in memory that processes share.
#[derive(Debug)]
pub(crate) struct Object<W, T> {
    region: Arc<Region>,
    len: usize,
    under: PhantomData<fn() -> W>,
    /// The values are handed from thread to thread under the words.
    of: PhantomData<std::sync::Mutex<T>>,
}

impl<W, T> Clone for Object<W, T> {
    fn clone(&self) -> Self {
        Self { region: Arc::clone(&self.region), len: self.len, under: PhantomData, of: PhantomData }
    }
}

impl<W: ObjectWords, T: Pod> Object<W, T> {
    /// Makes an object with `len` values of zeros. No other process has its memory yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the machine cannot give so much.
    pub(crate) fn zeroed(len: usize) -> Result<Self> {
        let size = Self::size(len).ok_or_else(|| {
            Error::invalid(format!("{len} values of {} bytes are more than memory can be", size_of::<T>()))
        })?;
        let region = Region::zeroed(size).map_err(|error| no_memory(size, &error))?;
        let object = Self { region, len, under: PhantomData, of: PhantomData };
        object.head().kind.store(W::KIND, Ordering::Relaxed);
        object.head().magic.store(MAGIC, Ordering::Release);
        Ok(object)
    }

    /// Makes an object that holds copies of `values`.
    pub(crate) fn holding(values: &[T]) -> Result<Self> {
        let object = Self::zeroed(values.len())?;
        let (start, bytes) = (data_offset::<W, T>(), bytemuck::cast_slice(values));
        object.region.bytes().range(start, start + bytes.len()).copy_from(bytes);
        Ok(object)
    }

    /// The size of the region for so many values; `None`: more than memory can be.
    fn size(len: usize) -> Option<usize> {
        const { assert!(align_of::<W>() <= WORDS, "the words begin on a line") };
        const { assert!(align_of::<T>() <= PAGE, "shared memory begins on a page: no more alignment can be had") };
        let size = len.checked_mul(size_of::<T>())?.checked_add(data_offset::<W, T>())?;
        isize::try_from(size).is_ok().then_some(size)
    }

    fn head(&self) -> &Head {
        // SAFETY: the region begins on a page, is at least as long as a head (see `size`), lives as long as `self`, and a
        // head consists of atomic words.
        unsafe { &*self.region.as_ptr().cast::<Head>() }
    }

    #[inline]
    pub(crate) fn words(&self) -> &W {
        // SAFETY: inside the region (see `size`).
        let start = unsafe { self.region.as_ptr().add(WORDS) };
        // SAFETY: aligned to 64 bytes, alive as long as `self`, and any bits are words (see `ObjectWords`).
        unsafe { &*start.cast::<W>() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first of the values, which other processes may read and write meanwhile.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<T> {
        // SAFETY: inside the region (see `size`), or at its end where there is no value.
        let start = unsafe { self.region.as_ptr().add(data_offset::<W, T>()) };
        // SAFETY: a mapping is never at address 0.
        unsafe { NonNull::new_unchecked(start.cast()) }
    }

    /// Takes a region that arrived in a handle, if it holds an object of this kind with room for `len` values.
    fn adopt(region: Arc<Region>, len: usize) -> std::result::Result<Self, &'static str> {
        let fits = Self::size(len).is_some_and(|size| size <= region.len());
        if region.access() != Access::Shared || !fits {
            return Err("shared memory of another size than its handle says");
        }
        let object = Self { region, len, under: PhantomData, of: PhantomData };
        if object.head().magic.load(Ordering::Acquire) != MAGIC || object.head().kind.load(Ordering::Relaxed) != W::KIND
        {
            return Err("shared memory that holds something else");
        }
        Ok(object)
    }
}

/// The error for shared memory that the system refuses.
pub(crate) fn no_memory(size: usize, error: &std::io::Error) -> Error {
    Error::invalid(format!("could not make {size} bytes of shared memory: {error}"))
}

/// What is encoded in place of shared memory: its index in the call's table of handles, and the shape of the data.
#[derive(Serialize, Deserialize)]
pub(crate) struct EncodedRegion {
    at: u32,
    len: u64,
    size: u32,
    alignment: u32,
}

impl EncodedRegion {
    /// Puts a region that holds `len` values of `T` into the call's table.
    pub(crate) fn give<T, E: ser::Error>(region: &Arc<Region>, len: usize) -> std::result::Result<Self, E> {
        let at = handles::give(Handle::Memory(Arc::clone(region)))?;
        let (size, alignment) = Self::shape::<T>();
        Ok(Self { at, len: u64::try_from(len).map_err(E::custom)?, size, alignment })
    }

    /// Takes the region out of the call's table, and how many values of `T` it is said to hold. Its size is not checked.
    pub(crate) fn take<T, E: de::Error>(self) -> std::result::Result<(Arc<Region>, usize), E> {
        if (self.size, self.alignment) != Self::shape::<T>() {
            return Err(E::custom("shared memory of another type"));
        }
        Ok((handles::take_memory(self.at)?, usize::try_from(self.len).map_err(E::custom)?))
    }

    /// The size and alignment of `T`. Sizes of 4 GiB or more are cut, on both sides alike.
    fn shape<T>() -> (u32, u32) {
        (size_of::<T>() as u32, align_of::<T>() as u32)
    }
}

impl<W: ObjectWords, T: Pod> Serialize for Object<W, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        EncodedRegion::give::<T, S::Error>(&self.region, self.len)?.serialize(serializer)
    }
}

impl<'de, W: ObjectWords, T: Pod> Deserialize<'de> for Object<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (region, len) = EncodedRegion::deserialize(deserializer)?.take::<T, D::Error>()?;
        Self::adopt(region, len).map_err(de::Error::custom)
    }
}
