//! A batch: items of one function on their way through an engine, and where their outcomes go.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::call_id::{CallId, History, Place};
use super::values::Values;
use super::waiter::Hearers;
use crate::error::Error;
use crate::run::registry::Entry;
use crate::sys::bytes::SharedBytes;
use crate::wire::consecutive;
use crate::wire::ends::ItemEnds;
use crate::wire::handles::Handles;
use crate::wire::parcel::{self, Parcel};
use crate::wire::payload::Payload;

/// What a caller asked for, shared by all batches of one call, and by all calls without options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Terms {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) name: Option<Cow<'static, str>>,
    /// The values are not wanted.
    pub(crate) discard: bool,
    /// The items are those of a map, so that errors name their index.
    pub(crate) indexed: bool,
    /// How many items run together was chosen by the caller, and stays.
    pub(crate) fixed: bool,
    /// Of a reduction: the function returns `Result`s, and what is merged are the values in them.
    pub(crate) fallible: bool,
}

/// Where outcomes go. Called under an engine's lock: it must not wait, call users' code, or call the engine. Those that are to hear
/// of an outcome are added to the hearers.
pub(crate) trait Sink: Send + Sync {
    /// Whether outcomes are still wanted; if not, items that have not started are dropped.
    fn is_wanted(&self) -> bool;
    /// Whether callbacks wait for outcomes, so that they must be noticed although no caller waits.
    fn is_watched(&self) -> bool {
        false
    }
    /// Whether it is one call, which may travel with others; a group of calls is not.
    fn is_call(&self) -> bool {
        false
    }
    /// The values of consecutive items, the first of which has this index. A merged batch has one value for all.
    fn values(&self, first: usize, values: Values, hearers: &mut Hearers);
    /// The value of one call.
    fn value(&self, value: Payload, hearers: &mut Hearers) {
        let mut values = Values::default();
        values.push(value.bytes.into(), value.handles, 1);
        self.values(0, values, hearers);
    }
    /// The values of consecutive items, the first of which has this index, of `width` bytes each; false, and nothing is
    /// done, where they are wanted in another form.
    fn row(&self, first: usize, width: usize, values: SharedBytes<'_>, hearers: &mut Hearers) -> bool {
        let _ = (first, width, values, hearers);
        false
    }
    /// An item has failed for good.
    fn failed(&self, index: usize, error: Error, hearers: &mut Hearers);
    /// A batch with these items waits at this place of its engine's queue now, or no more.
    fn waits(&self, items: Range<usize>, place: Place, is_there: bool) {
        let _ = (items, place, is_there);
    }
    /// Where its batches wait.
    fn places(&self) -> Vec<Place>;
    /// So many items took so long in the worker.
    fn timing(&self, items: usize, elapsed: Duration) {
        let _ = (items, elapsed);
    }
}

/// The calls of a batch, in order; most have one.
pub(crate) type Calls = SmallVec<[CallId; 1]>;

