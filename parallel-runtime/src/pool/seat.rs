//! A seat: one worker of a pool, from its start to its end, with what it holds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Batch;
use crate::config;
use crate::error::{Error, ErrorKind};
use crate::job::{MAY_RUN_ON, error_of_end};
use crate::lane::Lane;
use crate::process::control::Delivery;
use crate::process::launch::Way;
use crate::process::peer::Refused;
use crate::process::reactor::Child;
use crate::process::transfer::{Known, Store};
use crate::sys::memory::Block;
use crate::wire::payload::Payload;

/// A worker, from its start to its end.
pub(crate) struct Seat {
    pub(crate) child: Arc<Child>,
    pub(crate) lane: Lane,
    pub(crate) born: Instant,
    /// Since when its first parcel is the first.
    pub(crate) front_since: Instant,
    /// It has reported in, and its initializer has run.
    pub(crate) ready: bool,
    /// It was told to stop when it has finished what it holds, and is killed at this time if it has not.
    pub(crate) stop_by: Option<Instant>,
    /// Its channel is closed at its end: it is dead, or a task has closed what it found.
    pub(crate) cut_off: bool,
    /// Its channel had no room when something was last sent there, since the latest pump.
    pub(crate) full: bool,
    /// The handles that it is still to be told to drop, for which its channel had no room.
    pub(crate) owed: Vec<u64>,
    /// It gets nothing more, because the program is another's by now, and is stopped once it has finished what it runs.
    pub(crate) retires: bool,
    pub(crate) in_hand: VecDeque<InHand>,
    /// How many more tasks it may take.
    pub(crate) budget: Option<usize>,
    /// Entries that were too large for the lane, by parcel and item.
    pub(crate) large: HashMap<(u64, u32), Large>,
    /// The handles that came ahead of reports.
    pub(crate) store: Store,
    /// The shared memory that it keeps.
    pub(crate) known: Known,
    /// The handles that were sent to it anew, with the parcels in hand that name them.
    pub(crate) handed: Vec<(u64, u64)>,
    pub(crate) killed_for: Option<KilledFor>,
    /// Why it could not be ended, where it could not: it may run on, and nothing is to be heard of it any more.
    pub(crate) lost: Option<io::Error>,
    /// The parcel and the item in it whose handle asked for a signal, and the signal.
    pub(crate) signalled: Option<(u64, usize, i32)>,
    /// The panic it dies of, where the program is built with `panic = "abort"`.
    pub(crate) last_words: Option<Error>,
    /// What it said when it could not start.
    pub(crate) refusal: Option<StartError>,
    pub(crate) busy: Duration,
    /// How long its latest parcel ran; `None` before the first.
    pub(crate) latest: Option<Duration>,
    /// What a large parcel travelled in, for the next one.
    pub(crate) block: Option<Spare>,
}

/// A block that was used before.
pub(crate) struct Spare {
    pub(crate) block: Block,
    /// The parcel that it holds, or held.
    pub(crate) number: u64,
    pub(crate) since: Instant,
}

/// An entry of a reply that travelled beside the lane.
pub(crate) struct Large {
    pub(crate) entry: Payload,
    /// It is a failure, not a value.
    pub(crate) failed: bool,
}

/// A batch in a worker's lane.
pub(crate) struct InHand {
    pub(crate) number: u64,
    /// The items of which nothing has been delivered yet.
    pub(crate) batch: Batch,
    /// How many items of the parcel stand before those.
    pub(crate) delivered: usize,
}

/// Why we killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KilledFor {
    /// This item of this parcel ran too long.
    Timeout { number: u64, item: usize },
    /// It did not report in.
    Start,
    /// It did not stop.
    Stop,
    /// Something in it wrote over its lane.
    Spoilt,
}

impl Seat {
    /// Takes the parcel at `at` of those in hand back, unless the worker has taken it up.
    pub(crate) fn take_back(&mut self, at: usize) -> Option<Batch> {
        if !self.lane.revoke(self.in_hand.get(at)?.number) {
            return None;
        }
        if at == 0 {
            self.front_since = Instant::now();
        }
        let hand = self.in_hand.remove(at)?;
        if let Some(budget) = &mut self.budget {
            *budget += hand.batch.cost();
        }
        self.forget_handed(hand.number);
        Some(hand.batch)
    }

