//! Batches on their way out, and their outcomes on the way back.

use std::collections::BTreeSet;
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::engine::batch::{Batch, Calls, Sink, Terms};
use crate::engine::call_id::{History, Place};
use crate::engine::values::Values;
use crate::engine::waiter::Hearers;
use crate::error::{Error, Result};
use crate::lane::rows::Rows;
use crate::poison::lock;
use crate::run::callable::Accepts;
use crate::run::registry::Entry;
use crate::sys::bytes::SharedBytes;
use crate::tuning::CHUNK_BYTES;
use crate::wire::arguments::Arguments;
use crate::wire::codec::CodecError;
use crate::wire::ends::ItemEnds;
use crate::wire::parcel;
use crate::wire::payload::Payload;

/// Outcomes of a map that came back.
pub(crate) enum Outcomes {
    Values { first: usize, values: Values },
    Failed { index: usize, error: Error },
}

/// Where a map's outcomes arrive.
struct MapSink {
    inbox: Mutex<Inbox>,
    wanted: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    arrived: Vec<Outcomes>,
    timings: Vec<(usize, Duration)>,
    /// Where numbers are put as they arrive, if the map wants a row of them.
    rows: Option<Box<dyn Rows>>,
    /// How many items were put into `rows`.
    placed: usize,
    /// The caller, while it waits.
    hearers: Hearers,
    /// Where its chunks wait.
    places: BTreeSet<Place>,
}

impl Inbox {
    fn arrives(&mut self, outcomes: Outcomes, hearers: &mut Hearers) {
        self.arrived.push(outcomes);
        hearers.append(mem::take(&mut self.hearers));
    }
}

impl Sink for MapSink {
    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn values(&self, first: usize, values: Values, hearers: &mut Hearers) {
        lock(&self.inbox).arrives(Outcomes::Values { first, values }, hearers);
    }

    fn row(&self, first: usize, width: usize, values: SharedBytes<'_>, hearers: &mut Hearers) -> bool {
        let mut inbox = lock(&self.inbox);
        let placed = inbox.rows.as_mut().is_some_and(|rows| rows.put(first, width, values));
        if placed {
            inbox.placed += values.len() / width;
            hearers.append(mem::take(&mut inbox.hearers));
        }
        placed
    }

    fn failed(&self, index: usize, error: Error, hearers: &mut Hearers) {
        lock(&self.inbox).arrives(Outcomes::Failed { index, error }, hearers);
    }

    fn waits(&self, _items: Range<usize>, place: Place, is_there: bool) {
        let places = &mut lock(&self.inbox).places;
        if is_there {
            places.insert(place)
        } else {
            places.remove(&place)
        };
    }

    fn places(&self) -> Vec<Place> {
        lock(&self.inbox).places.iter().copied().collect()
    }

    fn timing(&self, items: usize, elapsed: Duration) {
        lock(&self.inbox).timings.push((items, elapsed));
    }
}

/// What is under way: batches go out, outcomes come back. Dropping it abandons what has not come back.
pub(crate) struct Outbox {
    engine: Arc<dyn Engine>,
    pub(super) terms: Arc<Terms>,
    sink: Arc<MapSink>,
    /// How many items were sent and have not come back.
    pub(super) outstanding: usize,
    /// How many of them are values that are being merged.
    pub(super) merging: usize,
}

impl Outbox {
    pub(crate) fn new(engine: Arc<dyn Engine>, terms: Arc<Terms>) -> Self {
        let sink = MapSink { inbox: Mutex::default(), wanted: AtomicBool::new(true) };
        Self { engine, terms, sink: Arc::new(sink), outstanding: 0, merging: 0 }
    }

    /// Sends items to be mapped, to be mapped and merged, or to be merged.
    ///
    /// # Errors
    ///
    /// `Closed` or `Terminated` when the pool has ended; the items arrive as failed so.
    pub(crate) fn send(
        &mut self,
        terms: &Arc<Terms>,
        entry: Option<&'static Entry>,
        merge: Option<&'static Entry>,
        chunk: Chunk,
    ) -> Result<()> {
        let Chunk { arguments, ends, consecutive, pace, first } = chunk;
        if ends.is_empty() {
            return Ok(());
        }
        let items = ends.len();
        let Payload { bytes, handles } = arguments.into_payload();
        let sent = self.engine.accept(Box::new(Batch {
            entry,
            merge,
            bytes,
            handles,
            ends,
            consecutive,
            pace,
            calls: Calls::new(),
            first,
            history: History::default(),
            terms: Arc::clone(terms),
            sink: Arc::clone(&self.sink) as Arc<dyn Sink>,
        }));
        let Err(error) = sent else {
            self.outstanding += items;
            return Ok(());
        };
        let error = error.in_function(entry.or(merge).map_or("", Entry::name));
        for index in first..first + items {
            self.fail(index, error.duplicate().at_index(index));
        }
        Err(error)
    }

