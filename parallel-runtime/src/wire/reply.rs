//! The reply to a parcel, as the parent reads it. [`lane::reply`](crate::lane::reply) has its layout, and writes it.

use super::codec::{self, CodecError};
use super::outcome::CallFailure;
use super::parcel::u64_at;
use crate::lane::reply::{ROW_HEAD, tag};
use crate::sys::bytes::SharedBytes;

/// What became of one item, or of several.
#[derive(Debug)]
pub(crate) enum ReplyEntry<'a> {
    Value(&'a [u8]),
    Failure(Result<CallFailure, CodecError>),
    /// A value that travels beside the lane.
    Large,
    /// The values of `count` items, one at least, of `width` bytes each.
    Row {
        width: usize,
        count: usize,
        bytes: &'a [u8],
    },
}

/// The entries of a reply to `done` items, in order.
#[derive(Debug, Clone)]
pub(crate) struct ReplyEntries<'a> {
    reply: &'a [u8],
    /// How many items have no entry yet.
    left: usize,
    /// How many are passed over.
    skip: usize,
}

impl<'a> ReplyEntries<'a> {
    /// The entries of all but the first `skip` items.
    pub(crate) fn of(reply: &'a [u8], done: usize, skip: usize) -> Self {
        Self { reply, left: done, skip }
    }

    /// Reads a row behind its first word.
    fn row(&self, width: usize, rest: &'a [u8]) -> Option<(ReplyEntry<'a>, &'a [u8])> {
        let (count, rest) = u64_at(rest)?;
        let count = match usize::try_from(count).ok()? {
            0 => self.left,
            count => count,
        };
        // The worker may have gone on since it said how many are done.
        let count = count.min(self.left);
        let len = width.checked_mul(count)?;
        let (bytes, after) = rest.split_at_checked(len)?;
        let after = after.get(len.next_multiple_of(8) - len..).unwrap_or_default();
        (count > 0).then_some((ReplyEntry::Row { width, count, bytes }, after))
    }
}

impl<'a> Iterator for ReplyEntries<'a> {
    type Item = ReplyEntry<'a>;

    /// Ends early where the bytes are not entries.
    fn next(&mut self) -> Option<ReplyEntry<'a>> {
        loop {
            let entry = self.read()?;
            let ReplyEntry::Row { width, count, bytes } = entry else {
                if self.skip == 0 {
                    return Some(entry);
                }
                self.skip -= 1;
                continue;
            };
            let skipped = self.skip.min(count);
            self.skip -= skipped;
            if skipped < count {
                return Some(ReplyEntry::Row { width, count: count - skipped, bytes: &bytes[skipped * width..] });
            }
        }
    }
}

impl<'a> ReplyEntries<'a> {
    fn read(&mut self) -> Option<ReplyEntry<'a>> {
        if self.left == 0 {
            return None;
        }
        let (head, rest) = u64_at(self.reply)?;
        let (kind, len) = (head & 0xff, usize::try_from(head >> 8).ok()?);
        let (entry, after) = if kind == tag::ROW {
            self.row(len, rest)?
        } else {
            let (padded, after) = rest.split_at_checked(len.checked_next_multiple_of(8)?)?;
            let bytes = &padded[..len];
            let entry = match kind {
                tag::VALUE => ReplyEntry::Value(bytes),
                tag::FAILURE => ReplyEntry::Failure(codec::decode_whole(bytes)),
                tag::LARGE => ReplyEntry::Large,
                _ => return None,
            };
            (entry, after)
        };
        self.reply = after;
        self.left -= match entry {
            ReplyEntry::Row { count, .. } => count,
            _ => 1,
        };
        Some(entry)
    }
}

/// The values of the first `count` items of a reply; ends early at what is no value.
pub(crate) fn values(reply: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = reply;
    (0..count).map_while(move |_| next_value(&mut rest))
}

/// The value at the front of `rest`, which goes on behind it; `None` where none is there.
#[inline]
pub(crate) fn next_value<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, after) = u64_at(rest)?;
    let len = usize::try_from(head >> 8).ok().filter(|_| head & 0xff == tag::VALUE)?;
    let (padded, after) = after.split_at_checked(len.checked_next_multiple_of(8)?)?;
    *rest = after;
    Some(&padded[..len])
}

/// A reply to `done` items that is one row: the width of its values, and their bytes, without the first `skip`.
pub(crate) fn whole_row(reply: SharedBytes<'_>, done: usize, skip: usize) -> Option<(usize, SharedBytes<'_>)> {
    let head = reply.read_u64(0)?;
    let (kind, width) = (head & 0xff, usize::try_from(head >> 8).ok()?);
    let len = width.checked_mul(done)?;
    let values = reply.range(ROW_HEAD, ROW_HEAD.checked_add(len)?);
    let open = reply.read_u64(8)? == 0;
    (kind == tag::ROW && open && values.len() == len).then(|| (width, values.range(skip * width, len)))
}

