//! Bytes that another process may write at any time.
//!
//! They are copied in and out, and no Rust reference to them exists: a reference would promise the compiler that they do
//! not change. A number is a volatile access. Everything else is a call of the C library's `memmove` from assembler: the
//! compiler sees no access, so it assumes nothing about one, and the copy is as fast as any on this machine. A copy that
//! another process disturbs holds some bytes or others; its reader checks what it reads.
//!
//! Words of protocols in such memory are atomic, and references to atomics promise nothing. Three other kinds of shared memory
//! are read by reference: what a seal protects, what a held lock protects, and a worker's [arguments](SharedBytes::still).
//!
//! After `VolatileSlice` of the crate vm-memory.

use std::arch::asm;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU8;

use bytemuck::{NoUninit, Pod};

/// A value at any address.
#[repr(C, packed)]
struct Unaligned<T>(T);

/// Bytes that another process may write at any time: they can only be copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedBytes<'a> {
    /// The start of `len` bytes that are mapped as long as `'a`.
    start: *mut u8,
    len: usize,
    memory: PhantomData<&'a [AtomicU8]>,
}

impl<'a> SharedBytes<'a> {
    /// Takes `len` bytes from `start` on.
    ///
    /// # Safety
    ///
    /// The bytes are mapped as long as `'a`. Meanwhile this process uses no reference to them but to atomics, and to bytes that no
    /// process writes while they are borrowed. A write to bytes that are mapped for reading only is a fault, which ends the process.
    #[inline]
    pub(crate) unsafe fn new(start: *mut u8, len: usize) -> Self {
        Self { start, len, memory: PhantomData }
    }

    /// Bytes that no other process knows.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(bytes: &'a mut [u8]) -> Self {
        Self { start: bytes.as_mut_ptr(), len: bytes.len(), memory: PhantomData }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes from `at` to `end`; fewer when there are not so many.
    #[inline]
    pub(crate) fn range(&self, at: usize, end: usize) -> Self {
        let end = end.min(self.len);
        let at = at.min(end);
        Self { start: self.start.wrapping_add(at), len: end - at, memory: PhantomData }
    }

    /// The bytes where they are.
    ///
    /// # Safety
    ///
    /// No thread of any process writes the bytes as long as `'a`.
    pub(crate) unsafe fn still(self) -> &'a [u8] {
        // SAFETY: mapped as long as `'a`, and the caller promises that they do not change.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The number, little-endian, that is at `at` at this moment; `None` where not all of it is there.
    #[inline]
    pub(crate) fn read_u64(&self, at: usize) -> Option<u64> {
        let place = self.range(at, at.saturating_add(size_of::<u64>()));
        if place.len < size_of::<u64>() {
            return None;
        }
        // SAFETY: mapped, and so many bytes, as was just made sure; no alignment is needed, and any bits are a number.
        let word = unsafe { place.start.cast::<Unaligned<u64>>().read_volatile() };
        Some(u64::from_le(word.0))
    }

    /// Writes the value behind `index` others of its width, by a plain store: a loop over items has no time for more. No other
    /// process reads the value before it is published.
    ///
    /// # Panics
    ///
    /// When it is behind the end.
    #[inline(always)]
    pub(crate) fn write<T: NoUninit>(&self, index: u32, value: T) {
        let at = index as usize * size_of::<T>();
        assert!(at + size_of::<T>() <= self.len, "value {index} of a row of {} bytes", self.len);
        let place = self.start.wrapping_add(at).cast::<T>();
        // SAFETY: mapped as long as `self`, and inside, as was just made sure; what another process reads of it nevertheless, it
        // copies and checks.
        unsafe { place.write_unaligned(value) };
    }

