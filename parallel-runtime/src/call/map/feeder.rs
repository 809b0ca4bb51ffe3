//! Feeding a map: its items go out in chunks, and what comes back is collected.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::Asking;
use super::chunker::Chunker;
use super::input::{Asked, Input};
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
    /// The window of a lazy map, where the caller chose it.
    pub(crate) window: Option<usize>,
}

/// What a lazy map allows its feeder.
pub(crate) struct Allowance {
    /// The most items to take.
    pub(crate) items: usize,
    /// The most to send together.
    pub(crate) chunk: usize,
    /// Nothing is under way or ready, so there is nothing else to do than to wait for the input.
    pub(crate) may_wait: bool,
}

/// Why a feeder takes no more items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The workers have enough, or the input has ended.
    Enough,
    /// As many as allowed were taken.
    Full,
    /// It has taken long enough to look at what has come back.
    Paused,
    /// The input has nothing for now.
    NothingYet,
}

/// The clock by which a lazy map asks its input.
struct Watch {
    asking: Asking,
    /// When items began to be taken.
    since: Instant,
    /// When the input was last measured, or began to be.
    looked: Instant,
}

impl Watch {
    /// Notes that the input was asked so often; whether to pause.
    #[inline]
    fn asked(&mut self, times: usize) -> bool {
        self.asking.asked(times) && self.look()
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.looked, now);
        self.asking.looked(took, now - self.since)
    }
}

