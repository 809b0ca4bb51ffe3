//! The state of a pool, behind its one lock, and how callers come and go.
//!
//! Whoever holds the lock may *pump* (see [`dispatch`](super::dispatch)): take in what workers have finished and hand
//! out what waits. There is no thread for that. A caller who waits for an outcome pumps and then sleeps on the bell; he
//! *leads*, and others who wait meanwhile follow him on a condition variable. When nobody leads and there is something
//! to hand out, the workers call the reactor instead.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::seat::{Seat, StartError};
use super::stats::PoolStats;
use crate::bell::{Bell, Listener};
use crate::config;
use crate::ending;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Callback, run_callbacks};
use crate::memory::layout::crowd;
use crate::poison::{lock, wait};
use crate::process::caller::Caller;
use crate::process::reactor::{self, Pulse, Reactor};
use crate::process::spares;
use crate::registry::Entry;
use crate::sys::owner::Known;
use crate::wire::payload::Payload;

/// What the builder was told.
pub(crate) struct Settings {
    pub(crate) workers: usize,
    pub(crate) tasks_per_worker: Option<usize>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) initializer: Option<Initializer>,
    /// `None`: as the environment says at each start.
    pub(crate) start_timeout: Option<Duration>,
}

impl Settings {
    /// How long a worker may take until it can work.
    pub(crate) fn start_timeout(&self) -> Duration {
        self.start_timeout.unwrap_or_else(config::start_timeout)
    }
}

/// What every worker runs before its first task.
pub(crate) struct Initializer {
    pub(crate) entry: &'static Entry,
    pub(crate) arguments: Payload,
    /// Tells whether its result is an `Err`, and what that says.
    pub(crate) check: fn(&Payload) -> std::result::Result<(), String>,
}

/// A pool, shared by its owner, its callers and the reactor.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// The thread that made the pool.
    pub(crate) caller: Arc<Caller>,
    pub(crate) bell: Bell,
    pub(crate) reactor: &'static Reactor,
    /// This very pool, for whom it hands itself to.
    pub(crate) me: Weak<Shared>,
    core: Mutex<Core>,
    followers: Condvar,
    /// How many cores there are, to know whether one is free to spin on.
    pub(crate) cores: usize,
}

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Takes nothing new; finishes what it has.
    Joining,
    Closed,
    Terminated,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) phase: Phase,
    pub(crate) queue: VecDeque<Batch>,
    pub(crate) seats: Vec<Option<Seat>>,
    /// Whether a caller waits on the bell.
    pub(super) led: bool,
    /// How many callers follow the one who leads.
    following: usize,
    listener: Listener,
    pub(crate) stats: PoolStats,
    /// Starts that failed since the last that went well.
    pub(crate) start_failures: u32,
    /// What the latest of them said.
    pub(crate) start_error: Option<StartError>,
    /// What the first of all said, for who makes the pool: another worker's good start does not mend it.
    pub(crate) first_error: Option<StartError>,
    /// Whether calls fail with the latest until the seats are tried again, rather than wait.
    pub(crate) hopeless: bool,
    /// The empty seats for which a deputy starts a worker.
    pub(crate) awaited: BTreeSet<usize>,
    /// When the empty seats are tried again.
    pub(crate) retry_at: Option<Instant>,
    /// The earliest alarm that is set.
    pub(crate) armed: Option<Instant>,
    /// What to run when the lock is free.
    pub(crate) callbacks: Vec<Callback>,
    /// Whether an outcome has arrived, or something else has changed that somebody may wait for.
    pub(crate) news: bool,
    /// How long an item of the function that ended last took.
    pub(crate) pace: Option<(&'static Entry, Duration)>,
    /// A parcel of brief items that has run for so long is divided, and others are called.
    pub(super) brief_for: Duration,
    /// What waits in the queue waits for company only.
    pub(super) awaits: bool,
    /// How many workers have served in each seat and are gone.
    pub(super) generations: Vec<u32>,
    /// Whose workers are, started now; `None` where that cannot change.
    pub(super) owner: Option<Known>,
    /// Somebody has found the program to be another's, and the reactor has yet to look into it.
    pub(super) owner_in_doubt: bool,
    /// For writing the heads of parcels.
    pub(crate) scratch: Vec<u8>,
}

