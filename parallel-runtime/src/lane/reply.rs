//! Writing the reply to a parcel, item by item, into the memory that worker and parent share, and reading it there.
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
//! Each item is published, by a [`Step`], before the function sees it and after its entry is written, so that a death shows
//! which item it died of, and the entries before it are whole. In a row, that one is done is published with the start of the
//! next.

use std::sync::atomic::Ordering::{Relaxed, Release};

use bytemuck::NoUninit;

use super::memory::{LaneMemory, Slot};
use super::step::{Phase, Step};
use crate::sys::bytes::SharedBytes;
use crate::sys::wait;
use crate::tuning::LANE_AREA;

/// What an entry is.
pub(crate) mod tag {
    pub(crate) const VALUE: u64 = 0;
    pub(crate) const FAILURE: u64 = 1;
    /// A value that travels beside the lane.
    pub(crate) const LARGE: u64 = 2;
    pub(crate) const ROW: u64 = 3;
}

/// A reply starts with the number of its parcel, so that an older reply in the slot is never taken for it.
pub(crate) const REPLY_HEAD: usize = 8;
/// What an entry costs beside its bytes.
const ENTRY_HEAD: usize = 8;
/// What a row costs beside its values.
pub(crate) const ROW_HEAD: usize = 16;
/// The widest value of a row.
const WIDEST: usize = 16;
/// What the reply to an item needs at most, unless it travels beside the lane for its size: no item starts where there is
/// less room.
const ONE_MORE: usize = ROW_HEAD + WIDEST + ENTRY_HEAD;
/// The longest entry that fits an empty reply area, in bytes.
pub(crate) const LONGEST_ENTRY: usize = LANE_AREA - REPLY_HEAD - ENTRY_HEAD;

/// The reply to one parcel, in the making.
#[derive(Debug)]
pub(crate) struct ReplyWriter<'a> {
    memory: &'a LaneMemory,
    slot: usize,
    words: &'a Slot,
    /// The start of each item is noted.
    timed: bool,
    /// The reply is one entry for all items. The number counts the items and merges that were started.
    merged: Option<u32>,
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
        Self { memory, slot, words: memory.slot(slot), timed, merged: None, done: 0, at: REPLY_HEAD, row: None }
    }

    /// Makes it a reply of one entry for all items: the outcome of the item or merge that was started last. `started`: how
    /// many were.
    pub(crate) fn for_all(self, started: u32) -> Self {
        Self { merged: Some(started), ..self }
    }

    /// Whether the start of each item is noted.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// How many items are done.
    pub(crate) fn done(&self) -> u32 {
        self.done
    }

    /// Publishes that the next item runs; false when there is no room for its reply, or the limit excludes it.
    #[inline]
    pub(crate) fn begin(&self) -> bool {
        self.at + ONE_MORE <= LANE_AREA
            && begin(self.words, self.timed, Step::new(Phase::Running, self.done + 1, self.at), self.done)
    }

    /// Starts a row of values of this width, in bytes, or goes on with it, for at most so many items.
    pub(crate) fn row(self, width: usize, items: usize) -> RowWriter<'a> {
        let Self { memory, slot, words, done, at, row: open, .. } = self;
        let fits = at + ONE_MORE <= LANE_AREA;
        let at = if fits && open.is_none() { open_row(memory, slot, at, width) } else { at };
        let before_last = LANE_AREA.saturating_sub(at + ONE_MORE);
        let room = before_last.checked_div(width).map_or(items, |values| values + 1);
        let most = if fits { u32::try_from(items.min(room)).unwrap_or(u32::MAX - done) } else { 0 };
        RowWriter {
            words,
            values: memory.reply(slot, at, at + most as usize * width),
            width,
            start: at,
            most,
            first: Step::new(Phase::Running, done + 1, at),
            writer: self,
        }
    }

    /// Ends the item that was begun, with an entry; false, and nothing is published, when the entry does not fit.
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
        self.done += 1;
        let (started, phase) = self.merged.map_or((self.done, Phase::Between), |started| (started, Phase::Merged));
        self.words.progress.step.publish(Step::new(phase, started, end));
        true
    }
}

