//! A worker's process as it is: what is in its lane, and how far it has come, whatever the pool believes.

use std::time::Duration;

use crate::state::blame::Ending;
use crate::tuning::SLOTS;

/// A slot of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    Empty,
    Filled(Parcel),
    Running(Parcel),
    Done(Parcel),
    Revoked,
}

/// A parcel in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) number: u64,
    pub(crate) items: Vec<usize>,
    /// The worker starts no item from this one on.
    pub(crate) limit: usize,
    pub(crate) started: usize,
    pub(crate) done: usize,
    pub(crate) begun: Duration,
    pub(crate) item_since: Duration,
}

/// What a process does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    ReportIn,
    /// Take a parcel up, or pass by one that was revoked.
    Take,
    Start,
    Finish,
    EndParcel,
    Exit,
}

#[derive(Debug)]
pub(crate) struct Process {
    /// Different from all others.
    pub(crate) name: u64,
    pub(crate) starts_at: Duration,
    pub(crate) ready: bool,
    pub(crate) slots: [Slot; SLOTS],
    /// The number of the parcel that it takes next.
    pub(crate) next: u64,
    pub(crate) told_to_stop: bool,
    /// A kill is on its way.
    pub(crate) killed: bool,
    /// When the pool decided to kill it.
    pub(crate) kill_decided: Option<Duration>,
    /// A signal of a handle is on its way.
    pub(crate) signalled: Option<i32>,
    /// Something wrote over its lane.
    pub(crate) spoilt: bool,
    /// A task has closed its channel.
    pub(crate) cut_off: bool,
    /// Its channel is full.
    pub(crate) full: bool,
    /// It is dead, and nobody knows yet.
    pub(crate) ended: Option<Ending>,
    /// How many items it has started.
    pub(crate) ran: usize,
}

impl Process {
    pub(crate) fn new(name: u64, starts_at: Duration) -> Self {
        Self {
            name,
            starts_at,
            ready: false,
            slots: std::array::from_fn(|_| Slot::Empty),
            next: 0,
            told_to_stop: false,
            killed: false,
            kill_decided: None,
            signalled: None,
            spoilt: false,
            cut_off: false,
            full: false,
            ended: None,
            ran: 0,
        }
    }

    pub(crate) fn slot(&mut self, number: u64) -> &mut Slot {
        &mut self.slots[(number % SLOTS as u64) as usize]
    }

    /// The parcel that it runs.
    pub(crate) fn running(&self) -> Option<&Parcel> {
        self.slots.iter().find_map(|slot| match slot {
            Slot::Running(parcel) => Some(parcel),
            _ => None,
        })
    }

    /// The item that is under way.
    pub(crate) fn under_way(&self) -> Option<usize> {
        let parcel = self.running()?;
        (parcel.started > parcel.done).then(|| parcel.items[parcel.started - 1])
    }

    /// What it does next; `None`: it waits, or is dead. `lasts`: how long an item takes. And when it can do it.
    pub(crate) fn next_step(&self, lasts: impl Fn(usize) -> Duration) -> Option<(Step, Duration)> {
        if self.ended.is_some() {
            return None;
        }
        if !self.ready {
            return Some((Step::ReportIn, self.starts_at));
        }
        if let Some(parcel) = self.running() {
            if parcel.started > parcel.done {
                let at = parcel.item_since.saturating_add(lasts(parcel.items[parcel.started - 1]));
                return Some((Step::Finish, at));
            }
            let is_over = parcel.done >= parcel.items.len().min(parcel.limit);
            return Some((if is_over { Step::EndParcel } else { Step::Start }, Duration::ZERO));
        }
        match &self.slots[(self.next % SLOTS as u64) as usize] {
            Slot::Filled(_) | Slot::Revoked => Some((Step::Take, Duration::ZERO)),
            Slot::Empty | Slot::Done(_) | Slot::Running(_) if self.told_to_stop => Some((Step::Exit, Duration::ZERO)),
            Slot::Empty | Slot::Done(_) | Slot::Running(_) => None,
        }
    }
}
