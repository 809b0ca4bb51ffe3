//! Lazy maps: they run as their outcomes are asked for, ahead by a bounded window.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::time::Instant;

use super::feeder::{Allowance, Fed, Feeder, MapPlan};
use super::input::Input;
use super::ordered::{Reorder, decode};
use super::outbox::Outcomes;
use super::window::{Ahead, Window};
use crate::engine::values::{Cursor, Values};
use crate::error::{Error, Result};
use crate::run::callable::{Accepts, Callable};
use crate::tuning::BETWEEN_LOOKS;
use crate::wire::given;

/// Which outcomes a lazy map gives next.
pub(crate) trait Sequence {
    fn push(&mut self, outcomes: Outcomes);
    fn pop(&mut self) -> Option<Outcomes>;
    fn is_empty(&self) -> bool;
}

impl Sequence for Reorder {
    fn push(&mut self, outcomes: Outcomes) {
        Self::push(self, outcomes);
    }

    fn pop(&mut self) -> Option<Outcomes> {
        Self::pop(self)
    }

    /// Whether the next ones in order are not there.
    fn is_empty(&self) -> bool {
        !self.has_next()
    }
}

/// Outcomes in the order in which they arrive.
#[derive(Default)]
pub(crate) struct AsTheyCome(VecDeque<Outcomes>);

impl Sequence for AsTheyCome {
    fn push(&mut self, outcomes: Outcomes) {
        self.0.push_back(outcomes);
    }

    fn pop(&mut self) -> Option<Outcomes> {
        self.0.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Values that are given one by one, decoded only then.
#[derive(Default)]
struct Giving {
    values: Values,
    cursor: Cursor,
    /// The index of the next one's item.
    index: usize,
}

/// A map that runs as its outcomes are asked for, ahead by a bounded window.
///
/// The input runs on the caller's thread, and may wait for what the caller makes of earlier outcomes. So an outcome that is ready is
/// given before an input is asked that is known to be slow, and a receiver is not waited for while anything is under way.
pub(crate) struct Lazy<I: Iterator, H: Callable, S> {
    feeder: Option<Feeder<I, H>>,
    window: Window,
    sequence: S,
    giving: Giving,
    /// The memory of values that have come back and have not been given, in bytes.
    waiting_bytes: usize,
    given: usize,
    /// The input is looked at again once so many outcomes have been given, or none is ready.
    next_refill: usize,
    /// Why there is no map at all; given as the only outcome.
    refusal: Option<Error>,
    /// The pool has ended: nothing more is sent.
    over: bool,
    function: PhantomData<fn() -> H>,
}

impl<I: Iterator, H: Accepts<I::Item>, S: Sequence> Lazy<I, H, S> {
    pub(crate) fn new<Items>(plan: Result<MapPlan>, items: Items, sequence: S) -> Self
    where
        Items: IntoIterator<IntoIter = I, Item = I::Item>,
    {
        let (mut feeder, mut window, mut refusal) = (None, Window::new(None, 1), None);
        match plan {
            Ok(plan) => {
                window = Window::new(plan.window, plan.engine.shape().workers);
                feeder = Some(Feeder::lazy(plan, Input::of(items)));
            }
            Err(error) => {
                refusal = Some(error);
                // The items are not encoded, so their depth stays unknown.
                given::drop_apart(items);
            }
        }
        Self {
            feeder,
            window,
            sequence,
            giving: Giving::default(),
            waiting_bytes: 0,
            given: 0,
            next_refill: 0,
            refusal,
            over: false,
            function: PhantomData,
        }
    }

    /// As many outcomes as there are items, or fewer, where the pool ends.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let most = match (&self.feeder, &self.refusal) {
            (Some(feeder), _) => feeder.most().and_then(|most| (most + feeder.taken()).checked_sub(self.given)),
            (None, refusal) => Some(usize::from(refusal.is_some())),
        };
        (0, most)
    }

