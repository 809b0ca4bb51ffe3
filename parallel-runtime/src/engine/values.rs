//! The values of consecutive items, on their way from a reply to the caller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::lane::reply::ROW_HEAD;
use crate::wire::ends::ItemEnds;
use crate::wire::handles::{Handle, Handles};
use crate::wire::payload::Payload;
use crate::wire::reply;

/// The values of consecutive items.
#[derive(Debug, Default)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    /// The bytes are a reply that has so many values and nothing else; then there are no ends.
    reply: Option<usize>,
    /// Where in `bytes` the first value starts.
    start: usize,
    /// Where behind that each value ends.
    ends: ItemEnds,
    /// The handles that some values name, by the values' places.
    handles: BTreeMap<usize, Handles>,
    /// How many items they stand for: one each, or a merged value for all.
    items: usize,
}

/// Which of some values is the next, where they are taken one by one.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    at: usize,
    /// Where in the bytes of a reply it starts.
    offset: usize,
}

impl Cursor {
    pub(crate) fn is_before_end(&self, values: &Values) -> bool {
        self.at < values.len()
    }
}

impl Values {
    /// The values of a reply that is one row.
    pub(crate) fn of_row(reply: Vec<u8>, width: usize, count: usize) -> Self {
        Self { bytes: reply, start: ROW_HEAD, ends: ItemEnds::even(width, count), items: count, ..Self::default() }
    }

    /// The values of a reply to `count` items that consists of them; otherwise the reply itself.
    pub(crate) fn of_reply(reply: Vec<u8>, count: usize) -> Result<Self, Vec<u8>> {
        if reply::values(&reply, count).count() < count {
            return Err(reply);
        }
        Ok(Self { bytes: reply, reply: Some(count), items: count, ..Self::default() })
    }

    /// Adds the value of so many items, with its handles.
    pub(crate) fn push(&mut self, value: Cow<'_, [u8]>, handles: Handles, items: usize) {
        let at = self.len();
        if !handles.is_empty() {
            self.handles.insert(at, handles);
        }
        self.join();
        match value {
            // A large one, perhaps, and perhaps the only one.
            Cow::Owned(value) if self.bytes.is_empty() => self.bytes = value,
            value => self.bytes.extend_from_slice(&value),
        }
        self.ends.push(self.bytes.len() - self.start);
        self.items += items;
    }

    /// Adds the values of so many items, one behind the other.
    pub(crate) fn push_row(&mut self, values: &[u8], width: usize, count: usize) {
        self.join();
        let before = self.bytes.len() - self.start;
        self.bytes.extend_from_slice(values);
        for item in 1..=count {
            self.ends.push(before + item * width);
        }
        self.items += count;
    }

    /// Puts them one behind the other, so that others can follow.
    fn join(&mut self) {
        let Some(count) = self.reply.take() else { return };
        let reply = std::mem::take(&mut self.bytes);
        for value in reply::values(&reply, count) {
            self.bytes.extend_from_slice(value);
            self.ends.push(self.bytes.len());
        }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.reply.unwrap_or(self.ends.len())
    }

    /// For how many items.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    /// The values in order, with their handles.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[Handle])> {
        let joined = self.ends.ranges().map(|range| &self.bytes[self.start..][range]);
        let reply = self.reply.map(|count| reply::values(&self.bytes, count));
        joined.chain(reply.into_iter().flatten()).enumerate().map(|(at, value)| {
            let handles = if self.handles.is_empty() { None } else { self.handles.get(&at) };
            (value, handles.map_or(&[][..], Handles::as_slice))
        })
    }

    /// The value at the cursor, with its handles; `None` behind the last. The value before it was the one asked for before.
    #[inline]
    pub(crate) fn at(&self, cursor: &mut Cursor) -> Option<(&[u8], &[Handle])> {
        let at = cursor.at;
        let value = if self.reply.is_some() {
            let mut rest = self.bytes.get(cursor.offset..).filter(|_| at < self.len())?;
            let value = reply::next_value(&mut rest)?;
            cursor.offset = self.bytes.len() - rest.len();
            value
        } else {
            let range = (at < self.ends.len()).then(|| self.ends.range(at))?;
            &self.bytes[self.start..][range]
        };
        cursor.at += 1;
        let handles = if self.handles.is_empty() { None } else { self.handles.get(&at) };
        Some((value, handles.map_or(&[][..], Handles::as_slice)))
    }

    /// How much memory they take: their bytes, and those of large rows beside them.
    pub(crate) fn memory(&self) -> usize {
        let rows = self.handles.values().flatten().map(|handle| match handle {
            Handle::Arrived(arrived) => arrived.bytes().map_or(0, |row| row.len()),
            _ => 0,
        });
        self.bytes.len() + rows.sum::<usize>()
    }

    /// The only value.
    pub(crate) fn into_payload(mut self) -> Payload {
        let handles = self.handles.remove(&0).unwrap_or_default();
        self.join();
        self.bytes.drain(..self.start);
        Payload { bytes: self.bytes, handles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::reply::tag;

    fn bytes(values: &Values) -> Vec<&[u8]> {
        let mut cursor = Cursor::default();
        let one_by_one: Vec<&[u8]> = std::iter::from_fn(|| values.at(&mut cursor)).map(|(value, _)| value).collect();
        assert!(values.iter().map(|(value, _)| value).eq(one_by_one.iter().copied()));
        one_by_one
    }

    /// A reply of entries.
    fn reply(entries: &[(u64, &[u8])]) -> Vec<u8> {
        let mut reply = Vec::new();
        for (tag, value) in entries {
            reply.extend_from_slice(&((value.len() as u64) << 8 | tag).to_le_bytes());
            reply.extend_from_slice(value);
            reply.resize(reply.len().next_multiple_of(8), 0);
        }
        reply
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        let mut values = Values::default();
        for value in [&b"one"[..], b"", b"three"] {
            values.push(value.into(), Handles::new(), 1);
        }
        assert_eq!((values.len(), values.items()), (3, 3));
        assert_eq!(bytes(&values), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn the_values_of_a_reply_stay_where_they_are_until_others_follow() {
        let whole = reply(&[(tag::VALUE, b"one"), (tag::VALUE, b""), (tag::VALUE, b"longer than it")]);
        let mut values = Values::of_reply(whole.clone(), 3).unwrap();
        assert_eq!(bytes(&values), [&b"one"[..], b"", b"longer than it"]);
        values.push(b"four".into(), Handles::new(), 1);
        values.push_row(b"abc", 1, 3);
        assert_eq!(bytes(&values), [&b"one"[..], b"", b"longer than it", b"four", b"a", b"b", b"c"]);
        assert_eq!((values.len(), values.items()), (7, 7));
        assert_eq!(Values::of_reply(whole.clone(), 1).unwrap().into_payload().bytes, b"one");
        // A reply with other entries, or not all there, is given back.
        assert!(Values::of_reply(whole.clone(), 4).is_err());
        assert!(Values::of_reply(whole[..whole.len() - 8].to_vec(), 3).is_err());
        assert!(Values::of_reply(reply(&[(tag::VALUE, b"one"), (tag::LARGE, b"")]), 2).is_err());
    }
}