impl Core {
    fn new(workers: usize, cores: usize) -> Self {
        Self {
            phase: Phase::Open,
            queue: VecDeque::new(),
            seats: std::iter::repeat_with(|| None).take(workers).collect(),
            led: false,
            following: 0,
            listener: Listener::Nobody,
            stats: PoolStats::default(),
            start_failures: 0,
            start_error: None,
            first_error: None,
            hopeless: false,
            awaited: BTreeSet::new(),
            retry_at: None,
            armed: None,
            callbacks: Vec::new(),
            news: false,
            pace: None,
            brief_for: if workers > cores { config::BRIEF_FOR } else { config::SHARED_AFTER },
            awaits: false,
            generations: vec![0; workers],
            owner: None,
            owner_in_doubt: false,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn seated(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().flatten()
    }

    /// Whether so many workers are at brief items that another would only be in their way.
    pub(crate) fn has_enough(&self, enough: usize) -> bool {
        let brief = |seat: &&Seat| seat.is_briefly_at_work(self.brief_for);
        self.seats.len() > enough && self.seated().filter(brief).nth(enough - 1).is_some()
    }

    /// Whether a worker has finished a parcel that was not taken in. While a call waits for company, one that is awake does
    /// not count: it calls before it sleeps.
    fn any_done(&self) -> bool {
        self.seated()
            .filter(|seat| !seat.is_spoilt())
            .filter(|seat| !self.awaits || seat.lane.is_asleep())
            .any(|seat| seat.in_hand.front().is_some_and(|hand| seat.lane.is_done(hand.number)))
    }

    /// Whether a parcel that runs takes no longer than a short map, by what its function took before.
    fn ends_soon(&self) -> bool {
        self.at_work().any(|(_, time)| time.is_some_and(|time| time <= config::WHOLE_MAP_TIME))
    }

    /// Whether a worker may be waiting for this very core, and it is worth giving way to it.
    fn shares_core(&self) -> bool {
        let is_long = |time: Option<Duration>| time.is_none_or(|time| time >= config::WORTH_A_SWITCH);
        self.at_work().any(|(seat, time)| is_long(time) && seat.lane.may_share_core())
    }

    /// The workers that have something, and how long the first of it takes, by what its function took before.
    fn at_work(&self) -> impl Iterator<Item = (&Seat, Option<Duration>)> {
        self.seated().filter_map(|seat| {
            let batch = &seat.in_hand.front()?.batch;
            let items = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            Some((seat, self.pace_of(batch).map(|pace| pace.saturating_mul(items))))
        })
    }

    /// How long an item of this batch takes, if the latest that ended was of its function.
    pub(super) fn pace_of(&self, batch: &Batch) -> Option<Duration> {
        let (known, pace) = self.pace?;
        batch.entry.is_some_and(|entry| std::ptr::eq(known, entry)).then_some(pace)
    }

    /// Whether no worker serves, and another try to start one is some time off.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless && !self.seated().any(|seat| seat.life.has_reported_in())
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.seated().all(|seat| seat.in_hand.is_empty())
    }

    /// Whether its empty seats are to be filled.
    pub(super) fn needs_workers(&self) -> bool {
        self.phase == Phase::Open || (self.phase == Phase::Joining && !self.is_drained())
    }

    /// Who must hear the workers although nobody waits for them here.
    pub(crate) fn unattended(&self) -> Listener {
        let mut in_hand = self.seated().flat_map(|seat| &seat.in_hand);
        if in_hand.any(|hand| hand.batch.is_watched()) {
            // Somebody is to be called as soon as it has ended.
            return Listener::Reactor;
        }
        let waits = !self.queue.is_empty()
            || self.seated().any(|seat| seat.budget.is_some() && !seat.in_hand.is_empty())
            // Should another worker have nothing first, the second parcel is to go there.
            || (self.seats.len() > 1 && self.seated().any(|seat| seat.in_hand.len() > 1))
            || self.can_divide();
        if waits { Listener::ReactorWhenIdle } else { Listener::Nobody }
    }

    /// Refuses new work where the pool takes none.
    pub(crate) fn check_open(&self) -> Result<()> {
        ending::check()?;
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Joining | Phase::Closed => Err(Error::new(ErrorKind::Closed)),
            Phase::Terminated => Err(Error::new(ErrorKind::Terminated)),
        }
    }
}

