//! A batch: items of one function on their way through a pool, and where their outcomes go.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::job::Callback;
use crate::registry::Entry;
use crate::wire::parcel::{self, Parcel};

/// What a caller asked for, shared by all batches of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) name: Option<Cow<'static, str>>,
    /// Nobody wants the values.
    pub(crate) discard: bool,
    /// The items are those of a map, so that errors name their index.
    pub(crate) indexed: bool,
}

/// The values of consecutive items.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` each value ends.
    pub(crate) ends: Vec<usize>,
    /// How many items they stand for: one each, or a merged value for all.
    pub(crate) items: usize,
}

impl Values {
    /// Adds the value of so many items.
    pub(crate) fn push(&mut self, value: &[u8], items: usize) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        self.items += items;
    }

    /// The values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Where outcomes go. Called under the pool's lock: it must not wait, call users' code, or call the pool.
pub(crate) trait Sink: Send + Sync {
    /// Whether anybody still waits for outcomes; if not, what has not started is dropped.
    fn is_wanted(&self) -> bool;
    /// Whether somebody is to be called when outcomes arrive, who does not wait here.
    fn is_watched(&self) -> bool {
        false
    }
    /// The values of consecutive items, the first of which has this index. A merged batch has one value for all.
    fn values(&self, first: usize, values: Values) -> Vec<Callback>;
    /// An item has failed for good.
    fn failed(&self, index: usize, error: Error) -> Vec<Callback>;
    /// So many items took so long in the worker.
    fn timing(&self, items: usize, elapsed: Duration) {
        let _ = (items, elapsed);
    }
}

/// Some items of one function.
pub(crate) struct Batch {
    /// The function; `None`: the items are values, to be merged.
    pub(crate) entry: Option<&'static Entry>,
    pub(crate) merge: Option<&'static Entry>,
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` each item ends.
    pub(crate) ends: Vec<usize>,
    /// The index of the first item.
    pub(crate) first: usize,
    /// How often the first item was started and its process died.
    pub(crate) attempts: u32,
    /// How often a worker died with this batch before it had started anything of it.
    pub(crate) deaths: u32,
    pub(crate) terms: Arc<Terms>,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The function that errors name.
    pub(crate) fn function(&self) -> &'static str {
        self.entry.or(self.merge).map_or("", Entry::name)
    }

    pub(crate) fn parcel(&self) -> Parcel<'_> {
        let timed = if self.terms.timeout.is_some() { parcel::TIMED } else { 0 };
        let discard = if self.terms.discard { parcel::DISCARD } else { 0 };
        Parcel {
            function: self.entry.map_or(0, Entry::hash),
            merge: self.merge.map_or(0, Entry::hash),
            flags: timed | discard,
            name: self.terms.name.as_deref(),
            items: &self.bytes,
            ends: &self.ends,
        }
    }

    /// Cuts the batch in two: its first `at` items, and the rest, which starts anew.
    pub(crate) fn split(mut self, at: usize) -> (Self, Self) {
        let at = at.min(self.len());
        let cut = if at == 0 { 0 } else { self.ends[at - 1] };
        let rest = Self {
            entry: self.entry,
            merge: self.merge,
            bytes: self.bytes.split_off(cut),
            ends: self.ends.split_off(at).iter().map(|end| end - cut).collect(),
            first: self.first + at,
            attempts: if at == 0 { self.attempts } else { 0 },
            deaths: 0,
            terms: Arc::clone(&self.terms),
            sink: Arc::clone(&self.sink),
        };
        (self, rest)
    }

    /// The error of the item at `index`, with what the batch knows of it.
    pub(crate) fn describe(&self, error: Error, index: usize, pid: Option<u32>, attempts: u32) -> Error {
        let mut error = error.in_function(self.function()).after_attempts(attempts);
        if self.terms.indexed {
            error = error.at_index(index);
        }
        match pid {
            Some(pid) => error.in_process(pid),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Sink for Nowhere {
        fn is_wanted(&self) -> bool {
            true
        }
        fn values(&self, _: usize, _: Values) -> Vec<Callback> {
            Vec::new()
        }
        fn failed(&self, _: usize, _: Error) -> Vec<Callback> {
            Vec::new()
        }
    }

    fn batch() -> Batch {
        Batch {
            entry: None,
            merge: None,
            bytes: b"aabbbc".to_vec(),
            ends: vec![2, 5, 6],
            first: 10,
            attempts: 2,
            deaths: 1,
            terms: Arc::default(),
            sink: Arc::new(Nowhere),
        }
    }

    #[test]
    fn a_split_loses_no_item_and_keeps_their_numbers() {
        for at in 0..=3 {
            let (head, tail) = batch().split(at);
            assert_eq!((head.len(), tail.len()), (at, 3 - at));
            assert_eq!((head.first, tail.first), (10, 10 + at));
            assert_eq!([head.bytes, tail.bytes].concat(), b"aabbbc");
            assert_eq!(tail.ends.last().copied().unwrap_or(0), [6, 4, 1, 0][at]);
        }
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        let mut values = Values::default();
        for value in [&b"one"[..], b"", b"three"] {
            values.push(value, 1);
        }
        assert_eq!(values.items, 3);
        assert_eq!(values.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }
}
