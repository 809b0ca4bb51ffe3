//! A seat: one worker of a pool, from its start to its end, with what it holds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::state::blame::{Death, Ending, Sent};
use super::state::life::{Killed, Life};
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
use crate::sys::process;
use crate::wire::payload::Payload;

/// A worker, from its start to its end.
pub(crate) struct Seat {
    pub(crate) child: Arc<Child>,
    pub(crate) lane: Lane,
    pub(crate) born: Instant,
    /// Since when its first parcel is the first.
    pub(crate) front_since: Instant,
    pub(crate) life: Life,
    /// Its channel had no room when something was last sent there, since the latest pump.
    pub(crate) full: bool,
    /// The handles that it is still to be told to drop, for which its channel had no room.
    pub(crate) owed: Vec<u64>,
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
    /// Why it could not be ended, where it could not.
    pub(crate) lost: Option<io::Error>,
    /// The latest signal that a call's handle asked for.
    pub(crate) signalled: Option<Sent>,
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
        self.child.way() == Way::Forked && self.life == Life::Starting && self.refusal.is_none()
    }

    /// Whether the pool killed it because something in it wrote over its lane, in which nothing is believed then.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.life.killed() == Some(Killed::Spoilt)
    }

    /// Kills it, and notes why, unless it was killed before.
    pub(crate) fn kill(&mut self, why: Killed) {
        if self.life.kill(why) {
            self.child.end();
        }
    }

    /// What is known of its death.
    pub(crate) fn death(&self, status: Option<ExitStatus>) -> Death {
        let ending = match (&self.lost, status) {
            (Some(_), _) => Ending::Runs,
            (None, None) => Ending::Unknown,
            (None, Some(status)) => match process::deadly_signal(status) {
                Some((signal, _)) => Ending::Signal(signal),
                None => Ending::Exited { success: status.success() },
            },
        };
        Death {
            ending,
            killed: self.life.killed(),
            sent: self.signalled,
            has_served: self.latest.is_some(),
            told_panic: self.last_words.is_some(),
        }
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
        let takes =
            self.life == Life::Serving && !self.full && self.budget != Some(0) && ahead && self.lane.has_room();
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