/// Users' code that may panic, iterators and `Serialize`, runs while nobody holds the lock.
impl UnwindSafe for Shared {}
impl RefUnwindSafe for Shared {}

impl Shared {
    pub(crate) fn new(settings: Settings, caller: Caller, bell: Bell, reactor: &'static Reactor) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Arc::new_cyclic(|me| Self {
            core: Mutex::new(Core::new(settings.workers, cores)),
            followers: Condvar::new(),
            settings,
            caller: Arc::new(caller),
            bell,
            reactor,
            me: me.clone(),
            cores,
        });
        let pulse: Weak<dyn Pulse> = Arc::<Self>::downgrade(&shared);
        reactor.look_after(pulse);
        spares::look_after();
        shared
    }

    /// Takes the lock; when the guard goes, whoever should know of what was done hears of it. Not for a forked process: the
    /// lock may be held there by a thread that stayed behind.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered { shared: self, core: Some(lock(&self.core)) }
    }

    /// How long an item of this function took, if it was the latest that ended.
    pub(crate) fn pace(&self, entry: &'static Entry) -> Option<Duration> {
        // A forked process is told when it sends something.
        reactor::check_not_forked().ok()?;
        let core = self.enter();
        // Where it proves wrong, what was not started must be divided.
        let mends = core.seated().any(|seat| seat.lane.is_divisible());
        core.pace.filter(|(known, _)| mends && std::ptr::eq(*known, entry)).map(|(_, pace)| pace)
    }

    /// How many workers keep all cores busy with brief items.
    pub(crate) fn enough(&self) -> usize {
        self.cores.saturating_mul(config::BUSY_PER_CORE)
    }

    /// Adds a batch, and starts it if a worker is free.
    pub(crate) fn add(&self, batch: Batch) -> Result<()> {
        reactor::check_not_forked().map_err(|error| Error::new(ErrorKind::Start(error)))?;
        let mut core = self.enter();
        core.check_open()?;
        let waits = core.awaits_company(&batch);
        // Whoever is to look after what waits was told when the first began to.
        let settled = waits && !core.queue.is_empty();
        core.queue.push_back(batch);
        if settled {
            core.leave();
        } else if waits {
            core.awaits = true;
        } else {
            self.pump(&mut core);
        }
        Ok(())
    }

    /// Waits until `check` finds something, or until `deadline`.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut(&Core) -> Option<T>,
    ) -> Option<T> {
        let mut core = self.enter();
        let mut leads = false;
        let found = loop {
            self.pump(&mut core);
            let found = check(&core);
            if found.is_some() {
                break found;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break None;
            }
            if !core.callbacks.is_empty() {
                // They may wait for this very pool: nobody leads meanwhile.
                if leads {
                    core.led = false;
                    leads = false;
                }
                core = self.release_and_enter(core);
                continue;
            }
            if !leads && !core.led {
                core.led = true;
                leads = true;
            }
            core = if leads { self.lead(core, left) } else { self.follow(core, left) };
        };
        if leads {
            core.led = false;
            core.news = true;
        }
        found
    }

    fn release_and_enter(&self, core: Entered<'_>) -> Entered<'_> {
        drop(core);
        self.enter()
    }

    /// Sleeps until a worker rings.
    fn lead<'a>(&'a self, mut core: Entered<'a>, left: Option<Duration>) -> Entered<'a> {
        let rings = self.bell.rings();
        self.listen(&mut core, Listener::Caller);
        if core.any_done() {
            return core;
        }
        let busy = core.seated().filter(|seat| !seat.in_hand.is_empty()).count();
        let looks = match () {
            () if busy >= self.cores => 0,
            // To fall asleep would take longer.
            () if core.ends_soon() => config::LOOKS_WHILE_SHORT,
            () => 1,
        };
        let crowd = if core.shares_core() { crowd::CROWD } else { crowd::ROOM };
        let timeout = core.look_again().min(left.unwrap_or(Duration::MAX));
        // The news are this caller's own doing: only those who follow have not heard of them.
        self.tell_followers(&mut core);
        drop(core);
        self.bell.wait(rings, timeout, looks, crowd);
        let mut core = self.enter();
        self.listen(&mut core, Listener::Nobody);
        core
    }

    /// Sleeps until the one who leads has news.
    fn follow<'a>(&'a self, mut core: Entered<'a>, left: Option<Duration>) -> Entered<'a> {
        self.tell_followers(&mut core);
        core.following += 1;
        let guard = core.core.take();
        drop(core);
        let guard = guard.map(|guard| wait(&self.followers, guard, left));
        let mut core = Entered { shared: self, core: guard };
        core.following -= 1;
        core
    }

    /// Tells those who follow of the news; whether there were any.
    fn tell_followers(&self, core: &mut Core) -> bool {
        let news = std::mem::take(&mut core.news);
        if news && core.following > 0 {
            self.followers.notify_all();
        }
        news
    }

    /// Says again who listens, in case somebody wrote over it; the workers' heartbeat.
    pub(crate) fn listen_again(&self, core: &Core) {
        self.bell.listen(core.listener);
    }

    fn listen(&self, core: &mut Core, who: Listener) {
        if core.listener != who {
            core.listener = who;
            self.bell.listen(who);
        }
    }

    /// Before the lock goes: arranges who hears the workers, and tells whoever waits of the news.
    fn settle(&self, core: &mut Core) {
        core.awaits &= !core.queue.is_empty();
        if !core.led {
            let mut listener = core.unattended();
            self.listen(core, listener);
            while listener != Listener::Nobody && core.any_done() {
                self.pump(core);
                // What it handed out may need another listener.
                listener = core.unattended();
                self.listen(core, listener);
            }
            if listener != Listener::Nobody {
                // A ring may be lost where a worker has written over the bell.
                self.arm(core, Instant::now() + core.look_again());
            }
        }
        if self.tell_followers(core) && core.led {
            self.bell.ring();
        }
    }
}

impl Pulse for Shared {
    fn forget(&self, id: u64) {
        let mut core = self.enter();
        for seat in core.seats.iter_mut().flatten() {
            if seat.known.remove(&id) {
                seat.forget(id);
            }
        }
    }

    fn pulse(&self) {
        let mut core = self.enter();
        self.pump(&mut core);
    }

    fn end(&self, grace: Duration) {
        self.dismiss(grace);
    }
}

/// The lock of a pool, held.
pub(crate) struct Entered<'a> {
    shared: &'a Shared,
    /// Empty only while a follower sleeps.
    core: Option<MutexGuard<'a, Core>>,
}

impl std::ops::Deref for Entered<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core.as_ref().expect("only `follow` empties it, and keeps it to itself then")
    }
}

impl std::ops::DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect("only `follow` empties it, and keeps it to itself then")
    }
}

impl Entered<'_> {
    /// Gives the lock back where nothing was done that anybody should know of.
    fn leave(mut self) {
        self.core = None;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else { return };
        self.shared.settle(&mut core);
        let callbacks = std::mem::take(&mut core.callbacks);
        drop(core);
        run_callbacks(callbacks);
    }
}
