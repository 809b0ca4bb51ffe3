//! A parcel: some items of one function on their way to a worker.
//!
//! ```text
//! parcel   function u64 | flags u32 | count u32 | width u64 | name length u32 | handles u32 | merge u64, where MERGED
//!          | item length u64 × count, where width is UNEVEN | handle id u64 × handles | name, padded to 8 | items
//! ```
//!
//! `function` 0: the items are values already, to be merged. `merge`: the reply is one entry, what it made of the values of
//! all items; without it, each item has a result of its own. `width` is the length of each item, where all have the same.
//! Of items that are consecutive numbers only the first is there. A call of four numbers, or of a shared handle, takes one
//! line of the processor's cache: another one costs its way between two cores.

use super::consecutive;
use super::ends::ItemEnds;
use crate::tuning::LANE_AREA;

/// The worker notes when it starts an item, because the item has a timeout.
pub(crate) const TIMED: u32 = 1;
/// The values are not wanted.
pub(crate) const DISCARD: u32 = 2;
/// The items are consecutive numbers.
pub(crate) const CONSECUTIVE: u32 = 4;
/// The values become one.
const MERGED: u32 = 8;
/// The values inside of `Ok` are merged, and an `Err` ends it.
pub(crate) const FALLIBLE: u32 = 16;

/// The `width` of items of different lengths.
const UNEVEN: u64 = u64::MAX;
/// What an item costs at most beside its bytes.
pub(crate) const PER_ITEM: usize = 8;

/// A parcel's fields, for writing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel<'a> {
    pub(crate) function: u64,
    pub(crate) merge: u64,
    pub(crate) flags: u32,
    pub(crate) name: Option<&'a str>,
    /// The numbers of the handles that the items name by their places.
    pub(crate) handles: &'a [u64],
    /// Where in the items each one ends.
    pub(crate) ends: &'a ItemEnds,
}

impl Parcel<'_> {
    /// Appends all but the items, which come right behind it, to `bytes`.
    pub(crate) fn write_head(&self, bytes: &mut Vec<u8>) {
        let name = self.name.unwrap_or_default();
        let width = self.ends.width();
        let (name_len, handles) = (length(name.len()), length(self.handles.len()));
        let flags = self.flags | if self.merge == 0 { 0 } else { MERGED };
        bytes.extend_from_slice(&self.function.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&length(self.ends.len()).to_le_bytes());
        bytes.extend_from_slice(&width.map_or(UNEVEN, |width| width as u64).to_le_bytes());
        bytes.extend_from_slice(&name_len.to_le_bytes());
        bytes.extend_from_slice(&handles.to_le_bytes());
        if self.merge != 0 {
            bytes.extend_from_slice(&self.merge.to_le_bytes());
        }
        if width.is_none() {
            bytes.reserve(self.ends.len() * PER_ITEM);
            for range in self.ends.ranges() {
                bytes.extend_from_slice(&(range.len() as u64).to_le_bytes());
            }
        }
        for id in self.handles {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
}

/// A parcel as its worker reads it.
#[derive(Debug)]
pub(crate) struct ParcelReader<'a> {
    pub(crate) function: u64,
    pub(crate) merge: u64,
    pub(crate) flags: u32,
    pub(crate) name: Option<&'a str>,
    handles: &'a [u8],
    items: Items<'a>,
}

impl<'a> ParcelReader<'a> {
    /// Reads a parcel; `None` when the bytes are not one.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (function, rest) = u64_at(bytes)?;
        let (flags, rest) = u32_at(rest)?;
        let (count, rest) = u32_at(rest)?;
        let (width, rest) = u64_at(rest)?;
        let (name, rest) = u32_at(rest)?;
        let (handles, rest) = u32_at(rest)?;
        let (merge, rest) = if flags & MERGED == 0 { (0, rest) } else { u64_at(rest)? };
        let left = usize::try_from(count).ok()?;
        let table = if width == UNEVEN { left.checked_mul(8)? } else { 0 };
        let (lengths, rest) = rest.split_at_checked(table)?;
        let (handles, rest) = rest.split_at_checked(usize::try_from(handles).ok()?.checked_mul(8)?)?;
        let name_len = usize::try_from(name).ok()?;
        let (name, bytes) = rest.split_at_checked(name_len.checked_next_multiple_of(8)?)?;
        let name = std::str::from_utf8(&name[..name_len]).ok()?;
        let width = if width == UNEVEN { None } else { Some(usize::try_from(width).ok()?) };
        let items = Items { width, lengths, bytes, left };
        Some(Self { function, merge, flags: flags & !MERGED, name: (!name.is_empty()).then_some(name), handles, items })
    }

    pub(crate) fn count(&self) -> usize {
        self.items.len()
    }

    /// The numbers of the handles, by their places.
    pub(crate) fn handles(&self) -> impl Iterator<Item = u64> {
        self.handles.chunks_exact(8).filter_map(|bytes| u64_at(bytes).map(|(id, _)| id))
    }

    /// Writes consecutive numbers out, so that each item is there; `None` where they are none, or so many as no parcel has.
    pub(crate) fn write_out(&mut self, numbers: &'a mut Vec<u8>) -> Option<()> {
        if self.flags & CONSECUTIVE == 0 {
            return Some(());
        }
        let Items { width, bytes, left, .. } = &mut self.items;
        let all = width.and_then(|width| width.checked_mul(*left)).filter(|len| *len <= LANE_AREA)?;
        // Never shortened: bytes that it already has need not be cleared again.
        numbers.resize(numbers.len().max(all), 0);
        let first = std::mem::take(bytes);
        let written = first.len().checked_mul(*left) == Some(all) && consecutive::write(first, 0, &mut numbers[..all]);
        *bytes = &numbers[..all];
        written.then_some(())
    }

    /// The items in order; ends early where the lengths claim more than there is.
    pub(crate) fn items(&self) -> Items<'a> {
        self.items.clone()
    }
}

