//! What the state is told, and what it answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::blame::{BlameCause, Death, Reached, Sent};
use super::placement::Ask;
use super::starts::StartError;
use super::worker::Reading;
use crate::engine::call_id::Place;
use crate::tuning::SLOTS;

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolPhase {
    Open,
    /// Takes nothing new; finishes what it has.
    Joining,
    Closed,
    Terminated,
}

/// What has happened. A worker is named by its seat, a parcel by its number in that worker's lane.
#[derive(Debug)]
pub(crate) enum Event<B> {
    /// A caller hands a batch over. `is_awaited`: some caller waits for outcomes, so that none is held back.
    Submitted { batch: B, is_awaited: bool },
    /// The driver begins to look at the lanes.
    LooksAtLanes,
    /// How far a worker is with what it holds, in order; and whether it has passed by what was revoked.
    Seen { worker: usize, readings: [Reading; SLOTS], has_passed: bool },
    /// A parcel was [taken in](State::take_ended), which ran so long.
    Ended { worker: usize, parcel: u64, elapsed: Duration },
    /// The driver has looked: what waits may be handed out.
    HandOut,
    /// A parcel could not be given to its worker.
    NotGiven { worker: usize, parcel: u64, why: GiveRefusal },
    /// A worker was asked for a parcel: whether it is back.
    Revoked { worker: usize, parcel: u64, is_back: bool },
    /// A worker was asked to leave items of a parcel: how many it runs at most; `None` where that cannot be told.
    Divided { worker: usize, parcel: u64, kept: Option<usize> },
    /// A process was started for a seat.
    Seated { worker: usize },
    /// No process could be started.
    StartFailed(StartError),
    /// A worker can work. `divides`: its parcels can be divided.
    Ready { worker: usize, divides: bool },
    /// A worker is gone, and what it had done was delivered. `reached`: how far it had come with each parcel, where that can be
    /// told; `start_error`: why it did not become a worker, unless it is to be replaced without a word.
    Gone { worker: usize, death: Death, reached: [Option<Reached>; SLOTS], start_error: Option<StartError> },
    /// The words of a worker's lane were written over.
    Spoilt { worker: usize },
    /// A worker is another user's than the program is by now.
    Foreign { worker: usize },
    /// The handle of a call has signalled the worker that runs it.
    Signalled { worker: usize, sent: Sent },
    /// The outcomes of some batches are not wanted any more; those that wait do so at these places.
    Abandoned { places: Vec<Place> },
    /// The program's user may have changed (`true`), or was looked up (`false`).
    OwnerDoubted(bool),
    /// Time has passed: what has run into a deadline is killed.
    Time,
}

/// Why a parcel could not be given to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GiveRefusal {
    /// The worker is gone, or has closed its channel.
    CutOff,
    /// The worker's channel has no room just now.
    Full,
    /// The program's user may have changed.
    OwnerDoubted,
    /// The words of its lane were written over.
    Spoilt,
    /// The system refused this process, or the message is too large. `partly`: some of its handles are on their way.
    Here { partly: bool },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Write a parcel into a worker's lane.
    Give {
        worker: usize,
        parcel: u64,
    },
    /// Deliver what a parcel gave, which has ended.
    TakeIn {
        worker: usize,
        parcel: u64,
    },
    /// Deliver what a parcel has given so far, of its first `done` items.
    TakeSoFar {
        worker: usize,
        parcel: u64,
        done: usize,
    },
    /// Ask a worker to leave something to others, then hand out again.
    Ask(Ask),
    /// Tell a worker to end a parcel after the item that it is on.
    Cancel {
        worker: usize,
        parcel: u64,
    },
    Kill {
        worker: usize,
    },
    /// Tell a worker to end within so long.
    Stop {
        worker: usize,
        grace: Duration,
    },
    /// End what a worker has started in its group.
    EndGroup {
        worker: usize,
    },
    /// Wake the driver then.
    Arm(Instant),
}

/// Why a batch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchFailure {
    /// No worker serves, and none could be started.
    NoWorkers,
    /// The pool has ended.
    Terminated,
    /// Its caller has withdrawn it.
    Cancelled,
    /// It could not be handed to any worker.
    NotGiven,
    /// Its worker died with it; `started`: how many items, or steps of a merge, the worker had begun.
    Died { cause: BlameCause, started: usize },
}

/// What follows from an event.
#[derive(Debug)]
pub(crate) struct Effects<B> {
    pub(crate) actions: VecDeque<Action>,
    /// Batches that fail as a whole, with the items' attempts counted.
    pub(crate) failed: Vec<(B, BatchFailure)>,
}

impl<B> Default for Effects<B> {
    fn default() -> Self {
        Self { actions: VecDeque::new(), failed: Vec::new() }
    }
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Queued,
    /// In this parcel of this worker, as this item of it.
    Held {
        worker: usize,
        parcel: u64,
        item: usize,
    },
}

/// When the reactor is to hear the workers while no caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    Never,
    /// Once a worker has nothing to do.
    WhenIdle,
    /// At every end of a parcel.
    Always,
}

/// What has happened so far, in numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) retried: u64,
    pub(crate) restarts: u64,
    pub(crate) recycled: u64,
    /// How long workers ran parcels that have ended, well or not.
    pub(crate) busy: Duration,
    /// How long workers that are gone had nothing to run.
    pub(crate) idle: Duration,
}