/// Publishes that the item behind the first `done` runs; false when the limit excludes it.
#[inline(always)]
fn begin(Slot { order, progress }: &Slot, timed: bool, step: Step, done: u32) -> bool {
    if timed {
        progress.started_at.store(wait::monotonic_nanos(), Release);
    }
    progress.step.publish(step);
    if !order.limit.allows(done) {
        progress.step.publish(step.before());
        return false;
    }
    true
}

/// A row in the making. It does not change from item to item: a loop over short items has only its counter to keep.
#[derive(Debug)]
pub(crate) struct RowWriter<'a> {
    words: &'a Slot,
    /// The place of the values.
    values: SharedBytes<'a>,
    /// The width of a value, in bytes.
    width: usize,
    /// Where the first value goes in the reply area.
    start: usize,
    /// How many items there are, or values that there is room for.
    most: u32,
    /// The step at which its first item is being worked on.
    first: Step,
    writer: ReplyWriter<'a>,
}

impl<'a> RowWriter<'a> {
    /// Publishes that `index` items are done, and the next runs; false when there is none, or no room for its reply, or the
    /// limit excludes it. `timed`: the start of the item is noted.
    #[inline(always)]
    pub(crate) fn begin(&self, index: u32, timed: bool) -> bool {
        let step = self.first.later(index, self.width);
        if index >= self.most {
            self.words.progress.step.publish(step.before());
            return false;
        }
        begin(self.words, timed, step, self.writer.done + index)
    }

    /// Writes the value of item `index`: it has the width of the row, at most 16 bytes. It is published with the begin of the
    /// next, lest an item take two stores.
    #[inline(always)]
    pub(crate) fn write<T: NoUninit>(&self, index: u32, value: T) {
        const { assert!(size_of::<T>() <= WIDEST) };
        self.values.write(index, value);
    }

    /// The same of a value that is bytes already.
    pub(crate) fn write_bytes(&self, index: u32, value: &[u8]) {
        let at = index as usize * self.width;
        self.values.range(at, at + self.width).copy_from(value);
    }

    /// The reply, with the row, as far as it is published; and how many items were begun.
    pub(crate) fn into_reply(self) -> (ReplyWriter<'a>, usize) {
        let Self { words, width, start, most, mut writer, .. } = self;
        let step = words.progress.step.read();
        // A task that overwrites the step harms its own parcel only.
        let begun = u32::try_from(step.started()).unwrap_or(u32::MAX).saturating_sub(writer.done).min(most);
        let done = begun.saturating_sub(u32::from(step.phase() == Phase::Running));
        if done > 0 {
            writer.row = writer.row.or(Some((start - ROW_HEAD, writer.done)));
            writer.at = start + done as usize * width;
            writer.done += done;
        }
        (writer, begun as usize)
    }
}

/// The entries in `slot` that reply to parcel `number`, which has ended. `None`: the words in front of them were
/// overwritten, so they are no reply to that parcel.
pub(crate) fn read(memory: &LaneMemory, slot: usize, number: u64) -> Option<SharedBytes<'_>> {
    let reply = memory.reply(slot, 0, memory.slot(slot).progress.step.read().filled());
    if reply.len() == 0 {
        return Some(reply);
    }
    (reply.read_u64(0) == Some(number)).then(|| reply.range(REPLY_HEAD, usize::MAX))
}

/// The same of a parcel that may be running, or whose worker has died.
pub(crate) fn read_so_far(memory: &LaneMemory, slot: usize, number: u64) -> Option<Vec<u8>> {
    Some(read(memory, slot, number)?.to_vec())
}

/// Writes the head of a row at `at`; returns where its first value goes. Not a method of the writer, which would take its
/// address: so it stays in registers in a loop over items.
#[cold]
fn open_row(memory: &LaneMemory, slot: usize, at: usize, width: usize) -> usize {
    write_word(memory, slot, at, (width as u64) << 8 | tag::ROW);
    write_word(memory, slot, at + ENTRY_HEAD, 0);
    at + ROW_HEAD
}

fn write_word(memory: &LaneMemory, slot: usize, at: usize, word: u64) {
    memory.write_reply(slot, at, &word.to_le_bytes());
}
