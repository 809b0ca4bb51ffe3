//! A parcel: some items of one function on their way to a worker, and their results on the way back.
//!
//! ```text
//! parcel   function u64 | merge u64 | flags u32 | count u32 | name length u64 | handles u64
//!          | item length u64 × count | handle id u64 × handles | name | items
//! reply    (tag u8, length u56 | bytes, padded to 8) × items done
//! ```
//!
//! `function` 0: the items are values already, to be merged. `merge` 0: each item has a result of its own; otherwise the
//! reply is one entry, what the values of all items became.

use super::call::CallFailure;
use super::codec::{self, CodecError};

/// The worker notes when it starts an item, because the item has a timeout.
pub(crate) const TIMED: u32 = 1;
/// Nobody wants the values.
pub(crate) const DISCARD: u32 = 2;

const HEADER: usize = 40;
/// What an item costs beside its bytes.
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
    /// The items, one after the other.
    pub(crate) items: &'a [u8],
    /// Where in `items` each one ends.
    pub(crate) ends: &'a [usize],
}

impl Parcel<'_> {
    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        HEADER + (self.ends.len() + self.handles.len()) * PER_ITEM + self.name.map_or(0, str::len) + self.items.len()
    }

    /// Appends it to `bytes`.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let name = self.name.unwrap_or_default();
        let count = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        bytes.reserve(self.size());
        bytes.extend_from_slice(&self.function.to_le_bytes());
        bytes.extend_from_slice(&self.merge.to_le_bytes());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.handles.len() as u64).to_le_bytes());
        let mut start = 0;
        for &end in self.ends {
            bytes.extend_from_slice(&((end - start) as u64).to_le_bytes());
            start = end;
        }
        for id in self.handles {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(self.items);
    }
}

/// A parcel as its worker reads it.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) function: u64,
    pub(crate) merge: u64,
    pub(crate) flags: u32,
    pub(crate) name: Option<&'a str>,
    lengths: &'a [u8],
    handles: &'a [u8],
    items: &'a [u8],
}

impl<'a> Opened<'a> {
    /// Reads a parcel; `None` when the bytes are not one.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (function, rest) = u64_at(bytes)?;
        let (merge, rest) = u64_at(rest)?;
        let (flags, rest) = u32_at(rest)?;
        let (count, rest) = u32_at(rest)?;
        let (name, rest) = u64_at(rest)?;
        let (handles, rest) = u64_at(rest)?;
        let (lengths, rest) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(8)?)?;
        let (handles, rest) = rest.split_at_checked(usize::try_from(handles).ok()?.checked_mul(8)?)?;
        let (name, items) = rest.split_at_checked(usize::try_from(name).ok()?)?;
        let name = std::str::from_utf8(name).ok()?;
        Some(Self { function, merge, flags, name: (!name.is_empty()).then_some(name), lengths, handles, items })
    }

    pub(crate) fn count(&self) -> usize {
        self.lengths.len() / 8
    }

    /// The numbers of the handles, by their places.
    pub(crate) fn handles(&self) -> impl Iterator<Item = u64> {
        self.handles.chunks_exact(8).filter_map(|bytes| u64_at(bytes).map(|(id, _)| id))
    }

    /// The items in order; ends early where the lengths claim more than there is.
    pub(crate) fn items(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut lengths = self.lengths;
        let mut items = self.items;
        std::iter::from_fn(move || {
            let (len, rest) = u64_at(lengths)?;
            let (item, after) = items.split_at_checked(usize::try_from(len).ok()?)?;
            (lengths, items) = (rest, after);
            Some(item)
        })
    }
}

const VALUE: u64 = 0;
const FAILURE: u64 = 1;
const LARGE: u64 = 2;
/// What an entry costs beside its bytes.
const ENTRY: usize = 8;

/// What became of one item.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Value(&'a [u8]),
    Failure(Result<CallFailure, CodecError>),
    /// A value that travels beside the lane.
    Large,
}

/// The size of an entry with `len` bytes.
pub(crate) const fn entry_size(len: usize) -> usize {
    ENTRY + len.next_multiple_of(8)
}

/// Appends the entry of a value.
pub(crate) fn write_value(value: &[u8], reply: &mut Vec<u8>) {
    write_entry(VALUE, value, reply);
}

/// Appends the entry of a failure.
pub(crate) fn write_failure(failure: CallFailure, reply: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    // Nothing in a failure refuses to be encoded; if it ever did, the reader would report the empty entry.
    let _ = codec::encode(&failure.fitting(), &mut bytes);
    write_entry(FAILURE, &bytes, reply);
}

/// Appends the entry of a value that travels beside the lane.
pub(crate) fn write_large(reply: &mut Vec<u8>) {
    write_entry(LARGE, &[], reply);
}

fn write_entry(tag: u64, bytes: &[u8], reply: &mut Vec<u8>) {
    reply.extend_from_slice(&((bytes.len() as u64) << 8 | tag).to_le_bytes());
    reply.extend_from_slice(bytes);
    reply.resize(reply.len().next_multiple_of(8), 0);
}

/// The entries of a reply, in order; ends early where the bytes are not entries.
pub(crate) fn entries(mut reply: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    std::iter::from_fn(move || {
        let (head, rest) = u64_at(reply)?;
        let (tag, len) = (head & 0xff, usize::try_from(head >> 8).ok()?);
        let (padded, after) = rest.split_at_checked(len.checked_next_multiple_of(8)?)?;
        reply = after;
        let bytes = &padded[..len];
        match tag {
            VALUE => Some(Entry::Value(bytes)),
            FAILURE => Some(Entry::Failure(codec::decode_whole(bytes))),
            LARGE => Some(Entry::Large),
            _ => None,
        }
    })
}

fn u64_at(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*head), rest))
}

fn u32_at(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_read_as_it_was_written() {
        let parcel = Parcel {
            function: 7,
            merge: 9,
            flags: TIMED,
            name: Some("näme"),
            handles: &[4, 5],
            items: b"onethree",
            ends: &[3, 3, 8],
        };
        let mut bytes = Vec::new();
        parcel.write(&mut bytes);
        assert_eq!(bytes.len(), parcel.size());
        let opened = Opened::read(&bytes).unwrap();
        assert_eq!((opened.function, opened.merge, opened.flags, opened.name), (7, 9, TIMED, Some("näme")));
        assert_eq!(opened.handles().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(opened.items().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn rubbish_is_not_a_parcel_and_never_reads_past_its_end() {
        let mut bytes = Vec::new();
        Parcel { function: 1, merge: 0, flags: 0, name: None, handles: &[], items: b"abc", ends: &[3] }
            .write(&mut bytes);
        for cut in 0..bytes.len() {
            if let Some(opened) = Opened::read(&bytes[..cut]) {
                assert_eq!(opened.items().count(), 0, "cut at {cut}");
            }
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            if let Some(opened) = Opened::read(&changed) {
                assert!(opened.items().map(<[u8]>::len).sum::<usize>() <= bytes.len());
            }
        }
    }

    #[test]
    fn a_reply_keeps_values_and_failures_apart() {
        let mut reply = Vec::new();
        write_value(b"12345", &mut reply);
        write_failure(CallFailure::UnknownFunction { key: 3 }, &mut reply);
        write_large(&mut reply);
        let mut read = entries(&reply);
        assert!(matches!(read.next(), Some(Entry::Value(b"12345"))));
        assert!(matches!(read.next(), Some(Entry::Failure(Ok(CallFailure::UnknownFunction { key: 3 })))));
        assert!(matches!(read.next(), Some(Entry::Large)));
        assert!(read.next().is_none());
    }
}
