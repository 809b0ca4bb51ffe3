//! What waits for a worker, in order, with its number of items at hand.

use std::collections::VecDeque;

use super::load::Load;
use crate::engine::call_id::CallId;

#[derive(Debug)]
pub(crate) struct Queue<B> {
    batches: VecDeque<B>,
    items: usize,
}

impl<B> Default for Queue<B> {
    fn default() -> Self {
        Self { batches: VecDeque::new(), items: 0 }
    }
}

impl<B: Load> Queue<B> {
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// How many batches wait.
    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// How many items those have.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    pub(crate) fn front(&self) -> Option<&B> {
        self.batches.front()
    }

    pub(crate) fn back(&self) -> Option<&B> {
        self.batches.back()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&B> {
        self.batches.get(at)
    }

    /// The waiting batches, to change their histories.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut B> {
        self.batches.iter_mut()
    }

    /// Whether a call waits here.
    pub(crate) fn has(&self, call: CallId) -> bool {
        self.batches.iter().any(|batch| batch.position(call).is_some())
    }

    /// The place of the first batch for which this is true.
    pub(crate) fn position(&self, is_so: impl FnMut(&B) -> bool) -> Option<usize> {
        self.batches.iter().position(is_so)
    }

    pub(crate) fn push_back(&mut self, batch: B) {
        self.items += batch.len();
        self.batches.push_back(batch);
    }

    /// Puts a batch that was handed out before ahead of all others; drops one that is empty or not wanted any more.
    pub(crate) fn push_front(&mut self, batch: B) {
        if batch.len() > 0 && batch.is_wanted() {
            self.items += batch.len();
            self.batches.push_front(batch);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<B> {
        self.remove(0)
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<B> {
        let batch = self.batches.remove(at)?;
        self.items -= batch.len();
        Some(batch)
    }

    /// Takes out the batches for which this is true; returns them in order.
    pub(crate) fn drain_where(&mut self, is_so: impl Fn(&B) -> bool) -> Vec<B> {
        let mut taken = Vec::new();
        for batch in std::mem::take(&mut self.batches) {
            match is_so(&batch) {
                true => taken.push(batch),
                false => self.batches.push_back(batch),
            }
        }
        self.items = self.batches.iter().map(B::len).sum();
        taken
    }

    /// Drops batches that are not wanted any more.
    pub(crate) fn forget_unwanted(&mut self) {
        self.drain_where(|batch| !batch.is_wanted());
    }

    /// Takes a call out, if it is here.
    pub(crate) fn withdraw(&mut self, call: CallId) -> Option<B> {
        let mut all = self.batches.iter().enumerate();
        let (at, position) = all.find_map(|(at, batch)| Some((at, batch.position(call)?)))?;
        let (before, with) = self.remove(at)?.split(position);
        let (withdrawn, after) = with.split(1);
        for part in [after, before].into_iter().filter(|part| part.len() > 0) {
            self.items += part.len();
            self.batches.insert(at, part);
        }
        Some(withdrawn)
    }
}
