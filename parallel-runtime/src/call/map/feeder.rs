//! Feeding a map: its items go out in chunks, and what comes back is collected.

use std::iter::Fuse;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::chunker::Chunker;
use crate::engine::batch::{Batch, Calls, Sink, Terms};
use crate::engine::call_id::History;
use crate::engine::flight::Callback;
use crate::engine::values::Values;
use crate::engine::{Engine, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::lane::memory::SharedBytes;
use crate::lane::reply;
use crate::lane::rows::Rows;
use crate::poison::lock;
use crate::run::callable::Accepts;
use crate::run::registry::Entry;
use crate::tuning;
use crate::wire::arguments::Arguments;
use crate::wire::codec::CodecError;
use crate::wire::consecutive;
use crate::wire::ends::ItemEnds;
use crate::wire::given::Given;
use crate::wire::parcel;
use crate::wire::payload::Payload;
use crate::wire::plain;

/// A map to be run.
#[derive(Clone)]
pub(crate) struct MapPlan {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) terms: Arc<Terms>,
    /// Merges the values of each chunk into one.
    pub(crate) merge: Option<&'static Entry>,
    pub(crate) chunk_size: Option<usize>,
    /// The most items that may be under way or waiting to be taken; `None`: no bound but what workers need.
    pub(crate) window: Option<usize>,
}

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
}

impl Sink for MapSink {
    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn values(&self, first: usize, values: Values) -> Vec<Callback> {
        lock(&self.inbox).arrived.push(Outcomes::Values { first, values });
        Vec::new()
    }

    fn row(&self, first: usize, width: usize, values: SharedBytes<'_>) -> bool {
        let mut inbox = lock(&self.inbox);
        let placed = inbox.rows.as_mut().is_some_and(|rows| rows.put(first, width, values));
        if placed {
            inbox.placed += values.len() / width;
        }
        placed
    }

    fn failed(&self, index: usize, error: Error) -> Vec<Callback> {
        lock(&self.inbox).arrived.push(Outcomes::Failed { index, error });
        Vec::new()
    }

    fn timing(&self, items: usize, elapsed: Duration) {
        lock(&self.inbox).timings.push((items, elapsed));
    }
}

