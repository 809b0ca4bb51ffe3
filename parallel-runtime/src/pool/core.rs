//! What a pool's lock guards: the state, the lines to the workers, and how callers wait.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::Line;
use super::owner::Ownership;
use super::state::load::Load as _;
use super::state::rules::Rules;
use super::state::waiters::{Ticket, Waiters};
use super::state::{Attention, Effects, Event, PoolPhase, State};
use super::stats::PoolStats;
use crate::ending;
use crate::engine::batch::Batch;
use crate::engine::waiter::{Hearers, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::lane::bell::Listener;
use crate::run::registry::Entry;
use crate::tuning;
use crate::wire::payload::Payload;

/// What the builder was told.
pub(crate) struct Settings {
    pub(crate) workers: usize,
    pub(crate) tasks_per_worker: Option<usize>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) initializer: Option<Initializer>,
    /// How long a worker may take until it can work.
    pub(crate) start_timeout: Duration,
}

/// What every worker runs before its first task.
pub(crate) struct Initializer {
    pub(crate) entry: &'static Entry,
    pub(crate) arguments: Payload,
    /// Tells whether its result is an `Err`, and what that says.
    pub(crate) check: fn(&Payload) -> std::result::Result<(), String>,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) state: State<Box<Batch>>,
    /// The line to the worker in each seat.
    pub(crate) lines: Vec<Option<Line>>,
    pub(super) effects: Effects<Box<Batch>>,
    pub(super) waiters: Waiters<Arc<Waiter>>,
    /// Those of them that wait for the pool itself, not for an outcome.
    pub(super) curious: Hearers,
    pub(super) listener: Listener,
    /// The earliest alarm that is set.
    pub(super) armed: Option<Instant>,
    /// Who is to hear of what was done, once the lock is free.
    pub(super) hearers: Hearers,
    /// Whether something has changed that the curious wait for: a worker, or what is left to do.
    pub(super) news: bool,
    pub(super) ownership: Ownership,
    /// Whether a worker may be owed word of handles that it is to drop.
    pub(super) owing: bool,
    /// What the driver itself counts: outcomes and starts.
    pub(super) counts: PoolStats,
    /// Why the latest parcel could not be given to a worker.
    pub(super) not_given: String,
    /// For the heads of parcels.
    pub(super) head: Vec<u8>,
}

impl Core {
    pub(super) fn new(workers: usize, rules: Rules) -> Self {
        Self {
            lines: std::iter::repeat_with(|| None).take(workers).collect(),
            state: State::new(workers, rules),
            effects: Effects::default(),
            waiters: Waiters::default(),
            curious: Hearers::default(),
            listener: Listener::Nobody,
            armed: None,
            hearers: Hearers::default(),
            news: false,
            ownership: Ownership::default(),
            owing: false,
            counts: PoolStats::default(),
            not_given: String::new(),
            head: Vec::new(),
        }
    }

    /// Has the state handle an event. What follows from it is added to the effects.
    pub(super) fn handle(&mut self, event: Event<Box<Batch>>, now: Instant) {
        self.state.handle(event, now, &mut self.effects);
    }

    /// Tells workers which handles they are to drop, as far as their channels have room.
    pub(super) fn remind(&mut self) {
        if self.owing {
            self.lines.iter_mut().flatten().for_each(Line::remind);
            self.owing = self.lines.iter().flatten().any(Line::is_owed);
        }
    }

    /// Whether a worker has finished a parcel that was not taken in. While calls are held back, an awake worker does not count:
    /// it rings before it sleeps.
    pub(super) fn any_done(&self) -> bool {
        let holds_back = self.state.is_holding_back();
        self.state.seats.engaged().any(|(index, worker)| {
            let Some(line) = &self.lines[index] else { return false };
            let front = worker.held.front().filter(|_| !worker.life.is_spoilt());
            front.is_some_and(|held| (!holds_back || line.lane.is_asleep()) && line.lane.is_done(held.number))
        })
    }

    /// The busy workers, and how long the first parcel of each takes, by what its function took before.
    fn at_work(&self) -> impl Iterator<Item = (&Line, Option<Duration>)> {
        self.state.seats.engaged().filter_map(|(index, worker)| {
            let batch = &worker.held.front()?.batch;
            let items = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            Some((self.lines[index].as_ref()?, batch.pace.map(|pace| pace.saturating_mul(items))))
        })
    }

    /// Whether a parcel that runs takes no longer than a short map, by what its function took before.
    pub(super) fn ends_soon(&self) -> bool {
        self.at_work().any(|(_, time)| time.is_some_and(|time| time <= tuning::ONE_WORKER_TIME))
    }

    /// Whether a worker with a long parcel may be waiting for this very core: then yielding to it pays.
    pub(super) fn shares_core(&self) -> bool {
        let is_long = |time: Option<Duration>| time.is_none_or(|time| time >= tuning::WORTH_A_SWITCH);
        self.at_work().any(|(line, time)| is_long(time) && line.lane.may_share_core())
    }

    /// How many workers have something, up to `most`.
    pub(super) fn busy(&self, most: usize) -> usize {
        self.state.seats.engaged().filter(|(_, worker)| !worker.held.is_empty()).take(most).count()
    }

    /// A caller waits no more: the one that leads in its place is woken.
    pub(super) fn stop_waiting(&mut self, ticket: Ticket) {
        if let Some(leader) = self.waiters.leave(ticket) {
            self.hearers.add(leader);
        }
    }

    /// Whether the process in a seat is this one.
    pub(super) fn sits(&self, index: usize, pid: u32) -> bool {
        self.lines[index].as_ref().is_some_and(|line| line.child.pid() == pid)
    }

    /// Refuses new work where the pool takes none.
    pub(super) fn check_open(&self) -> Result<()> {
        ending::check()?;
        match self.state.phase {
            PoolPhase::Open => Ok(()),
            PoolPhase::Joining | PoolPhase::Closed => Err(Error::new(ErrorKind::Closed)),
            PoolPhase::Terminated => Err(Error::new(ErrorKind::Terminated)),
        }
    }

    /// Which listener the bell needs while no caller leads.
    pub(super) fn unattended(&self) -> Listener {
        match self.state.attention() {
            Attention::Never => Listener::Nobody,
            Attention::WhenIdle => Listener::ReactorWhenIdle,
            Attention::Always => Listener::Reactor,
        }
    }
}
