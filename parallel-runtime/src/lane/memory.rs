//! The words of a lane and of a bell, as both processes see them.
//!
//! A lane is one [`Header`], two argument areas and two reply areas. A bell is one
//! [`BellWords`]. Every word is atomic: the other process may write it at any time, also when it should not.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64};

use bytemuck::{NoUninit, Pod};

use super::step::StepWord;
use super::words::bell::BellWords;
use super::words::door::Knocks;
use super::words::limit::Limit;
use super::words::slot::SlotWord;
use crate::sys::memory::Mapping;
use crate::tuning::{LANE_AREA, SLOTS};

/// `PARALLEL` in ASCII, and the version of this layout.
pub(crate) const MAGIC: u64 = 0x5041_5241_4c4c_4503;

/// The words of one slot that the parent writes; the worker, too, changes its state.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SlotOrder {
    pub(crate) state: SlotWord,
    /// 1: the parcel is in a block on the control channel, not in the argument area.
    pub(crate) in_block: AtomicU32,
    /// The parcel's number, counted from 0 for each worker.
    pub(crate) number: AtomicU64,
    /// The parcel's length in bytes.
    pub(crate) len: AtomicU64,
    /// Only the first so many items are to be run: [`lane`](crate::lane::parent) says how a parcel is divided by it.
    pub(crate) limit: Limit,
}

/// The words of one slot that the worker writes, from what the parent has put there with the parcel.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SlotProgress {
    /// How many items it has started and finished, and how long the reply to them is.
    pub(crate) step: StepWord,
    /// When the latest item was started, on the monotonic clock in nanoseconds, where the parcel asks for it.
    pub(crate) started_at: AtomicU64,
    /// When the parcel was taken up, on the same clock; 0: not yet.
    pub(crate) begun_at: AtomicU64,
    /// How long the parcel ran, in nanoseconds.
    pub(crate) elapsed: AtomicU64,
    /// 1: some of the reply travels beside the lane.
    pub(crate) beside: AtomicU32,
    /// The core on which the parcel was taken up.
    pub(crate) core: AtomicU32,
}

/// One slot.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) order: SlotOrder,
    pub(crate) progress: SlotProgress,
}

/// What the worker waits on.
#[repr(C, align(64))]
pub(crate) struct Door {
    pub(crate) knocks: Knocks,
    /// How many milliseconds the worker may take for its end when nothing is left for it; 0: it is not to end.
    pub(crate) stop: AtomicU32,
    /// How many others are at work: see [`crowd`].
    pub(crate) crowd: AtomicU32,
    /// The core from which the parent knocked last.
    pub(crate) core: AtomicU32,
    /// Counts what was put into the control channel for the worker to read when it has nothing else to do.
    pub(crate) mail: AtomicU32,
}

/// How many processes are at work.
pub(crate) mod crowd {
    /// No more than there are cores.
    pub(crate) const ROOM: u32 = 0;
    /// More: who looks gives way now and then.
    pub(crate) const CROWD: u32 = 1;
    /// So many that one who has nothing sleeps at once: to look would take the time of those who have something.
    pub(crate) const THRONG: u32 = 2;
}

/// The head of a lane.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    /// 1: the worker sees a lowered limit once the parent has ordered all: see [`lane`](crate::lane::parent).
    pub(crate) divisible: AtomicU32,
    pub(crate) door: Door,
    pub(crate) slots: [Slot; SLOTS],
}

/// The size of a lane's head, in bytes: a page, so that the areas start on one.
pub(crate) const HEAD: usize = 4096;
/// The size of a lane in bytes.
pub(crate) const LANE: usize = HEAD + 2 * SLOTS * LANE_AREA;
/// The size of a bell in bytes.
pub(crate) const BELL: usize = 4096;

const _: () = assert!(size_of::<SlotOrder>() == 64 && size_of::<SlotProgress>() == 64 && size_of::<Door>() == 64);
const _: () = assert!(size_of::<Header>() == 64 + 64 + SLOTS * 128 && size_of::<Header>() <= HEAD);
const _: () = assert!(size_of::<BellWords>() <= BELL && LANE_AREA.is_multiple_of(4096));

/// A lane's memory.
#[derive(Debug)]
pub(crate) struct LaneMemory(Mapping);

impl LaneMemory {
    /// Takes a mapping of [`LANE`] bytes.
    pub(crate) fn new(mapping: Mapping) -> Self {
        assert!(mapping.len() == LANE, "a lane has {LANE} bytes, not {}", mapping.len());
        Self(mapping)
    }

