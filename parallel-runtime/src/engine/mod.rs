//! Engines: what carries batches of items to where they run. The local pool is one, this very process another.
//!
//! Callers hold an engine and know no pool: they hand it batches, and drive it while they wait. Outcomes go to the batch's
//! [sink](batch::Sink).

use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::run::registry::Entry;

pub(crate) mod batch;
pub(crate) mod call_id;
pub(crate) mod flight;
pub(crate) mod inline;
pub(crate) mod target;
pub(crate) mod values;
pub(crate) mod waiter;

use self::batch::{Batch, Sink};
use self::call_id::CallId;
use self::waiter::Waiter;

/// What a map should know of an engine to cut its items well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many batches run at a time.
    pub(crate) workers: usize,
    /// How many batches of short items do: more would only compete for cores.
    pub(crate) workers_for_short: usize,
    /// How many chunks for each worker are to be under way; 0: none runs before its outcome is asked for.
    pub(crate) chunks_ahead: usize,
    /// The largest chunk that makes sense.
    pub(crate) most_items: usize,
}

/// Where a submitted call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallPlace {
    /// It waits for its turn.
    Queued,
    /// It runs, in this process where it is not the caller's own.
    Running { pid: Option<u32> },
    /// Its outcome is there, or on its way.
    Over,
}

/// What becomes of a signal for a call.
#[derive(Debug)]
pub(crate) enum Aim {
    /// Its worker runs it, and was signalled.
    Hit,
    /// It runs, and cannot be signalled.
    Refused(Error),
    /// Its value, or its failure, is ready, and on its way.
    Late,
    /// Its worker has taken it up and not begun with it, or no worker has it just now.
    Between,
}

/// What carries batches. Callers drive it; outcomes go to the batches' sinks.
pub(crate) trait Engine: Send + Sync + RefUnwindSafe {
    fn shape(&self) -> Shape;

    /// How long an item of this function took lately, where that may be believed.
    fn pace(&self, entry: &'static Entry) -> Option<Duration>;

    /// Takes a batch; each item of it gets an outcome.
    ///
    /// # Errors
    ///
    /// `Closed` or `Terminated` when the engine has ended; then no item gets an outcome.
    fn accept(&self, batch: Box<Batch>) -> Result<()>;

    /// Works until `is_ready`, or until `deadline`; whether it is. `is_ready` has the thread woken that it is given once it may be.
    /// It must not wait, and not call the engine.
    fn drive(&self, deadline: Option<Instant>, is_ready: &mut dyn FnMut(&Arc<Waiter>) -> bool) -> bool;

    /// Takes in what has finished, without waiting; sees to it that what is watched is noticed from now on.
    fn poll(&self);

    /// Forgets the batches of this sink, whose outcomes are not wanted any more.
    fn abandon(&self, sink: &dyn Sink);

    /// Lets the call of this sink fail with `Cancelled` if it has not started; returns whether it did.
    fn withdraw(&self, call: CallId, sink: &dyn Sink) -> bool;

    /// Signals whatever runs a call. `stuck`: a worker that has taken the call up for long and not begun with it, as well.
    fn signal(&self, call: CallId, signal: i32, stuck: bool) -> Aim;

    /// Where the call of this sink is.
    fn place(&self, call: CallId, sink: &dyn Sink) -> CallPlace;
}
