//! The reactor: the one thread that starts processes, hears them, reaps them and keeps their deadlines.
//!
//! It starts with the first call and lives as long as the program, because the death signal of the workers is sent when
//! the *thread* that started them ends (`PR_SET_PDEATHSIG(2const)`). Other threads hand it closures; it waits for the kernel
//! only. Everything that watches a process implements [`Events`]; those methods run on this thread.
//!
//! Longer than 400 lines: the reactor as other threads see it, and the loop on its own thread, name each other.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use super::caller::{Caller, Deputy, Starter};
pub(crate) use super::child::{Child, check_not_forked};
use super::peer::PeerError;
use super::shown::LATEST;
use super::start::{self, Launched, Launcher, Numbers, Order};
use super::turns::{self, LongWait, Look, StartLimit};
use crate::ending;
use crate::panic::PanicReport;
use crate::poison::lock;
use crate::sys::AsDescriptor;
use crate::sys::memory;
use crate::sys::oom::{self, MemoryKills, MemoryVerdict};
use crate::sys::process;
use crate::sys::program;
use crate::sys::refusal::Named;
use crate::sys::standing::{self, Standing};
use crate::sys::wait::{Event, Poller};
use crate::tuning;

/// What the reactor tells the watcher of a process: a pool, or a spawned call.
pub(crate) trait Events: Send + Sync {
    /// The worker sent something, or closed its side: take what is there, without waiting. False once it is closed.
    fn readable(self: Arc<Self>, reactor: &mut Loop, child: &Child) -> bool;
    /// The process has ended, is reaped, and has nothing more to say. `None`: the system does not tell its exit
    /// status, as where the program waits for any child or ignores SIGCHLD.
    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>);
    /// The process was to be [ended](Child::end), and cannot be: `error` is what the system said. It may run on, and nothing
    /// more is told of it.
    fn lost(self: Arc<Self>, reactor: &mut Loop, child: &Child, error: io::Error);
}

/// Watches a process that was given up, until it is reaped.
struct LeftOver;

impl Events for LeftOver {
    fn readable(self: Arc<Self>, _: &mut Loop, _: &Child) -> bool {
        false
    }

    fn ended(self: Arc<Self>, _: &mut Loop, _: &Child, _: Option<ExitStatus>) {}

    fn lost(self: Arc<Self>, _: &mut Loop, _: &Child, _: io::Error) {}
}

/// Something to be called at a time.
pub(crate) trait Alarm: Send + Sync {
    /// The time has come; returns the next one.
    fn ring(self: Arc<Self>, reactor: &mut Loop) -> Option<Instant>;
}

/// A process that waits until the limits allow it.
pub(crate) trait Waiting: Send + Sync {
    /// Starts it. After an error that the end of another process may mend, it waits in the queue again.
    fn start(self: Arc<Self>, reactor: &mut Loop) -> io::Result<()>;
    /// It waits for others to end.
    fn queued(&self);
    /// What its user calls it.
    fn name(&self) -> &str;
    /// It cannot start now, and nothing that runs could mend that by ending.
    fn refuse(self: Arc<Self>, reactor: &mut Loop, error: io::Error);
}

type Job = Box<dyn FnOnce(&mut Loop) + Send>;

/// The reactor as other threads see it.
pub(crate) struct Reactor {
    inbox: Mutex<Vec<Job>>,
    wake: Event,
    /// The number of the reactor's thread, once it runs.
    thread: AtomicI32,
    pids: Mutex<BTreeSet<u32>>,
    pulses: Mutex<Vec<Weak<dyn Pulse>>>,
    /// Set by the workers of a pool while no caller pumps it.
    attention: Event,
    /// How its thread stands, as far as is known.
    standing: Mutex<Option<Arc<Standing>>>,
}

/// A pool that the reactor looks after when its workers ask for attention.
pub(crate) trait Pulse: Send + Sync {
    fn pulse(&self);
    /// The program ends: so does the pool, and its idle workers within `grace`.
    fn end(&self, grace: Duration);
    /// Shared memory of this number is gone here; workers need not keep it.
    fn forget(&self, id: u64);
}

