//! Lazy maps: they run as their outcomes are asked for, ahead by a bounded window.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use super::feeder::{Feeder, MapPlan};
use super::ordered::{Reorder, decode_outcomes};
use super::outbox::Outcomes;
use crate::error::{Error, Result};
use crate::run::callable::{Accepts, Callable};
use crate::tuning::REFILLED_PART;
use crate::wire::given::{self, Given};

/// Which outcomes a lazy map gives next.
pub(crate) trait Sequence {
    fn push(&mut self, outcomes: Outcomes);
    fn pop(&mut self) -> Option<Outcomes>;
}

impl Sequence for Reorder {
    fn push(&mut self, outcomes: Outcomes) {
        Self::push(self, outcomes);
    }

    fn pop(&mut self) -> Option<Outcomes> {
        Self::pop(self)
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
}

/// A map that runs as its outcomes are asked for, ahead by a bounded window.
pub(crate) struct Lazy<I: Iterator, H: Callable, S> {
    feeder: Option<Feeder<I, H>>,
    sequence: S,
    window: usize,
    ready: Given<VecDeque<(usize, Result<H::Output>)>>,
    given: usize,
    /// Why there is no map at all; given as the only outcome.
    refusal: Option<Error>,
    /// The pool has ended: nothing more is sent.
    over: bool,
}

impl<I: Iterator, H: Accepts<I::Item>, S: Sequence> Lazy<I, H, S> {
    pub(crate) fn new(plan: Result<MapPlan>, items: I, sequence: S) -> Self {
        let mut lazy = Self {
            feeder: None,
            sequence,
            window: 0,
            ready: Given::new(VecDeque::new()),
            given: 0,
            refusal: None,
            over: false,
        };
        match plan {
            Ok(plan) => {
                lazy.window = plan.window.unwrap_or(usize::MAX);
                lazy.feeder = Some(Feeder::new(plan, items));
            }
            Err(error) => {
                lazy.refusal = Some(error);
                // The items are not encoded, so their depth stays unknown.
                given::drop_apart(items);
            }
        }
        lazy
    }

    /// As many outcomes as there are items, or fewer, where the pool ends.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let most = match (&self.feeder, &self.refusal) {
            (Some(feeder), _) => feeder.most().and_then(|most| (most + feeder.taken()).checked_sub(self.given)),
            (None, refusal) => Some(usize::from(refusal.is_some())),
        };
        (0, most)
    }

    /// Sends items once a good part of the window is free, so that the workers stay busy while outcomes are taken one
    /// by one, and chunks stay large.
    fn refill(&mut self) {
        let (over, has_some) = (self.over, !self.ready.is_empty());
        // Out of its place while the input runs: should that panic, items that were taken are lost, and the map is over.
        let Some(mut feeder) = self.feeder.take_if(|feeder| !over && (feeder.runs_ahead() || !has_some)) else {
            return;
        };
        let room = self.window.saturating_sub(feeder.taken() - self.given);
        if room >= (self.window / REFILLED_PART).max(1) || feeder.is_idle() {
            // The items that were taken arrive with the error.
            self.over = feeder.feed(room).is_err();
        }
        self.feeder = Some(feeder);
    }

    /// The next outcome; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(usize, Result<H::Output>)> {
        loop {
            self.refill();
            if let Some(outcome) = self.ready.pop_front() {
                self.given += 1;
                return Some(outcome);
            }
            if let Some(error) = self.refusal.take() {
                return Some((0, Err(error)));
            }
            let feeder = self.feeder.as_mut().filter(|feeder| !feeder.is_idle())?;
            for outcomes in feeder.collect() {
                self.sequence.push(outcomes);
            }
            while let Some(outcomes) = self.sequence.pop() {
                decode_outcomes::<H>(outcomes, &mut *self.ready);
            }
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