/// Some items of one function.
pub(crate) struct Batch {
    /// The function; `None`: the items are values, to be merged.
    pub(crate) entry: Option<&'static Entry>,
    pub(crate) merge: Option<&'static Entry>,
    pub(crate) bytes: Vec<u8>,
    /// What the items name by its place; each part of a divided batch has all of it.
    pub(crate) handles: Handles,
    /// Where in `bytes` each item ends.
    pub(crate) ends: ItemEnds,
    /// The items are consecutive numbers, and only the first of them is in `bytes`.
    pub(crate) consecutive: bool,
    /// How long an item took before, where that is known.
    pub(crate) pace: Option<Duration>,
    /// The submitted calls that the items are, each for itself; none where they are a map's.
    pub(crate) calls: Calls,
    /// The index of the first item.
    pub(crate) first: usize,
    pub(crate) history: History,
    pub(crate) terms: Arc<Terms>,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// It has one value, merged from all items.
    pub(crate) fn is_merged(&self) -> bool {
        self.merge.is_some()
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

    /// Cuts it in two: its first `at` items, with their history, and the rest.
    pub(crate) fn split(mut self: Box<Self>, at: usize) -> (Box<Self>, Box<Self>) {
        let at = at.min(self.len());
        let bytes = match self.consecutive {
            true => consecutive::later(&self.bytes, at),
            false => self.bytes.split_off(self.ends.before(at)),
        };
        let rest = Box::new(Self {
            entry: self.entry,
            merge: self.merge,
            bytes,
            handles: self.handles.clone(),
            ends: self.ends.split_off(at),
            consecutive: self.consecutive,
            pace: self.pace,
            calls: self.calls.drain(at.min(self.calls.len())..).collect(),
            first: self.first + at,
            history: if at == 0 { self.history } else { History::default() },
            terms: Arc::clone(&self.terms),
            sink: Arc::clone(&self.sink),
        });
        (self, rest)
    }

    /// Makes one of it and other calls of the same function, in this order.
    #[must_use]
    #[allow(clippy::vec_box, reason = "they come as boxes, and to unpack them would move them once more")]
    pub(crate) fn join(mut self: Box<Self>, others: Vec<Box<Self>>) -> Box<Self> {
        if others.is_empty() {
            return self;
        }
        let mut members = Vec::with_capacity(1 + others.len());
        members.push(Arc::clone(&self.sink));
        self.calls.reserve(others.len());
        for call in others {
            self.bytes.extend_from_slice(&call.bytes);
            self.ends.push(self.bytes.len());
            self.calls.extend_from_slice(&call.calls);
            members.push(call.sink);
        }
        self.sink = Arc::new(Group(members));
        self
    }

    /// The function that a merged parcel was in once it had begun so many steps, and the item if it was the mapped one.
    pub(crate) fn culprit(&self, started: usize) -> (&'static str, Option<usize>) {
        if started > self.len() || self.entry.is_none() {
            (self.merge.map_or("", Entry::name), None)
        } else {
            (self.function(), Some(started.saturating_sub(1)))
        }
    }

    /// The items, one by one; `numbers` is for those that do not travel, because the first of them tells the others.
    pub(crate) fn items<'a>(&'a self, numbers: &'a mut Vec<u8>) -> impl Iterator<Item = &'a [u8]> {
        let mut bytes = &self.bytes[..];
        if self.consecutive {
            numbers.resize(self.ends.last(), 0);
            consecutive::write(bytes, 0, numbers);
            bytes = numbers;
        }
        self.ends.ranges().map(move |range| &bytes[range])
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

/// Calls that travel together; each outcome goes to its own.
struct Group(Vec<Arc<dyn Sink>>);

impl Sink for Group {
    fn is_wanted(&self) -> bool {
        self.0.iter().any(|call| call.is_wanted())
    }

    fn is_watched(&self) -> bool {
        self.0.iter().any(|call| call.is_watched())
    }

    fn values(&self, first: usize, values: Values, hearers: &mut Hearers) {
        for (call, (value, handles)) in self.0[first..].iter().zip(values.iter()) {
            call.value(Payload { bytes: value.into(), handles: handles.into() }, hearers);
        }
    }

    fn failed(&self, index: usize, error: Error, hearers: &mut Hearers) {
        self.0[index].failed(0, error, hearers);
    }

    fn waits(&self, items: Range<usize>, place: Place, is_there: bool) {
        self.0[items].iter().for_each(|call| call.waits(0..1, place, is_there));
    }

    /// Its calls know, each for itself.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }
}

/// Outcomes that no test wants.
#[cfg(test)]
pub(crate) struct Nowhere;

#[cfg(test)]
impl Sink for Nowhere {
    fn is_wanted(&self) -> bool {
        true
    }
    fn values(&self, _: usize, _: Values, _: &mut Hearers) {}
    fn failed(&self, _: usize, _: Error, _: &mut Hearers) {}
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Box<Batch> {
        Box::new(Batch {
            entry: None,
            merge: None,
            bytes: b"aabbbc".to_vec(),
            handles: Handles::new(),
            ends: [2, 5, 6].into_iter().fold(ItemEnds::default(), |mut ends, end| {
                ends.push(end);
                ends
            }),
            consecutive: false,
            pace: None,
            calls: Calls::new(),
            first: 10,
            history: History { attempts: 2, deaths: 1 },
            terms: Arc::default(),
            sink: Arc::new(Nowhere),
        })
    }

    #[test]
    fn a_split_loses_no_item_and_keeps_their_numbers() {
        for at in 0..=3 {
            let (head, tail) = batch().split(at);
            assert_eq!((head.len(), tail.len()), (at, 3 - at));
            assert_eq!((head.first, tail.first), (10, 10 + at));
            assert_eq!([head.bytes, tail.bytes].concat(), b"aabbbc");
            assert_eq!(tail.ends.last(), [6, 4, 1, 0][at]);
            // The history stays with the first item.
            assert_eq!(tail.history, if at == 0 { History { attempts: 2, deaths: 1 } } else { History::default() });
        }
    }
}