    /// The next outcome; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(usize, Result<H::Output>)> {
        if self.given < self.next_refill
            && let Some(outcome) = self.give()
        {
            return Some(outcome);
        }
        self.advance()
    }

    /// The next outcome, if it is ready.
    #[inline]
    fn give(&mut self) -> Option<(usize, Result<H::Output>)> {
        loop {
            let Giving { values, cursor, index } = &mut self.giving;
            if let Some(value) = values.at(cursor) {
                let at = *index;
                *index += 1;
                self.given += 1;
                return Some((at, decode::<H>(value, at)));
            }
            self.waiting_bytes -= values.memory().min(self.waiting_bytes);
            self.giving = Giving::default();
            match self.sequence.pop()? {
                Outcomes::Values { first, values } => {
                    self.giving = Giving { values, cursor: Cursor::default(), index: first };
                }
                Outcomes::Failed { index, error } => {
                    self.given += 1;
                    return Some((index, Err(error)));
                }
            }
        }
    }

    fn has_ready(&self) -> bool {
        self.giving.cursor.is_before_end(&self.giving.values) || !self.sequence.is_empty()
    }

    /// Sends items and waits for outcomes until one is ready, or the map is at its end.
    #[inline(never)]
    fn advance(&mut self) -> Option<(usize, Result<H::Output>)> {
        loop {
            let fed = self.refill();
            if let Some(outcome) = self.give() {
                return Some(outcome);
            }
            if let Some(error) = self.refusal.take() {
                return Some((0, Err(error)));
            }
            let feeder = self.feeder.as_mut().filter(|feeder| !feeder.is_idle())?;
            let arrived = match fed {
                // The wait before a slow input is asked again is the next thing to do.
                Fed::Full | Fed::Paused if feeder.patience().is_some() => continue,
                Fed::Enough | Fed::Full => feeder.collect(None),
                Fed::NothingYet => feeder.collect(Some(Instant::now() + BETWEEN_LOOKS)),
                Fed::Paused => feeder.collect(Some(Instant::now())),
            };
            self.take_in(arrived);
        }
    }

    /// Sends items as far as the window allows and the workers need.
    fn refill(&mut self) -> Fed {
        let (over, is_ready) = (self.over, self.has_ready());
        self.next_refill = usize::MAX;
        // Out of its place while the input runs: should that panic, items that were taken are lost, and the map is over.
        let may_ask = |feeder: &mut Feeder<I, H>| !is_ready || feeder.runs_ahead() && feeder.patience().is_none();
        let Some(mut feeder) = self.feeder.take_if(|feeder| !over && may_ask(feeder)) else {
            return Fed::Enough;
        };
        if let Some(arrived) = feeder.collect_first() {
            self.take_in(arrived);
        }
        let fed = if is_ready || !self.has_ready() { self.feed(&mut feeder, is_ready) } else { Fed::Enough };
        self.feeder = Some(feeder);
        fed
    }

    fn feed(&mut self, feeder: &mut Feeder<I, H>, is_ready: bool) -> Fed {
        let under_way = feeder.under_way();
        let ahead = Ahead {
            under_way,
            waiting: feeder.taken() - self.given - under_way,
            waiting_bytes: self.waiting_bytes,
            argument_bytes: feeder.argument_bytes(),
            pace: feeder.pace(),
        };
        let room = self.window.room(ahead);
        let mut fed = Fed::Full;
        if room.wanting == 0 {
            // While outcomes come first, one item is taken at a time.
            let items = if feeder.patience().is_some() { room.items.min(1) } else { room.items };
            let allowed = Allowance { items, chunk: room.chunk, may_wait: !is_ready && feeder.is_idle() };
            // The items that were taken arrive with the error.
            fed = feeder.feed_some(allowed).unwrap_or_else(|_| {
                self.over = true;
                Fed::Enough
            });
        }
        self.next_refill = match fed {
            Fed::Full => self.given + room.wanting.max(1),
            // What is given next may feed it.
            Fed::NothingYet => self.given + 1,
            Fed::Enough | Fed::Paused => usize::MAX,
        };
        fed
    }

    fn take_in(&mut self, arrived: Vec<Outcomes>) {
        for outcomes in arrived {
            if let Outcomes::Values { values, .. } = &outcomes {
                let memory = values.memory();
                self.window.learn(values.items(), memory);
                self.waiting_bytes += memory;
            }
            self.sequence.push(outcomes);
        }
    }
}

/// A lazy, ordered map; see [`Task::par_imap`](crate::Task::par_imap).
///
/// # Examples
///
/// See [`Task::par_imap`](crate::Task::par_imap).
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct ParIMap<I: Iterator, H: Callable>(pub(super) Lazy<I, H, Reorder>);

impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMap<I, H> {
    type Item = Result<H::Output>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(_, outcome)| outcome)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item>> FusedIterator for ParIMap<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for ParIMap<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParIMap").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}

/// A lazy map that gives outcomes as they come in; see [`Task::par_imap_unordered`](crate::Task::par_imap_unordered).
///
/// # Examples
///
/// See [`Task::par_imap_unordered`](crate::Task::par_imap_unordered).
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct ParIMapUnordered<I: Iterator, H: Callable>(pub(super) Lazy<I, H, AsTheyCome>);

impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMapUnordered<I, H> {
    type Item = (usize, Result<H::Output>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item>> FusedIterator for ParIMapUnordered<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for ParIMapUnordered<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParIMapUnordered").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}