static REACTOR: OnceLock<Reactor> = OnceLock::new();

thread_local! {
    /// Whether this thread is the reactor's.
    static IS_REACTORS: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread has made the reactor, since this was last set to false.
    static HAS_MADE_IT: Cell<bool> = const { Cell::new(false) };
}

/// The reactor, started on first use.
///
/// # Errors
///
/// When the system has no descriptor or thread left for it, or refuses a call that it needs, or this process was forked from one that has it.
pub(crate) fn get() -> io::Result<&'static Reactor> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(reactor) = REACTOR.get() {
        check_not_forked()?;
        return Ok(reactor);
    }
    let _starting = lock(&STARTING);
    if let Some(reactor) = REACTOR.get() {
        return Ok(reactor);
    }
    let reactor = Reactor {
        inbox: Mutex::default(),
        wake: Event::new()?,
        thread: AtomicI32::new(0),
        pids: Mutex::default(),
        pulses: Mutex::default(),
        attention: Event::new()?,
        standing: Mutex::default(),
    };
    standing::note_heir();
    process::check_waiting()?;
    let poller = Arc::new(Poller::new()?);
    let launcher = Launcher::new()?;
    poller.add(reactor.wake.as_descriptor(), WAKE)?;
    poller.add(reactor.attention.as_descriptor(), ATTENTION)?;
    check_hearing(&reactor.wake, &poller)?;
    // The thread blocks until the cell is filled, so it gets the reactor that all callers get.
    let (ready, filled) = std::sync::mpsc::channel::<&'static Reactor>();
    let thread = std::thread::Builder::new().name("parallel".to_string()).spawn(move || {
        if let Ok(reactor) = filled.recv() {
            Loop::new(reactor, poller, launcher).run();
        }
    });
    thread.named("pthread_create")?;
    let reactor = REACTOR.get_or_init(|| reactor);
    program::watch_forks();
    HAS_MADE_IT.set(true);
    program::at_exit(see_workers_off);
    let _ = ready.send(reactor);
    Ok(reactor)
}

/// The reactor as [`get`] gives it, and the calling thread as a [`Caller`] for the starts to come.
///
/// # Errors
///
/// As [`get`]; and where the caller's processes must be started by a thread of its own making, and it cannot make one.
pub(crate) fn get_for_call() -> io::Result<(&'static Reactor, Caller)> {
    HAS_MADE_IT.set(false);
    let reactor = get()?;
    // A reactor that this thread made just now is confined as this thread is.
    Ok((reactor, Caller::here(reactor, HAS_MADE_IT.take())?))
}

/// Watches for deaths for lack of memory, if there are descriptors for that.
fn watch_memory(poller: &Poller) -> MemoryKills {
    Some(MemoryKills::watch(poller, MEMORY)).filter(|_| start::has_plenty()).unwrap_or_else(MemoryKills::unwatched)
}

/// The error that a panic on the reactor's thread becomes for the callers of what it was doing.
pub(crate) fn defect(report: &PanicReport) -> io::Error {
    io::Error::other(format!("`parallel` panicked at {}: {}", report.location(), report.message()))
}

/// Refuses a system in which the reactor would hear nothing: some sandboxes refuse a system call that it needs for that.
fn check_hearing(wake: &Event, poller: &Poller) -> io::Result<()> {
    let mut ready = Vec::new();
    wake.set();
    poller.wait(&mut ready, Some(Instant::now()))?;
    wake.clear();
    if ready.contains(&WAKE) { Ok(()) } else { Err(io::Error::other("an event that was set (write) is not seen")) }
}

/// Runs when the program ends as programs do: lets its workers do so too, and waits for that, a second at most.
extern "C" fn see_workers_off() {
    let Some(reactor) = REACTOR.get() else { return };
    if program::was_forked() || reactor.is_here() {
        return;
    }
    ending::begin();
    reactor.wake.set();
    ending::wait_until_seen_off();
}