    /// Its mapping.
    pub(crate) fn mapping(&mut self) -> &mut Mapping {
        &mut self.0
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the mapping is page-aligned, at least as long as a header, lives as long as `self`, and a header
        // consists of atomic words, which may be shared with anyone and hold any bits.
        unsafe { &*self.0.as_ptr().cast::<Header>() }
    }

    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.header().slots[slot]
    }

    /// Copies `bytes` into the argument area of `slot` from `at` on; false when they do not fit.
    pub(crate) fn write_arguments(&self, slot: usize, at: usize, bytes: &[u8]) -> bool {
        self.write(HEAD + slot * LANE_AREA, at, bytes)
    }

    /// The first `len` bytes of the argument area of `slot`; fewer when the area is shorter.
    ///
    /// # Safety
    ///
    /// Nobody writes there as long as the bytes are borrowed.
    pub(crate) unsafe fn arguments(&self, slot: usize, len: usize) -> &[u8] {
        // SAFETY: the start of one of the areas inside the mapping.
        let start = unsafe { self.0.as_ptr().add(HEAD + slot * LANE_AREA) };
        // SAFETY: inside the area; the caller promises that it does not change.
        unsafe { std::slice::from_raw_parts(start, len.min(LANE_AREA)) }
    }

    /// Copies `bytes` into the reply area of `slot` from `at` on; false when they do not fit.
    #[inline]
    pub(crate) fn write_reply(&self, slot: usize, at: usize, bytes: &[u8]) -> bool {
        self.write(HEAD + (SLOTS + slot) * LANE_AREA, at, bytes)
    }

    /// The place of `len` bytes in the reply area of `slot` from `at` on, for values that are written there.
    ///
    /// # Panics
    ///
    /// When the area ends before.
    pub(crate) fn row(&self, slot: usize, at: usize, len: usize) -> RowMemory<'_> {
        assert!(at.checked_add(len).is_some_and(|end| end <= LANE_AREA), "{len} bytes at {at}");
        // SAFETY: inside one of the areas of the mapping, as was just made sure.
        let start = unsafe { self.0.as_ptr().add(HEAD + (SLOTS + slot) * LANE_AREA + at) };
        RowMemory { start, len, memory: PhantomData }
    }

    /// The reply area of `slot` from `at` to `end`; less when the area is shorter.
    pub(crate) fn reply(&self, slot: usize, at: usize, end: usize) -> SharedBytes<'_> {
        let end = end.min(LANE_AREA);
        let at = at.min(end);
        // SAFETY: inside one of the areas of the mapping.
        let start = unsafe { self.0.as_ptr().add(HEAD + (SLOTS + slot) * LANE_AREA + at) };
        SharedBytes { start, len: end - at, memory: PhantomData }
    }

    #[inline]
    fn write(&self, area: usize, at: usize, bytes: &[u8]) -> bool {
        if at.checked_add(bytes.len()).is_none_or(|end| end > LANE_AREA) {
            return false;
        }
        // SAFETY: `area` is the start of one of the areas inside the mapping.
        let target = unsafe { self.0.as_ptr().add(area + at) };
        // SAFETY: the check above keeps it inside the area; `bytes` is this process's own memory and does not overlap
        // the mapping. What the other process reads of it meanwhile it copies, and checks the copy.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        true
    }
}

/// The place of a row of values in a reply area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowMemory<'a> {
    /// The start of `len` bytes, which can be written as long as `'a`.
    start: *mut u8,
    len: usize,
    memory: PhantomData<&'a [u8]>,
}

impl RowMemory<'_> {
    /// Writes the value behind `index` others of its width.
    ///
    /// # Panics
    ///
    /// When it is behind the end.
    #[inline(always)]
    pub(crate) fn write<T: NoUninit>(&self, index: u32, value: T) {
        let at = index as usize * size_of::<T>();
        assert!(at + size_of::<T>() <= self.len, "value {index} of a row of {} bytes", self.len);
        // SAFETY: inside the row, as was just made sure.
        let target = unsafe { self.start.add(at) };
        // SAFETY: as above. What the other process reads of it meanwhile it copies, and checks the copy.
        unsafe { target.cast::<T>().write_unaligned(value) };
    }
}

/// Some words that are copied at a time: one by one took an unoptimized program ten times as long.
type Line = [u64; 32];