/// A chunk is cut off at this many bytes, so that two fit where one is expected.
const CHUNK_BYTES: usize = tuning::LANE_AREA / 2;
/// What is under way: batches go out, outcomes come back. Dropping it abandons what has not come back.
pub(crate) struct Outbox {
    engine: Arc<dyn Engine>,
    terms: Arc<Terms>,
    sink: Arc<MapSink>,
    /// How many items were sent and have not come back.
    outstanding: usize,
    /// How many of them are values that are being merged.
    merging: usize,
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
    fn fail(&mut self, index: usize, error: Error) {
        self.outstanding += 1;
        // An inbox has no callbacks.
        let _ = self.sink.failed(index, error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding == 0
    }

    /// Waits until something has come back; empty when nothing is under way.
    pub(crate) fn collect(&mut self) -> (Vec<Outcomes>, Vec<(usize, Duration)>) {
        if self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let sink = &self.sink;
        let mut arrived_so_far = None;
        self.engine.drive(None, &mut || {
            let mut inbox = lock(&sink.inbox);
            let Inbox { arrived, timings, placed, .. } = &mut *inbox;
            let any = *placed > 0 || !arrived.is_empty();
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

impl Drop for Outbox {
    fn drop(&mut self) {
        self.sink.wanted.store(false, Ordering::Relaxed);
        if !self.is_empty() {
            self.engine.abandon();
        }
    }
}

/// Takes items from an iterator, sends them out, and collects what comes back. Dropping it abandons the map.
pub(crate) struct Feeder<I: Iterator, H> {
    outbox: Outbox,
    shape: Shape,
    items: Given<Fuse<I>>,
    merge: Option<&'static Entry>,
    fixed: bool,
    /// The items are consecutive numbers, of which only the first need travel if they travel as they are.
    counts: bool,
    /// The index of the next item.
    next: usize,
    exhausted: bool,
    chunker: Chunker,
    /// What the last chunk came to.
    latest: Extent,
    /// The chunks of a reduction that were sent: their first items, and how many they have.
    sent: Vec<(usize, usize)>,
    function: PhantomData<fn() -> H>,
}

impl<I: Iterator, H: Accepts<I::Item>> Feeder<I, H> {
    pub(crate) fn new(plan: MapPlan, items: I) -> Self {
        let shape = plan.engine.shape();
        let most =
            plan.window.map_or(usize::MAX, |window| window / (tuning::SLOTS * shape.workers)).min(shape.most_items);
        let counts = consecutive::counts::<I>() && plan.chunk_size.is_none();
        // Items without room for their reply would come back and be sent again.
        let replies = plain::size_of_number::<H::Output>().map_or(usize::MAX, reply::room_for);
        let width = plain::size_of_number::<I::Item>().filter(|_| plan.chunk_size.is_none());
        let numbers = width.map_or(usize::MAX, |width| if counts { tuning::LANE_AREA } else { CHUNK_BYTES } / width);
        let pace = plan.engine.pace(H::entry());
        Self {
            chunker: Chunker::new(plan.chunk_size, most.min(replies).min(numbers), pace),
            fixed: plan.chunk_size.is_some(),
            counts,
            merge: plan.merge,
            outbox: Outbox::new(plan.engine, plan.terms),
            shape,
            items: Given::new(items.fuse()),
            next: 0,
            exhausted: false,
            latest: Extent::default(),
            sent: Vec::new(),
            function: PhantomData,
        }
    }

    /// Whether everything was taken, sent, and has come back.
    pub(crate) fn is_done(&self) -> bool {
        self.exhausted && self.outbox.is_empty()
    }

    /// Whether items are to be under way while outcomes are there to be taken.
    pub(crate) fn runs_ahead(&self) -> bool {
        self.shape.chunks_ahead > 0
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// How many items have been taken from the iterator.
    pub(crate) fn taken(&self) -> usize {
        self.next
    }

    /// The items that were not taken.
    pub(crate) fn into_rest(self) -> Fuse<I> {
        self.items.into_inner()
    }

    /// How many items the input says it has, as a size to reserve.
    pub(crate) fn expected(&self) -> usize {
        self.items.size_hint().0
    }

    /// How many items the input has at most, where it says so.
    pub(crate) fn most(&self) -> Option<usize> {
        self.items.size_hint().1
    }

    /// How many items there will be, where the input says so; else a size to start with.
    pub(crate) fn forecast(&self) -> usize {
        self.left().unwrap_or(self.expected().min(tuning::RESERVED_RESULTS))
    }

    /// Sends items as long as the workers need more, and no more than `room`.
    ///
    /// # Errors
    ///
    /// `Closed` or `Terminated` when the pool has ended; items that were taken arrive as failed so.
    pub(crate) fn feed(&mut self, mut room: usize) -> Result<()> {
        while !self.exhausted && room > 0 {
            let (left, busy) = (self.left(), self.busy_workers());
            let size = match self.merge {
                Some(_) => self.chunker.next_merged(left, busy, self.next),
                None => self.chunker.next(left, busy),
            };
            if self.outbox.outstanding - self.outbox.merging
                >= size.saturating_mul(self.shape.workers * self.shape.chunks_ahead.max(1))
            {
                return Ok(());
            }
            let before = self.next;
            self.send_chunk(size.min(room))?;
            self.chunker.sent(size);
            room -= self.next - before;
        }
        Ok(())
    }

    /// How many workers will be at the items, as far as it is known by now.
    fn busy_workers(&self) -> usize {
        if self.chunker.is_brief() { self.shape.workers_for_short } else { self.shape.workers }
    }

    fn left(&self) -> Option<usize> {
        let (least, most) = self.items.size_hint();
        (most == Some(least)).then_some(least)
    }

    fn send_chunk(&mut self, size: usize) -> Result<()> {
        let mut chunk = Chunk::new(self.next);
        chunk.pace = self.chunker.pace();
        chunk.reserve(size, self.latest);
        while chunk.ends.len() < size {
            let Some(item) = self.items.next() else {
                self.exhausted = true;
                break;
            };
            let item = Given::new(item);
            let index = self.next;
            self.next += 1;
            if let Err(error) = chunk.push::<I::Item, H>(&item) {
                // It fails where outcomes arrive, in its turn.
                let error = Error::new(ErrorKind::Encode(error)).in_function(H::entry().name()).at_index(index);
                self.outbox.fail(index, error);
                break;
            }
            if let Some(width) = plain::as_it_stands(&*item, chunk.arguments.bytes()) {
                self.send_numbers(&mut chunk, width, size);
                break;
            }
            if !self.fixed && chunk.size() >= CHUNK_BYTES {
                break;
            }
        }
        self.latest = chunk.extent();
        if self.merge.is_some() && !chunk.ends.is_empty() {
            self.sent.push((chunk.first, chunk.ends.len()));
        }
        let terms = Arc::clone(&self.outbox.terms);
        self.outbox.send(&terms, Some(H::entry()), self.merge, chunk)
    }

    /// The first item of each chunk of a reduction that was sent since this was last asked for, and how many it has.
    pub(crate) fn chunks_sent(&mut self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.sent)
    }

    /// Sends values to be merged; they come back as one.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(crate) fn send_merge(&mut self, terms: &Arc<Terms>, merge: &'static Entry, values: Chunk) -> Result<()> {
        self.outbox.merging += values.ends.len();
        self.outbox.send(terms, None, Some(merge), values)
    }

    /// So many values have come back as one.
    pub(crate) fn has_merged(&mut self, values: usize) {
        self.outbox.merging -= values.min(self.outbox.merging);
    }

    /// Takes the rest of a chunk of numbers, the first of which is there as it stands, and so are the others. Those of a range
    /// are not written down.
    fn send_numbers(&mut self, chunk: &mut Chunk, width: usize, size: usize) {
        let more = size - 1;
        let taken = if self.counts {
            let more = more.min(self.items.size_hint().0);
            if more > 0 {
                // A range goes on by so many in one step.
                self.items.nth(more - 1);
                chunk.consecutive = true;
            }
            more
        } else {
            let taken = chunk.arguments.push_numbers(width, more, &mut *self.items);
            self.exhausted = taken < more;
            taken
        };
        self.next += taken;
        chunk.ends = ItemEnds::even(width, 1 + taken);
    }

    /// Has numbers put into `rows` as they come back; [`collect`](Self::collect) does not give them then.
    pub(crate) fn place_in(&self, rows: Box<dyn Rows>) {
        lock(&self.outbox.sink.inbox).rows = Some(rows);
    }

    /// The rows that [`place_in`](Self::place_in) was given.
    pub(crate) fn placed(&self) -> Option<Box<dyn Rows>> {
        lock(&self.outbox.sink.inbox).rows.take()
    }

    /// Waits until something has come back; empty when nothing is under way, or all of it was put in its place.
    pub(crate) fn collect(&mut self) -> Vec<Outcomes> {
        let (arrived, timings) = self.outbox.collect();
        for (items, elapsed) in timings {
            self.chunker.learn(items, elapsed);
        }
        arrived
    }
}

/// How much some items take.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    items: usize,
    bytes: usize,
    /// Their lengths differ.
    uneven: bool,
}

/// Items that were encoded and not yet sent.
pub(crate) struct Chunk {
    arguments: Arguments,
    ends: ItemEnds,
    /// The items are consecutive numbers, and only the first of them is in the arguments.
    consecutive: bool,
    /// How long an item took before, where that is known.
    pace: Option<Duration>,
    first: usize,
}

impl Chunk {
    pub(crate) fn new(first: usize) -> Self {
        Self { arguments: Arguments::default(), ends: ItemEnds::default(), consecutive: false, pace: None, first }
    }

    /// Takes memory for so many items, in one go, if they are like those of an earlier chunk.
    fn reserve(&mut self, items: usize, earlier: Extent) {
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

    fn extent(&self) -> Extent {
        Extent { items: self.ends.len(), bytes: self.arguments.len(), uneven: self.ends.width().is_none() }
    }

    /// What it takes in a lane, in bytes.
    fn size(&self) -> usize {
        let table = if self.ends.width().is_some() { 0 } else { self.ends.len() * parcel::PER_ITEM };
        self.arguments.len() + table
    }

    /// Adds an item that is bytes already.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.arguments.extend(bytes);
        self.ends.push(self.arguments.len());
    }

    fn push<Item, H: Accepts<Item>>(&mut self, item: &Item) -> std::result::Result<(), CodecError> {
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
