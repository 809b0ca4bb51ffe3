//! What the state knows of a batch. The pool's own batches carry bytes and descriptors besides; those of the simulation carry
//! numbers.

use std::time::Duration;

use crate::engine::call_id::{CallId, History, Place};

/// Some items of one function, or values to be merged, on their way through a pool.
pub(crate) trait Load: Sized {
    fn len(&self) -> usize;
    /// Cuts it in two: its first `at` items, with their history, and the rest.
    fn split(self, at: usize) -> (Self, Self);
    /// Makes one of it and other calls that [are like it](Self::is_like), in this order.
    fn join(self, others: Vec<Self>) -> Self;

    /// How much of a worker's budget it takes: one for each task; values to be merged are one together.
    fn cost(&self) -> usize;
    /// Whether its outcomes are still wanted; if not, items that have not started are dropped.
    fn is_wanted(&self) -> bool;
    /// Whether its end must be noticed although no caller waits for it.
    fn is_watched(&self) -> bool;
    /// It waits at this place now, or no more.
    fn waits(&self, place: Place, is_there: bool);
    /// It has one value, merged from all items.
    fn is_merged(&self) -> bool;
    /// Whether its items may be run in several processes.
    fn is_divisible(&self) -> bool;
    /// Carries descriptors. In a busy worker's channel they could not be recalled, so ends of the user's channels would stay open.
    fn needs_idle_worker(&self) -> bool;

    /// How long an item took before, where that is known.
    fn pace(&self) -> Option<Duration>;
    /// Whether its items are so short that they only compute: more workers than cores gain nothing by them.
    fn is_short(&self) -> bool;
    /// How long an item may take.
    fn timeout(&self) -> Option<Duration>;
    /// How often an item may be tried again.
    fn retries(&self) -> u32;
    /// Its items are not to be tried again.
    fn forbid_retries(&mut self);
    fn history(&self) -> History;
    fn history_mut(&mut self) -> &mut History;

    /// Whether it is submitted calls, each for itself.
    fn is_calls(&self) -> bool;
    /// Which of its items this call is.
    fn position(&self, call: CallId) -> Option<usize>;
    /// Whether it is a small call that may travel with others.
    fn is_sociable(&self) -> bool;
    /// Whether both are calls of one function on the same terms.
    fn is_like(&self, other: &Self) -> bool;
}