/// Bytes that another process may write at any time: they can only be copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedBytes<'a> {
    /// The start of `len` bytes that can be read as long as `'a`.
    start: *const u8,
    len: usize,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> SharedBytes<'a> {
    /// Bytes that nobody writes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { start: bytes.as_ptr(), len: bytes.len(), memory: PhantomData }
    }

    /// All bytes of a mapping.
    pub(crate) fn of_mapping(mapping: &'a Mapping) -> Self {
        Self { start: mapping.as_ptr(), len: mapping.len(), memory: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes from `at` to `end`; fewer when there are not so many.
    pub(crate) fn range(&self, at: usize, end: usize) -> Self {
        let end = end.min(self.len);
        let at = at.min(end);
        // SAFETY: not behind the end, as was just made sure.
        let start = unsafe { self.start.add(at) };
        Self { start, len: end - at, memory: PhantomData }
    }

    /// Copies them into `target`, which has as many. Should another process write them meanwhile, the copy holds some bytes
    /// or others, and every reader of it checks what it reads.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub(crate) fn copy_to(&self, target: &mut [u8]) {
        assert!(self.len == target.len(), "{} bytes for a place of {}", self.len, target.len());
        // SAFETY: as many bytes as both have; `target` is this process's own and does not overlap shared memory.
        unsafe { std::ptr::copy_nonoverlapping(self.start, target.as_mut_ptr(), self.len) };
    }

    /// Copies them into places for numbers, which then hold some numbers or others.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub(crate) fn copy_into<T: Pod>(&self, target: &mut [MaybeUninit<T>]) {
        assert!(self.len == size_of_val(target), "{} bytes for places of {}", self.len, size_of_val(target));
        // SAFETY: as in `copy_to`; whatever bytes arrive, they are numbers.
        unsafe { std::ptr::copy_nonoverlapping(self.start, target.as_mut_ptr().cast::<u8>(), self.len) };
    }

    /// A copy of them while another process writes there: word by word, so that the compiler knows that they change.
    pub(crate) fn to_vec_meanwhile(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.copy_meanwhile(&mut bytes);
        bytes
    }

    /// Copies them so into `target`, which has as many.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub(crate) fn copy_meanwhile(&self, target: &mut [u8]) {
        assert!(self.len == target.len(), "{} bytes for a place of {}", self.len, target.len());
        let ahead = self.start.align_offset(size_of::<u64>()).min(self.len);
        let (single, rest) = target.split_at_mut(ahead);
        let mut at = 0;
        for byte in single {
            *byte = self.changing(at);
            at += 1;
        }
        let mut lines = rest.chunks_exact_mut(size_of::<Line>());
        for line in &mut lines {
            line.copy_from_slice(bytemuck::bytes_of(&self.changing::<Line>(at)));
            at += size_of::<Line>();
        }
        let mut words = lines.into_remainder().chunks_exact_mut(size_of::<u64>());
        for word in &mut words {
            word.copy_from_slice(&self.changing::<u64>(at).to_ne_bytes());
            at += size_of::<u64>();
        }
        for byte in words.into_remainder() {
            *byte = self.changing(at);
            at += 1;
        }
    }

    /// What is at `at`, where it is aligned, at this moment.
    ///
    /// # Panics
    ///
    /// When it is behind the end.
    #[inline(always)]
    fn changing<T: Pod>(&self, at: usize) -> T {
        assert!(at + size_of::<T>() <= self.len, "{} bytes at {at} of {}", size_of::<T>(), self.len);
        // SAFETY: not behind the end, as was just made sure.
        let place = unsafe { self.start.add(at) }.cast::<T>();
        debug_assert!(place.is_aligned(), "{place:?}");
        // SAFETY: mapped as long as `'a`, and aligned: its callers went to a multiple. It holds some bits or others, which any
        // number may have, and the compiler takes nothing about them for granted.
        unsafe { place.read_volatile() }
    }

    /// A copy of them.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        // SAFETY: as in `copy_to`, into fresh memory of that capacity.
        unsafe { std::ptr::copy_nonoverlapping(self.start, bytes.as_mut_ptr(), self.len) };
        // SAFETY: so many bytes were written above.
        unsafe { bytes.set_len(self.len) };
        bytes
    }

    /// A copy of the word at their start, if there are eight.
    pub(crate) fn word(&self) -> Option<u64> {
        let mut word = [0; 8];
        (self.len >= 8).then(|| self.range(0, 8).copy_meanwhile(&mut word))?;
        Some(u64::from_le_bytes(word))
    }
}

/// A bell's memory.
#[derive(Debug)]
pub(crate) struct BellMemory(Mapping);

impl BellMemory {
    /// Takes a mapping of [`BELL`] bytes.
    pub(crate) fn new(mapping: Mapping) -> Self {
        assert!(mapping.len() == BELL, "a bell has {BELL} bytes, not {}", mapping.len());
        Self(mapping)
    }

    /// Its mapping.
    pub(crate) fn mapping(&mut self) -> &mut Mapping {
        &mut self.0
    }

    pub(crate) fn words(&self) -> &BellWords {
        // SAFETY: as for `LaneMemory::header`.
        unsafe { &*self.0.as_ptr().cast::<BellWords>() }
    }
}
/// The slot of a parcel.
pub(super) fn slot_of(number: u64) -> usize {
    // The remainder is smaller than the number of slots.
    (number % SLOTS as u64) as usize
}