    /// Lets an item fail that was never sent; its outcome arrives like others.
    pub(super) fn fail(&mut self, index: usize, error: Error) {
        self.outstanding += 1;
        // The caller is here, so nobody is to hear of it.
        self.sink.failed(index, error, &mut Hearers::default());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding == 0
    }

    /// Waits until something has come back, or until `deadline`; empty when nothing is under way.
    pub(crate) fn collect(&mut self, deadline: Option<Instant>) -> (Vec<Outcomes>, Vec<(usize, Duration)>) {
        if self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let sink = &self.sink;
        let mut arrived_so_far = None;
        self.engine.drive(deadline, &mut |waiter| {
            let mut inbox = lock(&sink.inbox);
            let Inbox { arrived, timings, placed, hearers, .. } = &mut *inbox;
            let any = *placed > 0 || !arrived.is_empty();
            if !any {
                hearers.add(waiter);
            }
            arrived_so_far = any.then(|| (std::mem::take(placed), std::mem::take(arrived), std::mem::take(timings)));
            any
        });
        let (placed, arrived, timings) = arrived_so_far.unwrap_or_default();
        self.outstanding -= placed;
        for outcomes in &arrived {
            self.outstanding -= match outcomes {
                Outcomes::Values { values, .. } => values.items(),
                Outcomes::Failed { .. } => 1,
            };
        }
        (arrived, timings)
    }
}

impl Outbox {
    /// Has rows of values put where `rows` says.
    pub(super) fn place_in(&self, rows: Box<dyn Rows>) {
        lock(&self.sink.inbox).rows = Some(rows);
    }

    /// Where rows of values were put.
    pub(super) fn placed(&self) -> Option<Box<dyn Rows>> {
        lock(&self.sink.inbox).rows.take()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.sink.wanted.store(false, Ordering::Relaxed);
        if !self.is_empty() {
            self.engine.abandon(&*self.sink);
        }
    }
}

/// How much some items take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    items: usize,
    bytes: usize,
    /// Their lengths differ.
    uneven: bool,
}

impl Extent {
    /// What an item takes, in bytes.
    pub(super) fn item_bytes(&self) -> usize {
        self.bytes / self.items.max(1)
    }
}

/// Items that were encoded and not yet sent.
pub(crate) struct Chunk {
    pub(super) arguments: Arguments,
    pub(super) ends: ItemEnds,
    /// The items are consecutive numbers, and only the first of them is in the arguments.
    pub(super) consecutive: bool,
    /// How long an item took before, where that is known.
    pub(super) pace: Option<Duration>,
    pub(super) first: usize,
}

impl Chunk {
    pub(crate) fn new(first: usize) -> Self {
        Self { arguments: Arguments::default(), ends: ItemEnds::default(), consecutive: false, pace: None, first }
    }

    /// Takes memory for so many items, in one go, if they are like those of an earlier chunk.
    pub(super) fn reserve(&mut self, items: usize, earlier: Extent) {
        let Extent { items: of, bytes, uneven } = earlier;
        if of == 0 {
            return;
        }
        let expected = bytes.saturating_mul(items) / of;
        // The last item may pass the end.
        self.arguments.reserve(expected.min(CHUNK_BYTES) + (bytes / of).min(CHUNK_BYTES));
        if uneven {
            self.ends.reserve(items.min(CHUNK_BYTES / parcel::PER_ITEM));
        }
    }

    pub(super) fn extent(&self) -> Extent {
        Extent { items: self.ends.len(), bytes: self.arguments.len(), uneven: self.ends.width().is_none() }
    }

    /// What it takes in a lane, in bytes.
    pub(super) fn size(&self) -> usize {
        let table = if self.ends.width().is_some() { 0 } else { self.ends.len() * parcel::PER_ITEM };
        self.arguments.len() + table
    }

    /// Adds an item that is bytes already.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.arguments.extend(bytes);
        self.ends.push(self.arguments.len());
    }

    pub(super) fn push<Item, H: Accepts<Item>>(&mut self, item: &Item) -> std::result::Result<(), CodecError> {
        let before = self.arguments.len();
        match H::encode(item, &mut self.arguments) {
            Ok(()) => {
                self.ends.push(self.arguments.len());
                Ok(())
            }
            Err(error) => {
                self.arguments.truncate(before);
                Err(error)
            }
        }
    }
}