impl Reactor {
    /// Whether this is the reactor's own thread.
    fn is_here(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == process::thread_number()
    }

    /// Runs `job` on the reactor's thread, soon.
    pub(crate) fn run(&self, job: impl FnOnce(&mut Loop) + Send + 'static) {
        let first = {
            let mut inbox = lock(&self.inbox);
            inbox.push(Box::new(job));
            inbox.len() == 1
        };
        if first {
            self.wake.set();
        }
    }

    /// Rings `alarm` at `at`.
    pub(crate) fn arm(&self, at: Instant, alarm: &Arc<impl Alarm + 'static>) {
        let alarm: Weak<dyn Alarm> = Arc::downgrade(&(Arc::clone(alarm) as Arc<dyn Alarm>));
        self.run(move |reactor| reactor.arm(at, alarm));
    }

    /// Puts a process into the queue of those that wait for their turn.
    pub(crate) fn admit(&self, waiting: Arc<dyn Waiting>) {
        self.run(move |reactor| {
            reactor.queue(waiting);
            reactor.admit();
        });
    }

    /// The processes that run now, in order of their numbers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        lock(&self.pids).iter().copied().collect()
    }

    /// The event that a worker sets to have its pool looked after.
    pub(crate) fn attention(&self) -> &Event {
        &self.attention
    }

    /// Looks after `pool` whenever attention is asked for, as long as it lives.
    pub(crate) fn look_after(&self, pool: Weak<dyn Pulse>) {
        let mut pulses = lock(&self.pulses);
        pulses.retain(|pool| pool.strong_count() > 0);
        pulses.push(pool);
    }
}

impl Starter for Reactor {
    fn standing(&self) -> Option<Arc<Standing>> {
        lock(&self.standing).clone()
    }

    fn look_at_standing(&self) -> Option<Arc<Standing>> {
        let standing = if IS_REACTORS.get() {
            Arc::new(Standing::own())
        } else {
            let (tell, told) = mpsc::channel();
            self.run(move |_| {
                let _ = tell.send(Arc::new(Standing::own()));
            });
            told.recv_timeout(tuning::KILL_GRACE).ok()?
        };
        *lock(&self.standing) = Some(Arc::clone(&standing));
        Some(standing)
    }

    fn has_processes(&self) -> bool {
        !lock(&self.pids).is_empty()
    }
}

/// A process that could not be killed was told to leave, and gets some time for it.
fn told_to_leave(key: u64, error: io::Error) {
    if let Some(reactor) = REACTOR.get() {
        reactor.run(move |reactor| reactor.see_out(key, error));
    }
}

/// Lets all workers forget shared memory that is gone here.
fn forget(id: u64) {
    if let Some(reactor) = REACTOR.get() {
        reactor.run(move |reactor| {
            for pool in reactor.pools() {
                pool.forget(id);
            }
        });
    }
}

/// Has every pool look at itself, soon.
pub(crate) fn call_all() {
    if let Some(reactor) = REACTOR.get() {
        reactor.attention.set();
    }
}

/// The running processes of this program, if it ever started one.
pub(crate) fn pids() -> Vec<u32> {
    REACTOR.get().map_or_else(Vec::new, Reactor::pids)
}

const WAKE: u64 = 0;
const ATTENTION: u64 = 1;
const LAUNCHER: Numbers = Numbers { end: 2, answer: 3, spare: 4 };
/// Memory ran out.
const MEMORY: u64 = 5;
/// Below this, numbers are not those of workers.
const FIRST_CHILD: u64 = 8;

struct WatchedChild {
    child: Arc<Child>,
    events: Arc<dyn Events>,
    admitted: bool,
}

