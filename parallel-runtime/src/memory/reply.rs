//! Writing the reply to a parcel, item by item, into the memory that worker and parent share.
//!
//! ```text
//! reply    parcel's number u64 | entry …
//! entry    tag u8, length u56 | bytes, padded to 8            a value, a failure, or the place of a large value
//!          ROW u8, width u56 | count u64 | values, padded to 8
//! ```
//!
//! A row holds values of one width, one behind the other. Its count is written when something else follows it; 0 stands
//! for all that are done.
//!
//! Each item is published in two steps, `started` before the function sees it and `done` after its entry is written, so
//! that a death shows which item it died of, and the entries before it are whole.

use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::compiler_fence;

use bytemuck::NoUninit;

use super::layout::{LaneMemory, Slot};
use crate::config::LANE_AREA;
use crate::sys::wait;

/// What an entry is.
pub(crate) mod tag {
    pub(crate) const VALUE: u64 = 0;
    pub(crate) const FAILURE: u64 = 1;
    /// A value that travels beside the lane.
    pub(crate) const LARGE: u64 = 2;
    pub(crate) const ROW: u64 = 3;
}

/// A reply starts with the number of the parcel it replies to, so that an old one is never taken for it.
pub(crate) const REPLY_HEAD: usize = 8;
/// What an entry costs beside its bytes.
const ENTRY_HEAD: usize = 8;
/// What a row costs beside its values.
pub(crate) const ROW_HEAD: usize = 16;
/// How far ahead of what is written the processor is told of it, in bytes. The parent has read the lines of the area when it
/// was used last; to take one back takes as long as ten short items.
const AHEAD: usize = 512;
/// The widest value of a row.
const WIDEST: usize = 16;
/// What an item needs at most that does not travel beside the lane for its size: it is not started where there is less.
const ONE_MORE: usize = ROW_HEAD + WIDEST + ENTRY_HEAD;
/// The longest entry that fits an empty reply area, in bytes.
pub(crate) const LONGEST_ENTRY: usize = LANE_AREA - REPLY_HEAD - ENTRY_HEAD;

/// So many values of this width, in bytes, fit one reply.
pub(crate) fn room_for(width: usize) -> usize {
    let before_last = LANE_AREA - REPLY_HEAD - ROW_HEAD - ONE_MORE;
    before_last.checked_div(width).map_or(usize::MAX, |values| values + 1)
}

/// The reply to one parcel, in the making.
#[derive(Debug)]
pub(crate) struct ReplyWriter<'a> {
    memory: &'a LaneMemory,
    slot: usize,
    words: &'a Slot,
    /// The start of each item is noted.
    timed: bool,
    done: u32,
    /// Where the next entry or value goes.
    at: usize,
    /// Where the row starts that is open, and how many items were done before it.
    row: Option<(usize, u32)>,
}

impl<'a> ReplyWriter<'a> {
    /// Starts the reply to parcel `number`, which is in `slot`.
    pub(crate) fn new(memory: &'a LaneMemory, slot: usize, number: u64, timed: bool) -> Self {
        memory.write_reply(slot, 0, &number.to_le_bytes());
        Self { memory, slot, words: memory.slot(slot), timed, done: 0, at: REPLY_HEAD, row: None }
    }

    /// How many items are done.
    pub(crate) fn done(&self) -> u32 {
        self.done
    }

    /// Says that the next item is being worked on; false when there is no room for its reply, or nobody wants it.
    #[inline]
    pub(crate) fn begin(&mut self) -> bool {
        if self.at + ONE_MORE > LANE_AREA {
            return false;
        }
        let Slot { order, progress } = self.words;
        if self.timed {
            progress.started_at.store(wait::monotonic_nanos(), Release);
        }
        progress.started.store(self.done + 1, Release);
        // The parent lowers the limit, makes all cores pass a barrier, and then looks what was started.
        compiler_fence(SeqCst);
        if self.done >= order.limit.load(Relaxed) {
            // It is not worked on after all.
            progress.started.store(self.done, Release);
            return false;
        }
        true
    }

    /// Ends the item that was begun with a value for the row: values of the same width, at most 16 bytes.
    #[inline(always)]
    pub(crate) fn push_to_row<T: NoUninit>(&mut self, value: T) {
        const { assert!(size_of::<T>() <= WIDEST) };
        if self.row.is_none() {
            self.at = open_row(self.memory, self.slot, self.at, size_of::<T>());
            self.row = Some((self.at - ROW_HEAD, self.done));
        }
        self.memory.expect_reply(self.slot, self.at + AHEAD);
        // There is room: an item is not begun where there is none.
        self.memory.write_reply(self.slot, self.at, bytemuck::bytes_of(&value));
        self.at += size_of::<T>();
        self.publish();
    }

    /// Ends the item that was begun with a value that nobody wants.
    pub(crate) fn push_nothing(&mut self) {
        self.push_to_row([0_u8; 0]);
    }

    /// Ends the item that was begun with an entry; false, and nothing is said, when it does not fit.
    pub(crate) fn push_entry(&mut self, tag: u64, bytes: &[u8]) -> bool {
        let at = self.at.next_multiple_of(8);
        let end = at + ENTRY_HEAD + bytes.len().next_multiple_of(8);
        if end > LANE_AREA {
            return false;
        }
        if let Some((row, before)) = self.row.take() {
            write_word(self.memory, self.slot, row + ENTRY_HEAD, u64::from(self.done - before));
        }
        if tag == tag::LARGE {
            self.words.progress.beside.store(1, Relaxed);
        }
        write_word(self.memory, self.slot, at, (bytes.len() as u64) << 8 | tag);
        self.memory.write_reply(self.slot, at + ENTRY_HEAD, bytes);
        self.at = end;
        self.publish();
        true
    }

    /// Says that the first items are done, and began with the last of them.
    pub(crate) fn finish_all(&mut self, count: u32) {
        self.done = count;
        self.words.progress.done.store(count, Release);
    }

    #[inline]
    fn publish(&mut self) {
        self.done += 1;
        let progress = &self.words.progress;
        progress.reply.store(self.at as u64, Release);
        progress.done.store(self.done, Release);
    }
}

/// Writes the head of a row at `at`; returns where its first value goes. Apart from the writer, which so is never asked for
/// its address, and is registers in a loop over items.
#[cold]
fn open_row(memory: &LaneMemory, slot: usize, at: usize, width: usize) -> usize {
    write_word(memory, slot, at, (width as u64) << 8 | tag::ROW);
    write_word(memory, slot, at + ENTRY_HEAD, 0);
    at + ROW_HEAD
}

fn write_word(memory: &LaneMemory, slot: usize, at: usize, word: u64) {
    memory.write_reply(slot, at, &word.to_le_bytes());
}