    /// Copies them into `target`.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    #[inline]
    pub(crate) fn copy_to(&self, target: &mut [u8]) {
        assert!(self.len == target.len(), "{} bytes for a place of {}", self.len, target.len());
        // A message of one number is one load.
        if self.len == size_of::<u64>()
            && let Some(word) = self.read_u64(0)
        {
            target.copy_from_slice(&word.to_le_bytes());
        } else {
            // SAFETY: as many bytes as both have.
            unsafe { copy(self.start, target.as_mut_ptr(), self.len) };
        }
    }

    /// Copies them into places for numbers, which then hold some numbers or others.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub(crate) fn copy_into<T: Pod>(&self, target: &mut [MaybeUninit<T>]) {
        assert!(self.len == size_of_val(target), "{} bytes for places of {}", self.len, size_of_val(target));
        // SAFETY: as many bytes as both have; whatever bytes arrive, they are numbers.
        unsafe { copy(self.start, target.as_mut_ptr().cast(), self.len) };
    }

    /// Appends a copy of them to `bytes`.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.len);
        self.copy_into(&mut bytes.spare_capacity_mut()[..self.len]);
        // SAFETY: so many bytes were just written.
        unsafe { bytes.set_len(bytes.len() + self.len) };
    }

    /// A copy of them.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.reserve_exact(self.len);
        self.append_to(&mut bytes);
        bytes
    }

    /// Copies `source` into them.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    #[inline]
    pub(crate) fn copy_from(&self, source: &[u8]) {
        assert!(self.len == source.len(), "{} bytes for a place of {}", source.len(), self.len);
        match <[u8; 8]>::try_from(source) {
            // SAFETY: mapped, and so many bytes; no alignment is needed.
            Ok(word) => unsafe {
                self.start.cast::<Unaligned<u64>>().write_volatile(Unaligned(u64::from_ne_bytes(word)));
            },
            // SAFETY: as many bytes as both have.
            Err(_) => unsafe { copy(source.as_ptr(), self.start, self.len) },
        }
    }

    /// Copies other such bytes into them.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub(crate) fn copy_from_shared(&self, source: SharedBytes<'_>) {
        assert!(self.len == source.len, "{} bytes for a place of {}", source.len, self.len);
        // SAFETY: as many bytes as both have.
        unsafe { copy(source.start, self.start, self.len) };
    }
}