/// The reactor as its own thread, and what runs on it, see it.
pub(crate) struct Loop {
    shared: &'static Reactor,
    poller: Arc<Poller>,
    launcher: Launcher,
    children: HashMap<u64, WatchedChild>,
    next: u64,
    alarms: Alarms<AlarmKind>,
    waiting: VecDeque<QueuedStart>,
    /// How many of the processes came through the queue: the others are pools' workers.
    admitted: usize,
    long_wait: LongWait,
    /// How many more may start before it looks at what else has happened.
    starts_left: usize,
    /// Since when nothing starts, for lack of what may pass.
    short_since: Option<Instant>,
    memory_kills: MemoryKills,
    /// Whether the program's end has reached the pools.
    sees_off: bool,
}

/// What an alarm is for.
enum AlarmKind {
    Ring(Weak<dyn Alarm>),
    /// A process could not start, and is tried again.
    Retry(Arc<dyn Waiting>),
    /// A process could not be killed and was to leave by itself: its key, and what the system said.
    Lose {
        key: u64,
        error: io::Error,
    },
    /// A call may have waited long for its turn.
    LongWait,
}

/// A process that waits for its turn.
struct QueuedStart {
    call: Arc<dyn Waiting>,
    since: Instant,
    /// Its call was told that a limit keeps it waiting, and not only the reactor's other work.
    told: bool,
}

impl Loop {
    fn new(shared: &'static Reactor, poller: Arc<Poller>, launcher: Launcher) -> Self {
        Self {
            shared,
            memory_kills: watch_memory(&poller),
            poller,
            launcher,
            children: HashMap::new(),
            next: FIRST_CHILD,
            alarms: Alarms::default(),
            waiting: VecDeque::new(),
            admitted: 0,
            long_wait: LongWait::default(),
            starts_left: tuning::STARTS_AT_A_TIME,
            short_since: None,
            sees_off: false,
        }
    }

    fn run(&mut self) {
        process::block_signals();
        IS_REACTORS.set(true);
        self.shared.thread.store(process::thread_number(), Ordering::Relaxed);
        memory::on_forget(forget);
        self.launcher.set_up(LAUNCHER, &self.poller);
        let mut ready = Vec::new();
        loop {
            self.starts_left = tuning::STARTS_AT_A_TIME;
            let deadline = self.alarms.next().into_iter().chain(self.launcher.next_look()).min();
            if self.poller.wait(&mut ready, deadline).is_err() {
                // The program closed our descriptor, or a later sandbox refuses to wait for it. Do not spin: look at each
                // process now and then.
                std::thread::sleep(tuning::HEARTBEAT);
                self.look_around(&mut ready);
            }
            // Whatever panics in here is a defect, and must not take everything else along.
            for number in ready.drain(..) {
                let _ = crate::panic::catch(|| match number {
                    WAKE => self.shared.wake.clear(),
                    ATTENTION => self.pulse(),
                    MEMORY => self.memory_kills.called(),
                    number @ ..FIRST_CHILD => self.launcher.happened(number),
                    number => self.happened(number),
                });
            }
            self.take_inbox();
            let _ = crate::panic::catch(|| self.ring_alarms());
            let _ = crate::panic::catch(|| self.admit());
            let _ = crate::panic::catch(|| self.launcher.tend());
            if ending::has_begun() {
                let _ = crate::panic::catch(|| self.see_workers_off());
            }
        }
    }

    /// Ends all pools, and notes when none has workers any more. Spawned calls that run end with the program.
    fn see_workers_off(&mut self) {
        if !self.sees_off {
            self.sees_off = true;
            let grace = ending::grace();
            self.pools().iter().for_each(|pool| pool.end(grace));
        }
        if self.children.len() == self.admitted {
            ending::seen_off();
        }
    }

    /// Finds without the poller what has happened.
    fn look_around(&self, ready: &mut Vec<u64>) {
        ready.extend([WAKE, ATTENTION, LAUNCHER.answer]);
        for (key, WatchedChild { child, .. }) in &self.children {
            // An error counts as something to read, so this one is asked in another way.
            ready.extend(child.has_ended().then_some(*key));
            ready.push(key + 1);
        }
    }

