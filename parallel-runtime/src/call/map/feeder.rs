//! Feeding a map: its items go out in chunks, and what comes back is collected.

use std::iter::Fuse;
use std::marker::PhantomData;
use std::sync::Arc;

use super::chunker::Chunker;
use super::outbox::{Chunk, Extent, Outbox, Outcomes};
use crate::engine::batch::Terms;
use crate::engine::{Engine, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::lane::rows::Rows;
use crate::run::callable::Accepts;
use crate::run::registry::Entry;
use crate::tuning::{self, CHUNK_BYTES, USUAL_AREA};
use crate::wire::consecutive;
use crate::wire::ends::ItemEnds;
use crate::wire::given::Given;
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
        // More numbers would leave the cache.
        let replies = plain::size_of_number::<H::Output>().map_or(usize::MAX, |width| USUAL_AREA / width);
        let width = plain::size_of_number::<I::Item>().filter(|_| plan.chunk_size.is_none());
        let numbers = width.map_or(usize::MAX, |width| if counts { USUAL_AREA } else { CHUNK_BYTES } / width);
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
        self.outbox.place_in(rows);
    }

    /// The rows that [`place_in`](Self::place_in) was given.
    pub(crate) fn placed(&self) -> Option<Box<dyn Rows>> {
        self.outbox.placed()
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