/// The bytes of a failure, for an entry.
pub(crate) fn failure_bytes(failure: CallFailure) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Nothing in a failure refuses to be encoded; if it ever did, the reader would report the empty entry.
    let _ = codec::encode(&failure.fitting(), &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use bytemuck::NoUninit;

    use super::*;
    use crate::lane::memory::{LANE, LaneMemory};
    use crate::lane::reply::{ReplyWriter, read, read_so_far};
    use crate::sys::memory::Mapping;
    use crate::testing::PATIENCE;
    use crate::tuning::{LANE_AREA, USUAL_AREA};

    /// A reply, as the worker writes it and the parent copies it; how many items are done, too.
    fn written(write: impl FnOnce(ReplyWriter<'_>) -> ReplyWriter<'_>) -> (Vec<u8>, usize) {
        let memory = LaneMemory::new(Mapping::private(LANE).unwrap());
        memory.slot(0).order.limit.open();
        let writer = write(ReplyWriter::new(&memory, 0, 7, false));
        let step = memory.slot(0).progress.step.read();
        assert_eq!((step.started(), step.done()), (writer.done() as usize, writer.done() as usize));
        (memory.reply(0, 8, step.filled()).to_vec(), step.done())
    }

    /// Adds a row of values.
    fn row<'a, T: NoUninit>(writer: ReplyWriter<'a>, values: &[T]) -> ReplyWriter<'a> {
        let row = writer.row(size_of::<T>(), values.len());
        let mut index = 0;
        while row.begin(index, false) {
            row.write(index, values[index as usize]);
            index += 1;
        }
        let (writer, begun) = row.into_reply();
        assert_eq!(begun, index as usize);
        writer
    }

    #[test]
    fn a_reply_keeps_values_rows_and_failures_apart() {
        let (reply, done) = written(|mut writer| {
            assert!(writer.push_entry(tag::VALUE, b"12345"));
            writer = row(writer, &[1_u8, 2, 3]);
            assert!(writer.push_entry(tag::FAILURE, &failure_bytes(CallFailure::UnknownFunction { key: 3 })));
            // It goes on with the row that is open.
            writer = row(row(writer, &[1_u64]), &[2_u64]);
            assert!(writer.push_entry(tag::LARGE, &[]));
            row(writer, &[(); 4])
        });
        assert_eq!(done, 12);
        let mut read = ReplyEntries::of(&reply, done, 0);
        assert!(matches!(read.next(), Some(ReplyEntry::Value(b"12345"))));
        assert!(matches!(read.next(), Some(ReplyEntry::Row { width: 1, count: 3, bytes: [1, 2, 3] })));
        assert!(matches!(read.next(), Some(ReplyEntry::Failure(Ok(CallFailure::UnknownFunction { key: 3 })))));
        assert!(matches!(
            read.next(),
            Some(ReplyEntry::Row { width: 8, count: 2, bytes: [1, .., 2, 0, 0, 0, 0, 0, 0, 0] })
        ));
        assert!(matches!(read.next(), Some(ReplyEntry::Large)));
        assert!(matches!(read.next(), Some(ReplyEntry::Row { width: 0, count: 4, bytes: [] })));
        assert!(read.next().is_none());
        let items = |entry| if let ReplyEntry::Row { count, .. } = entry { count } else { 1 };
        for skip in 0..=done {
            assert_eq!(ReplyEntries::of(&reply, done, skip).map(items).sum::<usize>(), done - skip);
        }
        // As it is when the worker goes on while the parent reads: of the second row, one of two was done.
        for known in 1..done {
            assert_eq!(ReplyEntries::of(&reply, known, 0).map(items).sum::<usize>(), known);
        }
        let mut read = ReplyEntries::of(&reply, done, 2);
        assert!(matches!(read.next(), Some(ReplyEntry::Row { width: 1, count: 2, bytes: [2, 3] })));
    }

    #[test]
    fn an_item_is_not_begun_where_its_reply_has_no_room() {
        let (reply, done) = written(|writer| {
            let fit = LANE_AREA / size_of::<u128>();
            let mut writer = row(writer, &vec![u128::MAX; 2 * fit]);
            assert!((fit - 4..fit).contains(&(writer.done() as usize)), "{} of {fit}", writer.done());
            assert!(!writer.begin());
            // What is too large goes beside the lane, and says so here.
            assert!(!writer.push_entry(tag::VALUE, &[0; 64]));
            assert!(writer.push_entry(tag::LARGE, &[]));
            writer
        });
        assert!(reply.len() > LANE_AREA - 64);
        assert_eq!(ReplyEntries::of(&reply, done, 0).count(), 2);
    }

    #[test]
    fn a_row_that_is_left_in_an_item_has_those_before_it() {
        let (reply, done) = written(|writer| {
            let left = writer.row(2, 9);
            for index in 0..3 {
                assert!(left.begin(index, false));
                left.write(index, u16::MAX);
            }
            assert!(left.begin(3, true));
            let (mut writer, begun) = left.into_reply();
            assert_eq!((writer.done(), begun), (3, 4));
            assert!(writer.push_entry(tag::FAILURE, &failure_bytes(CallFailure::UnknownFunction { key: 3 })));
            writer
        });
        let mut read = ReplyEntries::of(&reply, done, 0);
        assert!(matches!(read.next(), Some(ReplyEntry::Row { width: 2, count: 3, bytes: [0xff, ..] })));
        assert!(matches!(read.next(), Some(ReplyEntry::Failure(Ok(_)))));
        assert!(read.next().is_none());
    }

    /// How many numbers, from 0 on, a row has.
    const NUMBERS: u64 = 1_000;

    /// The numbers in a reply of one row, behind an entry for `done` of one item.
    fn numbers(reply: &[u8], done: usize) -> Vec<u64> {
        match ReplyEntries::of(reply, done + 1, 1).next() {
            Some(ReplyEntry::Row { width: 8, bytes, .. }) => {
                bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_row_can_be_read_at_each_of_its_items() {
        let memory = LaneMemory::new(Mapping::private(LANE).unwrap());
        let slot = memory.slot(0);
        slot.order.limit.open();
        let mut writer = ReplyWriter::new(&memory, 0, 7, false);
        assert!(writer.push_entry(tag::VALUE, b"before it"));
        let row = writer.row(8, NUMBERS as usize);
        for (index, number) in (0..).zip(0..NUMBERS) {
            assert!(row.begin(index, false));
            let reply = read_so_far(&memory, 0, 7).unwrap();
            assert_eq!(numbers(&reply, slot.progress.step.read().done() - 1), (0..number).collect::<Vec<_>>());
            row.write(index, number);
        }
        assert!(!row.begin(NUMBERS as u32, false));
        let all: Vec<u64> = (0..NUMBERS).collect();
        assert_eq!(numbers(&read_so_far(&memory, 0, 7).unwrap(), all.len()), all);
        let (writer, begun) = row.into_reply();
        assert_eq!((writer.done() as usize, begun), (all.len() + 1, all.len()));
        assert_eq!(numbers(&read(&memory, 0, 7).unwrap().to_vec(), all.len()), all);
    }

    #[test]
    fn a_row_can_be_read_while_it_is_written() {
        let memory = LaneMemory::new(Mapping::private(LANE).unwrap());
        let slot = memory.slot(0);
        slot.order.limit.open();
        let begun = std::time::Instant::now();
        let (mut round, mut met) = (0, 0);
        while met < 1000 {
            assert!(begun.elapsed() < PATIENCE, "it was met at work {met} times in {round} rounds");
            // What the round before has left is not to be taken for what is there.
            let values: Vec<u64> = (round * LANE as u64..).take(USUAL_AREA / 8).collect();
            round += 1;
            slot.progress.step.clear();
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    let row = ReplyWriter::new(&memory, 0, 7, false).row(8, values.len());
                    for (index, value) in (0..).zip(&values) {
                        assert!(row.begin(index, false));
                        row.write(index, *value);
                        // There may be one core only.
                        if index % 4096 == 0 {
                            std::thread::yield_now();
                        }
                    }
                    assert!(!row.begin(values.len() as u32, false));
                    row.into_reply().1
                });
                while !writer.is_finished() {
                    let done = slot.progress.step.read().done();
                    let Some(reply) = read_so_far(&memory, 0, 7) else { continue };
                    if let Some(ReplyEntry::Row { width: 8, count, bytes }) = ReplyEntries::of(&reply, done, 0).next() {
                        let written = bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
                        assert!(written.eq(values[..count].iter().copied()), "{count} of round {round}");
                        met += usize::from(count > 512 && count < values.len());
                    }
                }
            });
        }
    }

    #[test]
    fn rubbish_gives_no_more_items_than_are_done_and_never_reads_past_its_end() {
        let (reply, done) = written(|writer| {
            let mut writer = row(writer, &[1_u32, 2, 3]);
            assert!(writer.push_entry(tag::VALUE, b"12345"));
            writer
        });
        for at in 0..reply.len() {
            for rubbish in [0, 3, 0xff] {
                let mut changed = reply.clone();
                changed[at] = rubbish;
                for cut in 0..=changed.len() {
                    let entries = ReplyEntries::of(&changed[..cut], done, 0).take(100);
                    let items: usize =
                        entries.map(|entry| if let ReplyEntry::Row { count, .. } = entry { count } else { 1 }).sum();
                    assert!(items <= done + reply.len() / 8, "{items}");
                }
            }
        }
    }
}