/// Copies `len` bytes, which may overlap, while other processes read or write them.
///
/// # Safety
///
/// `len` bytes are mapped at both places; this process may read those at `from` and write those at `to`.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if cfg!(miri) {
        // SAFETY: the caller promises that both places hold `len` bytes, and under Miri there is no other process.
        return unsafe { std::ptr::copy(from, to, len) };
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a call as the C library documents it; the caller promises the bytes.
    unsafe {
        asm!("call {f}", f = sym libc::memmove, in("rdi") to, in("rsi") from, in("rdx") len, clobber_abi("C"));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("bl {f}", f = sym libc::memmove, in("x0") to, in("x1") from, in("x2") len, clobber_abi("C"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::Mapping;

    /// Bytes that tell their place.
    fn numbered(len: usize) -> Vec<u8> {
        (0..len).map(|at| at as u8 ^ (at >> 8) as u8).collect()
    }

    #[test]
    fn all_ways_copy_the_same_bytes_whatever_their_alignment_and_length() {
        let original = numbered(400);
        for at in 0..9 {
            for len in (0..20).chain([63, 64, 65, 255, 256, 257, 300]) {
                let expected = &original[at..at + len];
                let (mut bytes, mut other) = (original.clone(), vec![0xee; 400]);
                let shared = SharedBytes::of(&mut bytes).range(at, at + len);
                let mut copy = vec![0; len];
                shared.copy_to(&mut copy);
                assert_eq!(copy, expected);
                assert_eq!(shared.to_vec(), expected);
                shared.append_to(&mut copy);
                assert_eq!((&copy[..len], &copy[len..]), (expected, expected));
                let word = expected.first_chunk().map(|word| u64::from_le_bytes(*word));
                assert_eq!(shared.read_u64(0), word);
                // Into bytes of another alignment; those around them stay.
                for from in 0..3 {
                    let target = SharedBytes::of(&mut other).range(from, from + len);
                    if from == 1 {
                        target.copy_from_shared(shared)
                    } else {
                        target.copy_from(expected)
                    }
                    assert_eq!(&other[from..from + len], expected);
                    assert!(other[..from].iter().chain(&other[from + len..]).all(|byte| *byte == 0xee));
                    other.fill(0xee);
                }
            }
        }
    }

    #[test]
    fn values_are_written_and_read_at_any_place() {
        let mut bytes = vec![0; 40];
        let shared = SharedBytes::of(&mut bytes);
        for at in 0..=16 {
            shared.range(at, 40).write(1, 0x0102_0304_0506_0708_u64.to_le());
            assert_eq!(shared.read_u64(at + 8), Some(0x0102_0304_0506_0708));
            shared.range(at, 40).write(0, u128::MAX);
            assert_eq!((shared.read_u64(at), shared.read_u64(at + 8)), (Some(u64::MAX), Some(u64::MAX)));
        }
        let mut numbers = [MaybeUninit::<u16>::zeroed(); 4];
        shared.range(16, 24).copy_into(&mut numbers);
        // SAFETY: any bits are numbers, and these were zeros before.
        assert_eq!(numbers.map(|number| unsafe { number.assume_init() }), [u16::MAX; 4]);
    }

    #[test]
    fn no_range_reaches_behind_the_end() {
        let mut bytes = numbered(16);
        let shared = SharedBytes::of(&mut bytes);
        for (at, end, expected) in [(4, 8, 4..8), (8, usize::MAX, 8..16), (usize::MAX, 0, 0..0), (17, 20, 16..16)] {
            assert_eq!(shared.range(at, end).to_vec(), numbered(16)[expected]);
        }
        for at in [9, 16, usize::MAX - 7, usize::MAX] {
            assert_eq!(shared.read_u64(at), None, "{at}");
        }
        let refused = |write: fn(SharedBytes<'_>)| {
            let mut bytes = [0; 16];
            let write = std::panic::AssertUnwindSafe(|| write(SharedBytes::of(&mut bytes)));
            assert!(std::panic::catch_unwind(write).is_err());
            assert_eq!(bytes, [0; 16]);
        };
        refused(|shared| shared.write(2, 1_u64));
        refused(|shared| shared.write(u32::MAX, 1_u64));
        refused(|shared| shared.range(0, 7).write(0, 1_u64));
        refused(|shared| shared.copy_from(&[1; 17]));
        refused(|shared| shared.copy_to(&mut [1; 15]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "the threads stand for processes, and race as these do")]
    fn what_is_scribbled_over_meanwhile_is_old_or_new_byte_by_byte() {
        const LEN: usize = 4 << 10;
        let memory = Mapping::private(LEN).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut met, mut copy, mut rounds) = ([false; 2], vec![7; LEN - 3], 0);
                while rounds < 1000 || met != [true; 2] {
                    rounds += 1;
                    let bytes = memory.bytes().range(3, LEN);
                    bytes.copy_to(&mut copy);
                    assert!(copy.iter().chain(&bytes.to_vec()).all(|byte| matches!(byte, 0 | 0xff)));
                    match memory.bytes().read_u64(8) {
                        Some(0) => met[0] = true,
                        Some(u64::MAX) => met[1] = true,
                        torn => panic!("an aligned number is written and read as a whole: {torn:x?}"),
                    }
                    // There may be one core only.
                    std::thread::yield_now();
                }
            });
            while !reader.is_finished() {
                for byte in [0xff, 0] {
                    memory.bytes().range(16, LEN).copy_from(&[byte; LEN - 16]);
                    memory.bytes().range(8, 16).copy_from(&[byte; 8]);
                    std::thread::yield_now();
                }
            }
        });
    }
}
