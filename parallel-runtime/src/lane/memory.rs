//! The words of a lane and of a bell, as both processes see them.
//!
//! A lane is one [`Header`], two argument areas and two reply areas. A bell is one
//! [`BellWords`]. Every word is atomic: the other process may write it at any time, also when it should not.

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::step::StepWord;
use super::words::bell::BellWords;
use super::words::door::Knocks;
use super::words::limit::Limit;
use super::words::slot::SlotWord;
use crate::sys::bytes::SharedBytes;
use crate::sys::memory::Mapping;
use crate::tuning::{LANE_AREA, SLOTS, USUAL_AREA};

/// `PARALLEL` in ASCII, and the version of this layout.
pub(crate) const MAGIC: u64 = 0x5041_5241_4c4c_4503;

/// The words of one slot that the parent writes; the worker, too, changes `state`.
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

/// The words of one slot that the worker writes. With each parcel the parent resets `step`, `begun_at` and `beside`.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SlotProgress {
    /// How many items the worker has started and finished, and how long the reply to them is.
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
    /// How many other workers are at work: see [`crowd`].
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
    /// More: a process that looks at a word yields now and then.
    pub(crate) const CROWD: u32 = 1;
    /// So many that a worker without a parcel sleeps at once: a look would take time from workers that have one.
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
        // SAFETY: the mapping is page-aligned, at least as long as a header, and lives as long as `self`. A header is
        // atomic words: any process may write them, and any bits are a value.
        unsafe { &*self.0.as_ptr().cast::<Header>() }
    }

    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.header().slots[slot]
    }

    /// Copies `bytes` into the argument area of `slot` from `at` on; false when they do not fit.
    pub(crate) fn write_arguments(&self, slot: usize, at: usize, bytes: &[u8]) -> bool {
        write(self.area(slot), at, bytes)
    }

    /// The first `len` bytes of the argument area of `slot`; fewer when the area is shorter.
    pub(crate) fn arguments(&self, slot: usize, len: usize) -> SharedBytes<'_> {
        self.area(slot).range(0, len)
    }

    /// Copies `bytes` into the reply area of `slot` from `at` on; false when they do not fit.
    #[inline]
    pub(crate) fn write_reply(&self, slot: usize, at: usize, bytes: &[u8]) -> bool {
        write(self.area(SLOTS + slot), at, bytes)
    }

    /// The reply area of `slot` from `at` to `end`; less when the area is shorter.
    pub(crate) fn reply(&self, slot: usize, at: usize, end: usize) -> SharedBytes<'_> {
        self.area(SLOTS + slot).range(at, end)
    }

    /// Gives back the memory that the argument area of `slot` has taken beyond what usual chunks use.
    pub(crate) fn narrow_arguments(&self, slot: usize) {
        self.narrow(slot);
    }

    /// The same of the reply area.
    pub(crate) fn narrow_reply(&self, slot: usize) {
        self.narrow(SLOTS + slot);
    }

    fn narrow(&self, area: usize) {
        self.0.release(start_of(area) + USUAL_AREA, LANE_AREA - USUAL_AREA);
    }

    /// An area: the argument areas come first, then the reply areas.
    #[inline]
    fn area(&self, area: usize) -> SharedBytes<'_> {
        let start = start_of(area);
        self.0.bytes().range(start, start + LANE_AREA)
    }
}

#[inline]
fn start_of(area: usize) -> usize {
    HEAD + area * LANE_AREA
}

#[inline]
fn write(area: SharedBytes<'_>, at: usize, bytes: &[u8]) -> bool {
    let place = area.range(at, at.saturating_add(bytes.len()));
    let fits = place.len() == bytes.len();
    if fits {
        place.copy_from(bytes);
    }
    fits
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
        // SAFETY: the mapping is page-aligned, longer than the words, and lives as long as `self`; the words are atomic, and any
        // bits are a value.
        unsafe { &*self.0.as_ptr().cast::<BellWords>() }
    }
}
/// The slot of a parcel.
pub(super) fn slot_of(number: u64) -> usize {
    // The remainder is smaller than the number of slots.
    (number % SLOTS as u64) as usize
}