/// Takes items from an iterator, sends them out, and collects what comes back. Dropping it abandons the map.
pub(crate) struct Feeder<I: Iterator, H> {
    outbox: Outbox,
    shape: Shape,
    items: Given<Input<I>>,
    /// `None`: the input is asked for whatever workers need, however long it takes.
    watch: Option<Watch>,
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
        Self::of(plan, Input::Iterator(items.fuse()))
    }

    /// The feeder of a lazy map.
    pub(crate) fn lazy(plan: MapPlan, items: Input<I>) -> Self {
        let now = Instant::now();
        // Where a receiver has nothing, it says so.
        let is_watched = matches!(items, Input::Iterator(_));
        let watch = is_watched.then(|| Watch { asking: Asking::new(), since: now, looked: now });
        Self { watch, ..Self::of(plan, items) }
    }

    fn of(plan: MapPlan, items: Input<I>) -> Self {
        let shape = plan.engine.shape();
        let counts = consecutive::counts::<I>() && plan.chunk_size.is_none();
        // More numbers would leave the cache.
        let replies = plain::size_of_number::<H::Output>().map_or(usize::MAX, |width| USUAL_AREA / width);
        let width = plain::size_of_number::<I::Item>().filter(|_| plan.chunk_size.is_none());
        let numbers = width.map_or(usize::MAX, |width| if counts { USUAL_AREA } else { CHUNK_BYTES } / width);
        let pace = plan.engine.pace(H::entry());
        Self {
            chunker: Chunker::new(plan.chunk_size, shape.most_items.min(replies).min(numbers), pace),
            fixed: plan.chunk_size.is_some(),
            counts,
            merge: plan.merge,
            outbox: Outbox::new(plan.engine, plan.terms),
            shape,
            items: Given::new(items),
            watch: None,
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
    pub(crate) fn into_rest(self) -> Input<I> {
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

    /// Sends items as long as the workers need more.
    ///
    /// # Errors
    ///
    /// `Closed` or `Terminated` when the pool has ended; items that were taken arrive as failed so.
    pub(crate) fn feed(&mut self) -> Result<()> {
        self.feed_some(Allowance { items: usize::MAX, chunk: usize::MAX, may_wait: true }).map(drop)
    }

    /// Sends items as long as the workers need more, and as many as are allowed.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(crate) fn feed_some(&mut self, mut allowed: Allowance) -> Result<Fed> {
        if let Some(watch) = &mut self.watch {
            watch.since = Instant::now();
            watch.looked = watch.since;
        }
        while !self.exhausted {
            let (left, busy) = (self.left(), self.busy_workers());
            let size = match self.merge {
                Some(_) => self.chunker.next_merged(left, busy, self.next),
                None => self.chunker.next(left, busy),
            };
            let size = if self.fixed { size } else { size.min(allowed.chunk) };
            if self.outbox.outstanding - self.outbox.merging
                >= size.saturating_mul(self.shape.workers * self.shape.chunks_ahead.max(1))
            {
                return Ok(Fed::Enough);
            }
            if allowed.items == 0 {
                return Ok(Fed::Full);
            }
            let before = self.next;
            let fed = self.send_chunk(size.min(allowed.items), allowed.may_wait)?;
            self.chunker.sent(size);
            if fed != Fed::Full {
                return Ok(fed);
            }
            allowed.items -= self.next - before;
            allowed.may_wait = false;
        }
        Ok(Fed::Enough)
    }

    /// How many workers will be at the items, as far as it is known by now.
    fn busy_workers(&self) -> usize {
        if self.chunker.is_brief() { self.shape.workers_for_short } else { self.shape.workers }
    }

    fn left(&self) -> Option<usize> {
        let (least, most) = self.items.size_hint();
        (most == Some(least)).then_some(least)
    }

    /// Sends a chunk of at most so many items; `Full`: nothing but the end of the input stands against another one.
    fn send_chunk(&mut self, size: usize, may_wait: bool) -> Result<Fed> {
        let mut chunk = Chunk::new(self.next);
        chunk.pace = self.chunker.pace();
        chunk.reserve(size, self.latest);
        let mut fed = Fed::Full;
        while chunk.ends.len() < size && (fed == Fed::Full || self.fixed) {
            if let Some(watch) = self.watch.as_mut().filter(|watch| watch.asking.is_measured_alone()) {
                watch.looked = Instant::now();
            }
            let asked = match self.items.ask() {
                Asked::NothingYet if may_wait && chunk.ends.is_empty() => {
                    self.items.next().map_or(Asked::End, Asked::Item)
                }
                asked => asked,
            };
            let item = match asked {
                Asked::Item(item) => Given::new(item),
                Asked::NothingYet => {
                    fed = Fed::NothingYet;
                    break;
                }
                Asked::End => {
                    self.exhausted = true;
                    break;
                }
            };
            if self.watch.as_mut().is_some_and(|watch| watch.asked(1)) {
                fed = Fed::Paused;
            }
            let index = self.next;
            self.next += 1;
            if let Err(error) = chunk.push::<I::Item, H>(&item) {
                // It fails where outcomes arrive, in its turn.
                let error = Error::new(ErrorKind::Encode(error)).in_function(H::entry().name()).at_index(index);
                self.outbox.fail(index, error);
                break;
            }
            if let (Input::Iterator(_), Some(width)) =
                (&*self.items, plain::as_it_stands(&*item, chunk.arguments.bytes()))
            {
                self.send_numbers(&mut chunk, width, size, &mut fed);
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
        self.outbox.send(&terms, Some(H::entry()), self.merge, chunk)?;
        Ok(fed)
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
    fn send_numbers(&mut self, chunk: &mut Chunk, width: usize, size: usize, fed: &mut Fed) {
        let more = size - 1;
        let mut taken = 0;
        if self.counts {
            taken = more.min(self.items.size_hint().0);
            if taken > 0 {
                // A range goes on by so many in one step.
                self.items.nth(taken - 1);
                chunk.consecutive = true;
            }
        }
        while taken < more && !self.counts && (*fed == Fed::Full || self.fixed) {
            let times = self.watch.as_ref().map_or(usize::MAX, |watch| watch.asking.until_look()).min(more - taken);
            let got = chunk.arguments.push_numbers(width, times, &mut *self.items);
            taken += got;
            if got < times {
                self.exhausted = true;
                break;
            }
            if self.watch.as_mut().is_some_and(|watch| watch.asked(times)) {
                *fed = Fed::Paused;
            }
        }
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

    /// Waits until something has come back, or until `deadline`; empty when nothing is under way, or all of it was put in its
    /// place.
    pub(crate) fn collect(&mut self, deadline: Option<Instant>) -> Vec<Outcomes> {
        let (arrived, timings) = self.outbox.collect(deadline);
        for (items, elapsed) in timings {
            self.chunker.learn(items, elapsed);
        }
        arrived
    }

    /// Waits for outcomes before a slow input is asked again, as long as that is worth it; `None` where it is not.
    pub(crate) fn collect_first(&mut self) -> Option<Vec<Outcomes>> {
        if self.is_idle() {
            return None;
        }
        let patience = self.patience()?;
        let begun = Instant::now();
        let arrived = self.collect(Some(begun + patience));
        self.watch.iter_mut().for_each(|watch| watch.asking.waited(begun.elapsed()));
        Some(arrived)
    }

    /// How long outcomes are to be waited for before the input is asked again.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.watch.as_ref().and_then(|watch| watch.asking.patience())
    }

    /// How many items are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.outbox.outstanding
    }

    /// What the arguments of an item took lately, in bytes.
    pub(crate) fn argument_bytes(&self) -> usize {
        self.latest.item_bytes()
    }

    /// How long an item takes, as far as it is known.
    pub(crate) fn pace(&self) -> Option<Duration> {
        self.chunker.pace()
    }
}
