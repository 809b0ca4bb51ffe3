//! What the pool's [state](super::state) knows of a batch.

use std::sync::Arc;
use std::time::Duration;

use super::state::load::Load;
use crate::engine::batch::{Batch, Terms};
use crate::engine::call_id::{CallId, History, Place};
use crate::tuning::{LONGEST_IN_GROUP, WAKE_UP};
use crate::wire::handles::Handle;

/// On the heap: a batch moves from the queue to a worker, and on.
impl Load for Box<Batch> {
    fn len(&self) -> usize {
        Batch::len(self)
    }

    fn split(self, at: usize) -> (Self, Self) {
        Batch::split(self, at)
    }

    fn join(self, others: Vec<Self>) -> Self {
        Batch::join(self, others)
    }

    fn cost(&self) -> usize {
        if self.entry.is_some() { self.len() } else { 1 }
    }

    fn is_wanted(&self) -> bool {
        self.sink.is_wanted()
    }

    /// A callback waits for outcomes, or the batch keeps ends of channels open.
    fn is_watched(&self) -> bool {
        self.sink.is_watched() || self.handles.iter().any(|handle| matches!(handle, Handle::Descriptor(_)))
    }

    fn waits(&self, place: Place, is_there: bool) {
        self.sink.waits(self.first..self.first + self.len(), place, is_there);
    }

    fn is_merged(&self) -> bool {
        Batch::is_merged(self)
    }

    fn is_divisible(&self) -> bool {
        self.merge.is_none() && !self.terms.fixed
    }

    fn needs_idle_worker(&self) -> bool {
        self.handles.iter().any(Handle::is_sent_anew)
    }

    fn pace(&self) -> Option<Duration> {
        self.pace
    }

    fn is_short(&self) -> bool {
        let is_short = self.pace.is_some_and(|pace| pace < WAKE_UP);
        is_short && self.calls.is_empty() && self.entry.is_some() && !self.terms.fixed
    }

    fn timeout(&self) -> Option<Duration> {
        self.terms.timeout
    }

    fn retries(&self) -> u32 {
        self.terms.retries
    }

    fn forbid_retries(&mut self) {
        if self.terms.retries > 0 {
            self.terms = Arc::new(Terms { retries: 0, ..(*self.terms).clone() });
        }
    }

    fn history(&self) -> History {
        self.history
    }

    fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    fn is_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    fn position(&self, call: CallId) -> Option<usize> {
        self.calls.iter().position(|&its| its == call)
    }

    fn is_sociable(&self) -> bool {
        let is_small = self.bytes.len() <= LONGEST_IN_GROUP && self.handles.is_empty();
        self.calls.len() == 1 && is_small && self.sink.is_call() && self.history == History::default()
    }

    fn is_like(&self, other: &Self) -> bool {
        let same = self.entry.zip(other.entry).is_some_and(|(one, other)| std::ptr::eq(one, other));
        same && self.terms == other.terms
    }
}