    fn take_inbox(&mut self) {
        let jobs = std::mem::take(&mut *lock(&self.shared.inbox));
        for job in jobs {
            let _ = crate::panic::catch(|| job(self));
        }
    }

    fn pulse(&mut self) {
        self.shared.attention.clear();
        for pool in self.pools() {
            pool.pulse();
        }
    }

    fn pools(&self) -> Vec<Arc<dyn Pulse>> {
        let mut pools = lock(&self.shared.pulses);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.iter().filter_map(Weak::upgrade).collect()
    }

    /// Two numbers belong to a process: the even one is its pidfd, the odd one its control channel.
    fn happened(&mut self, number: u64) {
        let key = number & !1;
        let Some(watched) = self.children.get(&key) else { return };
        let (child, events) = (Arc::clone(&watched.child), Arc::clone(&watched.events));
        if !Arc::clone(&events).readable(self, &child) && number != key {
            self.poller.remove(child.control().as_descriptor());
        }
        if number == key {
            self.ended(key, &child, events);
        }
    }

    fn ended(&mut self, key: u64, child: &Arc<Child>, events: Arc<dyn Events>) {
        LATEST.is_to_be_reaped(child.pid());
        let status = child.reap();
        self.poller.remove(child.started.pidfd.as_descriptor());
        self.poller.remove(child.control().as_descriptor());
        lock(&self.shared.pids).remove(&child.pid());
        if self.children.remove(&key).is_some_and(|watched| watched.admitted) {
            self.admitted -= 1;
        }
        self.launcher.has_ended();
        let is_killed = status.and_then(process::deadly_signal).is_some_and(|(signal, _)| signal == process::KILL);
        let is_judged = is_killed && !child.was_killed();
        let verdict = if is_judged { self.memory_kills.judge() } else { MemoryVerdict::Other };
        oom::telling(verdict, || events.ended(self, child, status));
        self.admit();
    }

