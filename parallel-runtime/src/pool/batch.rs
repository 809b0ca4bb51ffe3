//! A batch: items of one function on their way through a pool, and where their outcomes go.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::values::Values;
use crate::error::Error;
use crate::job::Callback;
use crate::lane::Progress;
use crate::memory::layout::SharedBytes;
use crate::registry::Entry;
use crate::wire::consecutive;
use crate::wire::ends::Ends;
use crate::wire::handles::{Handle, Handles};
use crate::wire::parcel::{self, Parcel};
use crate::wire::payload::Payload;

/// What a caller asked for, shared by all batches of one call, and by all calls that ask for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Terms {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) name: Option<Cow<'static, str>>,
    /// Nobody wants the values.
    pub(crate) discard: bool,
    /// The items are those of a map, so that errors name their index.
    pub(crate) indexed: bool,
    /// How many items run together was chosen by the caller, and stays.
    pub(crate) fixed: bool,
    /// Of a reduction: the function returns `Result`s, and what is merged are the values in them.
    pub(crate) fallible: bool,
}

/// Where outcomes go. Called under the pool's lock: it must not wait, call users' code, or call the pool.
pub(crate) trait Sink: Send + Sync {
    /// Whether anybody still waits for outcomes; if not, what has not started is dropped.
    fn is_wanted(&self) -> bool;
    /// Whether somebody is to be called when outcomes arrive, who does not wait here.
    fn is_watched(&self) -> bool {
        false
    }
    /// Whether it is one call, which may travel with others; what is left of a group is none.
    fn is_call(&self) -> bool {
        false
    }
    /// The index of a call among those whose outcomes come here.
    fn find(&self, call: *const ()) -> Option<usize> {
        std::ptr::addr_eq(self, call).then_some(0)
    }
    /// The values of consecutive items, the first of which has this index. A merged batch has one value for all.
    fn values(&self, first: usize, values: Values) -> Vec<Callback>;
    /// The value of one call.
    fn value(&self, value: Payload) -> Vec<Callback> {
        let mut values = Values::default();
        values.push(value.bytes.into(), value.handles, 1);
        self.values(0, values)
    }
    /// The values of consecutive items, the first of which has this index, of `width` bytes each; false, and nothing is
    /// done, where they are wanted in another form.
    fn row(&self, first: usize, width: usize, values: SharedBytes<'_>) -> bool {
        let _ = (first, width, values);
        false
    }
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
    /// What the items name by its place; each part of a divided batch has all of it.
    pub(crate) handles: Handles,
    /// Where in `bytes` each item ends.
    pub(crate) ends: Ends,
    /// The items are consecutive numbers, and only the first of them is in `bytes`.
    pub(crate) consecutive: bool,
    /// The items are so short that they only compute: more processes than keep the cores busy gain nothing.
    pub(crate) brief: bool,
    /// The items are submitted calls, each for itself.
    pub(crate) calls: bool,
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

    /// How much of a worker's budget it takes: one for each task; values to be merged are one together.
    pub(crate) fn cost(&self) -> usize {
        if self.entry.is_some() { self.len() } else { 1 }
    }

    /// Whether its end must be noticed although nobody waits for it here: somebody is to be called, or it keeps the ends
    /// of channels open.
    pub(crate) fn is_watched(&self) -> bool {
        self.sink.is_watched() || self.handles.iter().any(|handle| matches!(handle, Handle::Descriptor(_)))
    }

    /// Whether it waits for a worker that has nothing else: what would lie ready for a busy one with it, unread, stays open
    /// until that reads on, even if the batch is taken back.
    pub(crate) fn is_sent_last(&self) -> bool {
        self.handles.iter().any(Handle::is_sent_anew)
    }

    /// Whether its items may be run in several processes.
    pub(crate) fn is_divisible(&self) -> bool {
        self.merge.is_none() && !self.terms.fixed
    }

    /// The function that errors name.
    pub(crate) fn function(&self) -> &'static str {
        self.entry.or(self.merge).map_or("", Entry::name)
    }

    /// The batch for the wire; its handles have these numbers.
    pub(crate) fn parcel<'a>(&'a self, handles: &'a [u64]) -> Parcel<'a> {
        let timed = if self.terms.timeout.is_some() { parcel::TIMED } else { 0 };
        let discard = if self.terms.discard { parcel::DISCARD } else { 0 };
        let consecutive = if self.consecutive { parcel::CONSECUTIVE } else { 0 };
        let fallible = if self.terms.fallible { parcel::FALLIBLE } else { 0 };
        Parcel {
            function: self.entry.map_or(0, Entry::hash),
            merge: self.merge.map_or(0, Entry::hash),
            flags: timed | discard | consecutive | fallible,
            name: self.terms.name.as_deref(),
            handles,
            ends: &self.ends,
        }
    }

    /// Cuts the batch in two: its first `at` items, and the rest, which starts anew.
    pub(crate) fn split(mut self, at: usize) -> (Self, Self) {
        let at = at.min(self.len());
        let bytes = match self.consecutive {
            true => consecutive::later(&self.bytes, at),
            false => self.bytes.split_off(self.ends.before(at)),
        };
        let rest = Self {
            entry: self.entry,
            merge: self.merge,
            bytes,
            handles: self.handles.clone(),
            ends: self.ends.split_off(at),
            consecutive: self.consecutive,
            brief: self.brief,
            calls: self.calls,
            first: self.first + at,
            attempts: if at == 0 { self.attempts } else { 0 },
            deaths: if at == 0 { self.deaths } else { 0 },
            terms: Arc::clone(&self.terms),
            sink: Arc::clone(&self.sink),
        };
        (self, rest)
    }

    /// The function that a merged parcel was in, and the item if it was the mapped one.
    pub(crate) fn culprit(&self, progress: &Progress) -> (&'static str, Option<usize>) {
        if progress.started > self.len() || self.entry.is_none() {
            (self.merge.map_or("", Entry::name), None)
        } else {
            (self.function(), Some(progress.started.saturating_sub(1)))
        }
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
            handles: Handles::new(),
            ends: [2, 5, 6].into_iter().fold(Ends::default(), |mut ends, end| {
                ends.push(end);
                ends
            }),
            consecutive: false,
            brief: false,
            calls: false,
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
            assert_eq!(tail.ends.last(), [6, 4, 1, 0][at]);
            // What was held against its first item is held against it still.
            assert_eq!((tail.attempts, tail.deaths), if at == 0 { (2, 1) } else { (0, 0) });
        }
    }
}