/// Items that stand one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    /// The length of each; `None`: they are in `lengths`.
    width: Option<usize>,
    lengths: &'a [u8],
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Items<'a> {
    /// The only item.
    pub(crate) fn one(item: &'a [u8]) -> Self {
        Self { width: Some(item.len()), lengths: &[], bytes: item, left: 1 }
    }

    /// The same items, where all have the same length, of one byte at least.
    pub(crate) fn even(&self) -> Option<std::slice::ChunksExact<'a, u8>> {
        let width = self.width.filter(|width| *width > 0)?;
        let all = self.bytes.get(..width.checked_mul(self.left)?)?;
        Some(all.chunks_exact(width))
    }

    /// Passes over so many items.
    pub(crate) fn skip_items(&mut self, items: usize) {
        match self.width {
            Some(width) => {
                let items = items.min(self.left);
                self.bytes = self.bytes.get(items.saturating_mul(width)..).unwrap_or_default();
                self.left -= items;
            }
            None => self.by_ref().take(items).for_each(|_| ()),
        }
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let len = match self.width {
            Some(width) => width,
            None => {
                let (len, rest) = u64_at(self.lengths)?;
                self.lengths = rest;
                usize::try_from(len).ok()?
            }
        };
        let (item, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(item)
    }
}

/// The word at the front of `bytes`, and what follows it.
pub(super) fn u64_at(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*head), rest))
}

/// A length as it is written; nothing in a parcel has more than 4 GiB, but for its items.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn u32_at(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(lengths: &[usize]) -> ItemEnds {
        let mut ends = ItemEnds::default();
        lengths.iter().for_each(|len| ends.push(ends.last() + len));
        ends
    }

    #[test]
    fn a_parcel_is_read_as_it_was_written() {
        for (lengths, items) in [(&[3, 0, 5][..], &b"onethree"[..]), (&[4, 4], b"fourfour"), (&[0, 0, 0], b"")] {
            let ends = ends(lengths);
            let parcel =
                Parcel { function: 7, merge: 9, flags: TIMED, name: Some("näme"), handles: &[4, 5], ends: &ends };
            let mut bytes = Vec::new();
            parcel.write_head(&mut bytes);
            assert_eq!(bytes.len() % 8, 0);
            bytes.extend_from_slice(items);
            let opened = ParcelReader::read(&bytes).unwrap();
            assert_eq!((opened.function, opened.merge, opened.flags, opened.name), (7, 9, TIMED, Some("näme")));
            assert_eq!(opened.handles().collect::<Vec<_>>(), [4, 5]);
            assert_eq!(opened.count(), lengths.len());
            assert_eq!(opened.items().map(<[u8]>::len).collect::<Vec<_>>(), lengths);
            assert_eq!(opened.items().collect::<Vec<_>>().concat(), items);
        }
    }

    #[test]
    fn rubbish_is_not_a_parcel_and_never_reads_past_its_end() {
        for lengths in [&[1, 2][..], &[3]] {
            let mut bytes = Vec::new();
            let ends = ends(lengths);
            Parcel { function: 1, merge: 0, flags: 0, name: None, handles: &[], ends: &ends }.write_head(&mut bytes);
            bytes.extend_from_slice(b"abc");
            for cut in 0..bytes.len() {
                if let Some(opened) = ParcelReader::read(&bytes[..cut]) {
                    assert!(opened.items().count() < lengths.len(), "cut at {cut}");
                }
            }
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] = 0xff;
                if let Some(opened) = ParcelReader::read(&changed) {
                    let nothing_in_each = opened.items().next().is_none_or(<[u8]>::is_empty);
                    assert!(nothing_in_each || opened.items().map(<[u8]>::len).sum::<usize>() <= bytes.len());
                }
            }
        }
    }
}