    /// Starts a process that `events` will watch.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(crate) fn launch(&mut self, order: &Order<'_>, events: Arc<dyn Events>) -> io::Result<Arc<Child>> {
        let launched = self.launcher.launch(order)?;
        let child = self.adopt(launched, order, events)?;
        LATEST.has_started(child.pid());
        Ok(child)
    }

    /// Has a deputy of `caller` start a process, and calls `then` with it, which is to [adopt](Self::adopt) it. Meanwhile it
    /// counts against what may run at a time, where it is `admitted`.
    ///
    /// # Errors
    ///
    /// What the system says; `then` is not called then.
    pub(crate) fn launch_from(
        &mut self,
        deputy: &Deputy,
        caller: &Caller,
        environment: &[(OsString, OsString)],
        admitted: bool,
        then: impl FnOnce(&mut Self, io::Result<Launched>) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.shared;
        self.launcher.launch_from(deputy, environment, caller, move |attempt| {
            shared.run(move |reactor| {
                reactor.admitted -= usize::from(admitted);
                then(reactor, attempt.finish());
            });
        })?;
        self.admitted += usize::from(admitted);
        Ok(())
    }

    /// Gives a process that was started its assignment, and has `events` watch it.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(crate) fn adopt(
        &mut self,
        launched: Launched,
        order: &Order<'_>,
        events: Arc<dyn Events>,
    ) -> io::Result<Arc<Child>> {
        let key = self.next;
        self.next += 2;
        let ready = match (order.assign)(&launched.control) {
            // It has died already, of which its end will tell more.
            Err(error) if PeerError::of(&error) == PeerError::Gone => Ok(()),
            assigned => assigned,
        };
        let watched = ready
            .and_then(|()| self.poller.add(launched.started.pidfd.as_descriptor(), key))
            .and_then(|()| self.poller.add(launched.control.as_descriptor(), key + 1));
        if let Err(error) = watched {
            self.poller.remove(launched.started.pidfd.as_descriptor());
            self.launcher.discard(launched);
            return Err(error);
        }
        let child = Arc::new(Child::new(key, launched, told_to_leave));
        lock(&self.shared.pids).insert(child.pid());
        self.short_since = None;
        self.admitted += usize::from(order.admitted);
        self.children.insert(key, WatchedChild { child: Arc::clone(&child), events, admitted: order.admitted });
        Ok(child)
    }

    /// Rings `alarm` at `at`, and at whatever time it then asks for.
    pub(crate) fn arm(&mut self, at: Instant, alarm: Weak<dyn Alarm>) {
        self.set_alarm(at, AlarmKind::Ring(alarm));
    }

    fn set_alarm(&mut self, at: Instant, what: AlarmKind) {
        // Most may be alarms of calls that were dropped long before their time.
        self.alarms.set(at, what, |what| !matches!(what, AlarmKind::Ring(alarm) if alarm.strong_count() == 0));
    }

    /// Puts a process behind those that wait; it starts once this event is handled.
    pub(crate) fn queue(&mut self, waiting: Arc<dyn Waiting>) {
        self.waiting.push_back(QueuedStart { call: waiting, since: Instant::now(), told: false });
    }

    /// Puts a process behind those that wait, after a pause.
    pub(crate) fn queue_later(&mut self, pause: Duration, waiting: Arc<dyn Waiting>) {
        self.set_alarm(Instant::now() + pause, AlarmKind::Retry(waiting));
    }

    /// Gives a process that could not be killed some time to leave; its channel was closed.
    fn see_out(&mut self, key: u64, error: io::Error) {
        self.set_alarm(Instant::now() + tuning::MOMENT, AlarmKind::Lose { key, error });
    }

    /// If a process has still not ended, tells its watcher that it cannot be ended; from now on it is only waited for.
    fn lose(&mut self, key: u64, error: io::Error) {
        let Some(watched) = self.children.get_mut(&key).filter(|watched| !watched.child.has_ended()) else { return };
        let child = Arc::clone(&watched.child);
        let events = std::mem::replace(&mut watched.events, Arc::new(LeftOver));
        if std::mem::take(&mut watched.admitted) {
            self.admitted -= 1;
        }
        self.poller.remove(child.control().as_descriptor());
        // What it has said before is still of use.
        Arc::clone(&events).readable(self, &child);
        events.lost(self, &child, error);
    }

    fn ring_alarms(&mut self) {
        let now = Instant::now();
        while let Some(what) = self.alarms.take_due(now) {
            match what {
                AlarmKind::LongWait => self.look_for_long_wait(),
                AlarmKind::Retry(waiting) => {
                    self.queue(waiting);
                    self.admit();
                }
                AlarmKind::Lose { key, error } => self.lose(key, error),
                AlarmKind::Ring(weak) => {
                    if let Some(next) = weak.upgrade().and_then(|alarm| alarm.ring(self)) {
                        self.arm(next, weak);
                    }
                }
            }
        }
    }

    /// A deputy could not start a process that waits.
    pub(crate) fn could_not_start(&mut self, waiting: Arc<dyn Waiting>, error: io::Error) {
        if process::is_passing(&error) && (self.admitted > 0 || self.launcher.makes_room()) {
            self.waiting.push_front(QueuedStart { call: waiting, since: Instant::now(), told: true });
        } else {
            self.refuse(waiting, error);
        }
    }

    /// Refuses a start that no end of a running process could mend. A process that has just ended may still count against the
    /// limit, so the start is tried again until none has succeeded for [`tuning::SHORTAGE`].
    fn refuse(&mut self, waiting: Arc<dyn Waiting>, error: io::Error) {
        if process::is_passing(&error) {
            let since = *self.short_since.get_or_insert_with(Instant::now);
            if since.elapsed() < tuning::SHORTAGE {
                return self.queue_later(tuning::BETWEEN_TRIES, waiting);
            }
        }
        waiting.refuse(self, error);
    }

    /// Starts what waits, as far as the limits allow; a few at a time, so that what has started is heard meanwhile.
    fn admit(&mut self) {
        let (most, limit) = turns::most_processes(program::descriptor_limit());
        while self.starts_left > 0 {
            if self.admitted >= most {
                return self.watch_waits(limit);
            }
            let Some(mut next) = self.waiting.pop_front() else { return };
            self.starts_left -= 1;
            // A panic here is a defect. It becomes an error, so that the caller does not wait for ever.
            let started = crate::panic::catch(|| Arc::clone(&next.call).start(self));
            match started.unwrap_or_else(|report| Err(defect(&report))) {
                Ok(()) => {}
                Err(error) if self.admitted > 0 && process::is_passing(&error) => {
                    next.told = true;
                    self.waiting.push_front(next);
                    return self.watch_waits(StartLimit::System(error));
                }
                Err(error) => self.refuse(next.call, error),
            }
        }
        if !self.waiting.is_empty() && self.admitted < most {
            self.shared.wake.set();
        }
    }

    /// Tells waiting calls that they are queued, and checks again once the first has waited long.
    fn watch_waits(&mut self, limit: StartLimit) {
        for queued in self.waiting.iter_mut().rev().take_while(|queued| !queued.told) {
            queued.told = true;
            queued.call.queued();
        }
        let Some(first) = self.waiting.front() else { return };
        if let Some(at) = self.long_wait.watches_for(first.since, limit) {
            self.set_alarm(at, AlarmKind::LongWait);
        }
    }

    fn look_for_long_wait(&mut self) {
        let first = self.waiting.front().map(|first| (first.call.name(), first.since));
        match self.long_wait.look(first, Instant::now(), self.admitted, self.waiting.len()) {
            Look::Nothing => {}
            Look::Again(at) => self.set_alarm(at, AlarmKind::LongWait),
            Look::Tell(text) => turns::print(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    /// Counts what starts, and how much had started when the reactor came to do something else after the first.
    #[derive(Default)]
    struct StartCounts {
        started: AtomicUsize,
        heard_after: OnceLock<usize>,
    }

    struct Fake(Arc<StartCounts>, Mutex<Option<mpsc::Sender<()>>>);

    impl Waiting for Fake {
        fn start(self: Arc<Self>, reactor: &mut Loop) -> io::Result<()> {
            if self.0.started.fetch_add(1, Ordering::Relaxed) == 0 {
                let counts = Arc::clone(&self.0);
                reactor.shared.run(move |_| {
                    let _ = counts.heard_after.set(counts.started.load(Ordering::Relaxed));
                });
            }
            drop(lock(&self.1).take());
            Ok(())
        }

        fn queued(&self) {}

        fn name(&self) -> &str {
            "a fake"
        }

        fn refuse(self: Arc<Self>, _: &mut Loop, error: io::Error) {
            panic!("{error}");
        }
    }

    #[test]
    fn between_the_starts_of_many_the_reactor_hears_what_else_happens() {
        const MANY: usize = 1_000;
        let _alone = crate::testing::has_reactor_alone();
        let counts = Arc::new(StartCounts::default());
        let (waits, all_started) = mpsc::channel();
        let fakes: Vec<Arc<dyn Waiting>> = (0..MANY)
            .map(|_| Arc::new(Fake(Arc::clone(&counts), Mutex::new(Some(waits.clone())))) as Arc<dyn Waiting>)
            .collect();
        drop(waits);
        get().unwrap().run(move |reactor| {
            fakes.into_iter().for_each(|fake| reactor.queue(fake));
            reactor.admit();
        });
        let end = all_started.recv_timeout(crate::testing::PATIENCE);
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "all start, though nothing else happens");
        assert_eq!(counts.started.load(Ordering::Relaxed), MANY);
        let heard_after = *counts.heard_after.get().unwrap();
        assert!(heard_after <= 2 * tuning::STARTS_AT_A_TIME, "it heard nothing before {heard_after} had started");
    }
}