    /// Tells the worker to drop what it was sent with a parcel that it will not run.
    pub(crate) fn forget_handed(&mut self, number: u64) {
        let (its, others): (Vec<_>, Vec<_>) = self.handed.drain(..).partition(|(parcel, _)| *parcel == number);
        self.handed = others;
        its.iter().for_each(|(_, id)| self.forget(*id));
    }

    /// Tells the worker to drop a handle that it was sent.
    pub(crate) fn forget(&mut self, id: u64) {
        self.owed.push(id);
        self.remind();
    }

    /// Tells the worker to drop what it is still to be told to, as far as its channel has room: one that is stopped, or at a
    /// long task, does not read.
    pub(crate) fn remind(&mut self) {
        let before = self.owed.len();
        while let Some(&id) = self.owed.last() {
            match self.child.control().send(&Delivery::Forget(id), &[], false) {
                Err(error) if Refused::of(&error) == Refused::Full => break,
                // What cannot be told to a worker that is gone needs not be told.
                _ => self.owed.pop(),
            };
        }
        if self.owed.len() < before {
            self.lane.announce_mail();
        }
    }

    /// How long what it holds has run. What a worker says is bounded by what can be: it may scribble.
    pub(crate) fn running(&self) -> Duration {
        let ran: Duration = self
            .in_hand
            .iter()
            .map(|hand| self.lane.ran(hand.number))
            .fold(Duration::ZERO, |sum, ran| sum.saturating_add(ran));
        ran.min(self.born.elapsed().saturating_sub(self.busy))
    }

    /// How long it had nothing to run.
    pub(crate) fn idle(&self) -> Duration {
        self.born.elapsed().saturating_sub(self.busy).saturating_sub(self.running())
    }

    /// How long its first parcel has run, or has waited for it to take it up.
    pub(crate) fn at_front(&self, hand: &InHand) -> Duration {
        match self.lane.ran(hand.number) {
            Duration::ZERO => self.front_since.elapsed(),
            ran => ran,
        }
    }

    /// Whether it works on brief items, as far as it is known by now: the parcel has not run for so long.
    pub(crate) fn is_briefly_at_work(&self, limit: Duration) -> bool {
        self.in_hand.front().is_some_and(|hand| hand.batch.brief && self.at_front(hand) < limit)
    }

    /// Whether it is a copy of the zygote that has said nothing and that nobody here has ended.
    pub(super) fn is_silent_copy(&self) -> bool {
        let has_spoken = self.ready || self.refusal.is_some();
        let was_ended = self.killed_for.is_some() || self.stop_by.is_some() || self.lost.is_some();
        self.child.way() == Way::Forked && !has_spoken && !was_ended
    }

    /// The error of what it was at, once it is gone: `status` is how it ended, if it did.
    pub(crate) fn error_of_end(&self, status: Option<ExitStatus>) -> Error {
        match &self.lost {
            Some(error) => {
                Error::new(ErrorKind::Signal(io::Error::new(error.kind(), error.to_string()))).with_note(MAY_RUN_ON)
            }
            None => error_of_end(status),
        }
    }

    /// How many parcels it holds, if it takes any.
    pub(crate) fn capacity(&self) -> Option<usize> {
        let ahead = self.in_hand.is_empty() || self.latest.is_some_and(|latest| latest < config::AHEAD_BELOW);
        let stays = self.stop_by.is_none() && self.killed_for.is_none() && !self.retires && !self.full;
        let takes = self.ready && stays && self.budget != Some(0) && ahead && self.lane.has_room();
        takes.then_some(self.in_hand.len())
    }
}

/// Why workers cannot start.
#[derive(Debug, Clone)]
pub(crate) struct StartError {
    pub(crate) kind: io::ErrorKind,
    pub(crate) text: String,
    /// Another try gives the same.
    pub(crate) for_good: bool,
    /// The end that somebody brought about.
    pub(crate) ended_by: Option<ExitStatus>,
    /// A worker has died, which the next one need not: the pool is not given up for one.
    pub(crate) may_pass: bool,
}

impl StartError {
    /// A worker that could not work.
    pub(crate) fn of(kind: io::ErrorKind, text: String) -> Self {
        Self { kind, text, for_good: false, ended_by: None, may_pass: false }
    }

    pub(crate) fn to_error(&self) -> Error {
        if self.ended_by.is_some() {
            return error_of_end(self.ended_by).with_note(self.text.clone());
        }
        Error::new(ErrorKind::Start(io::Error::new(self.kind, self.text.clone())))
    }
}
