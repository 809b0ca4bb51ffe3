//! The reactor: the one thread that starts processes, hears them, reaps them and keeps their deadlines.
//!
//! It starts with the first call and lives as long as the program, which the death signal of the workers needs: the
//! kernel sends it when the *thread* that started them ends. Others hand it closures; it never waits for anyone but the
//! kernel. Everything that watches a process implements [`Events`], whose methods run on this thread.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::control::Control;
use super::launch::{Launched, Launcher, Numbers, Way};
use crate::config;
use crate::ending;
use crate::poison::lock;
use crate::sys::memory;
use crate::sys::process;
use crate::sys::program;
use crate::sys::surroundings::Affinity;
use crate::sys::wait::{Event, Poller};

/// What is told to whoever watches a process.
pub(crate) trait Events: Send + Sync {
    /// The worker sent something, or closed its side: take what is there, without waiting. False once it is closed.
    fn readable(self: Arc<Self>, reactor: &mut Loop, child: &Child) -> bool;
    /// The process has ended, is reaped, and has nothing more to say. `None`: somebody else took its exit status.
    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>);
}

/// Something that wants to be called at a time.
pub(crate) trait Alarm: Send + Sync {
    /// The time has come; returns the next one.
    fn ring(self: Arc<Self>, reactor: &mut Loop) -> Option<Instant>;
}

/// A process that waits until the limits allow it.
pub(crate) trait Waiting: Send + Sync {
    /// Starts it. An error gives the waiting one back to the queue while other processes run, whose end may mend it.
    fn start(self: Arc<Self>, reactor: &mut Loop) -> io::Result<()>;
    /// It waits for others to end.
    fn queued(&self);
    /// It cannot start now, and nothing that runs could mend that by ending.
    fn refuse(self: Arc<Self>, reactor: &mut Loop, error: io::Error);
}

/// A process of ours.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    pidfd: OwnedFd,
    control: Control,
    way: Way,
    /// False once reaped: then the number may be another's, and is not signalled.
    alive: Mutex<bool>,
    /// Whether it takes along what it had started, however it ends.
    ends_group: AtomicBool,
}

impl Child {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// How it was started.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Signals the process and what it started in its group; does nothing once it is reaped.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        if program::was_forked() {
            // It is the parent's.
            return Ok(());
        }
        let alive = lock(&self.alive);
        if !*alive {
            return Ok(());
        }
        if !process::leads_group(self.pid) {
            // The task has moved it into another group, which is not ours to signal.
            process::signal(&self.pidfd, signal)?;
        }
        process::signal_group(self.pid, signal)
    }

    /// Lets the process take along what it has started, as one that a signal ends does, when it ends by itself.
    pub(crate) fn end_group(&self) {
        self.ends_group.store(true, Ordering::Relaxed);
    }

    /// Reaps the process. One that a signal ended takes along what it had started.
    fn reap(&self) -> Option<ExitStatus> {
        let mut alive = lock(&self.alive);
        let crashed = process::peek(&self.pidfd).is_ok_and(|status| status.is_some_and(|s| s.signal().is_some()));
        if crashed || self.ends_group.load(Ordering::Relaxed) {
            let _ = process::signal_group(self.pid, process::KILL);
        }
        *alive = false;
        process::try_wait(&self.pidfd).ok().flatten()
    }
}

/// What to start.
pub(crate) struct Start<'a> {
    pub(crate) environment: &'a [(OsString, OsString)],
    /// The cores of the thread that asked for it.
    pub(crate) affinity: Option<Affinity>,
    /// Puts what the process is for into its channel.
    pub(crate) assign: &'a dyn Fn(&Control) -> io::Result<()>,
    /// Whether it came through the queue, and so counts against what may run at a time.
    pub(crate) admitted: bool,
    /// Whether the zygote is not to be asked.
    pub(crate) by_exec: bool,
}

type Job = Box<dyn FnOnce(&mut Loop) + Send>;

/// The reactor as everybody else sees it.
pub(crate) struct Reactor {
    inbox: Mutex<Vec<Job>>,
    wake: Event,
    /// The number of the reactor's thread, once it runs.
    thread: AtomicI32,
    pids: Mutex<BTreeSet<u32>>,
    pulses: Mutex<Vec<Weak<dyn Pulse>>>,
    /// Set by the workers of any pool that has nobody else to look after it.
    attention: Event,
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

/// Refuses a process that was forked from one in which the reactor runs: nobody would hear it.
pub(crate) fn check_not_forked() -> io::Result<()> {
    if program::was_forked() {
        return Err(io::Error::other(
            "this process was forked, without exec, from one that had used `parallel`; fork before the first call",
        ));
    }
    Ok(())
}

/// The reactor, started on first use.
///
/// # Errors
///
/// When the system has no descriptor or thread left for it, or this process was forked from one that has it.
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
    };
    let poller = Poller::new()?;
    let launcher = Launcher::new(LAUNCHER)?;
    poller.add(reactor.wake.as_fd(), WAKE)?;
    poller.add(reactor.attention.as_fd(), ATTENTION)?;
    // The thread blocks until the cell is filled, so what it is given is the reactor that everybody gets.
    let (ready, filled) = std::sync::mpsc::channel::<&'static Reactor>();
    std::thread::Builder::new().name("parallel".to_string()).spawn(move || {
        if let Ok(reactor) = filled.recv() {
            Loop::new(reactor, poller, launcher).run();
        }
    })?;
    let reactor = REACTOR.get_or_init(|| reactor);
    program::watch_forks();
    program::at_exit(see_workers_off);
    let _ = ready.send(reactor);
    Ok(reactor)
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
            reactor.waiting.push_back(waiting);
            reactor.admit();
            // What was admitted no longer waits; the rest knows that it does.
            if let Some(last) = reactor.waiting.back() {
                last.queued();
            }
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

/// The running processes of this program, if it ever started one.
pub(crate) fn pids() -> Vec<u32> {
    REACTOR.get().map_or_else(Vec::new, Reactor::pids)
}

const WAKE: u64 = 0;
const ATTENTION: u64 = 1;
const LAUNCHER: Numbers = Numbers { end: 2, answer: 3, spare: 4 };
/// Below this, numbers are not those of workers.
const FIRST_CHILD: u64 = 6;
/// Below this, alarms that are no longer wanted are not worth looking for.
const FEW_ALARMS: usize = 1024;

struct Watched {
    child: Arc<Child>,
    events: Arc<dyn Events>,
    admitted: bool,
}

/// The reactor as its own thread, and what runs on it, see it.
pub(crate) struct Loop {
    shared: &'static Reactor,
    poller: Poller,
    launcher: Launcher,
    children: HashMap<u64, Watched>,
    next: u64,
    alarms: BinaryHeap<Reverse<(Instant, u64)>>,
    armed: HashMap<u64, Weak<dyn Alarm>>,
    /// Processes that could not start and are tried again, by the number of their alarm.
    resting: HashMap<u64, Arc<dyn Waiting>>,
    /// So many alarms may be armed before those are dropped that nobody wants any more.
    swept: usize,
    waiting: VecDeque<Arc<dyn Waiting>>,
    /// How many of the processes came through the queue: the others are pools' workers.
    admitted: usize,
    /// Whether the program's end has reached the pools.
    sees_off: bool,
}

impl Loop {
    fn new(shared: &'static Reactor, poller: Poller, launcher: Launcher) -> Self {
        Self {
            shared,
            poller,
            launcher,
            children: HashMap::new(),
            next: FIRST_CHILD,
            alarms: BinaryHeap::new(),
            armed: HashMap::new(),
            resting: HashMap::new(),
            swept: FEW_ALARMS,
            waiting: VecDeque::new(),
            admitted: 0,
            sees_off: false,
        }
    }

    fn run(&mut self) {
        process::block_signals();
        self.shared.thread.store(process::thread_number(), Ordering::Relaxed);
        program::watch_memory_kills();
        memory::on_forget(forget);
        self.launcher.settle();
        let mut ready = Vec::new();
        loop {
            let deadline = self.alarms.peek().map(|Reverse((at, _))| *at);
            if self.poller.wait(&mut ready, deadline).is_err() {
                // EBADF or EINVAL: somebody closed our descriptors. Nothing can be heard any more, and spinning helps
                // nobody; what runs is reached by its own deadlines only.
                std::thread::sleep(config::HEARTBEAT);
            }
            // Whatever panics in here is a defect, and must not take everything else along.
            for number in ready.drain(..) {
                let _ = crate::panic::catch(|| match number {
                    WAKE => self.shared.wake.clear(),
                    ATTENTION => self.pulse(),
                    number @ ..FIRST_CHILD => self.launcher.happened(number, &self.poller),
                    number => self.happened(number),
                });
            }
            self.take_inbox();
            let _ = crate::panic::catch(|| self.ring_alarms());
            let _ = crate::panic::catch(|| self.admit());
            let _ = crate::panic::catch(|| self.launcher.tend(&self.poller));
            if ending::has_begun() {
                let _ = crate::panic::catch(|| self.see_workers_off());
            }
        }
    }

    /// Ends all pools, and says when none has workers any more. Spawned calls that run end with the program.
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
            self.poller.remove(child.control.as_fd());
        }
        if number == key {
            self.ended(key, &child, events);
        }
    }

    fn ended(&mut self, key: u64, child: &Arc<Child>, events: Arc<dyn Events>) {
        let status = child.reap();
        self.poller.remove(child.pidfd.as_fd());
        self.poller.remove(child.control.as_fd());
        lock(&self.shared.pids).remove(&child.pid);
        if self.children.remove(&key).is_some_and(|watched| watched.admitted) {
            self.admitted -= 1;
        }
        self.launcher.has_ended();
        events.ended(self, child, status);
        self.admit();
    }

    /// Starts a process that `events` will watch.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(crate) fn launch(&mut self, start: &Start<'_>, events: Arc<dyn Events>) -> io::Result<Arc<Child>> {
        let Launched { started, control, way } =
            self.launcher.launch(start.environment, start.affinity, start.by_exec, &self.poller)?;
        let child = Child {
            pid: started.pid,
            pidfd: started.pidfd,
            control,
            way,
            alive: Mutex::new(true),
            ends_group: AtomicBool::new(false),
        };
        match (start.assign)(&child.control) {
            // It has died already, of which its end will tell more.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(error) => {
                child.discard();
                return Err(error);
            }
            Ok(()) => {}
        }
        let child = Arc::new(child);
        let key = self.next;
        self.next += 2;
        let watching =
            self.poller.add(child.pidfd.as_fd(), key).and_then(|()| self.poller.add(child.control.as_fd(), key + 1));
        if let Err(error) = watching {
            child.discard();
            return Err(error);
        }
        lock(&self.shared.pids).insert(child.pid);
        self.admitted += usize::from(start.admitted);
        self.children.insert(key, Watched { child: Arc::clone(&child), events, admitted: start.admitted });
        Ok(child)
    }

    /// Rings `alarm` at `at`, and at whatever time it then asks for.
    pub(crate) fn arm(&mut self, at: Instant, alarm: Weak<dyn Alarm>) {
        let number = self.next;
        self.next += 2;
        self.alarms.push(Reverse((at, number)));
        self.armed.insert(number, alarm);
        if self.alarms.len() > 2 * self.armed.len() + self.resting.len() + FEW_ALARMS {
            let Self { alarms, armed, resting, .. } = self;
            alarms.retain(|Reverse((_, number))| armed.contains_key(number) || resting.contains_key(number));
        }
        if self.armed.len() > self.swept {
            // Whoever wanted most of them may be gone long before their time.
            self.armed.retain(|_, alarm| alarm.strong_count() > 0);
            self.swept = 2 * self.armed.len() + FEW_ALARMS;
        }
    }

    /// Puts a process behind those that wait; it starts once this event is handled.
    pub(crate) fn queue(&mut self, waiting: Arc<dyn Waiting>) {
        self.waiting.push_back(waiting);
    }

    /// Puts a process behind those that wait, after a pause.
    pub(crate) fn queue_later(&mut self, pause: Duration, waiting: Arc<dyn Waiting>) {
        let number = self.next;
        self.next += 2;
        self.alarms.push(Reverse((Instant::now() + pause, number)));
        self.resting.insert(number, waiting);
    }

    fn ring_alarms(&mut self) {
        let now = Instant::now();
        while let Some(&Reverse((at, number))) = self.alarms.peek() {
            if at > now {
                break;
            }
            self.alarms.pop();
            if let Some(waiting) = self.resting.remove(&number) {
                self.waiting.push_back(waiting);
                self.admit();
                continue;
            }
            let Some(weak) = self.armed.remove(&number) else { continue };
            let Some(alarm) = weak.upgrade() else { continue };
            if let Some(next) = alarm.ring(self) {
                self.arm(next, weak);
            }
        }
    }

    /// Starts what waits, as far as the limits allow; a few at a time, so that what has started is heard meanwhile.
    fn admit(&mut self) {
        let most = config::most_processes();
        for _ in 0..config::STARTS_AT_A_TIME {
            if self.admitted >= most {
                return;
            }
            let Some(next) = self.waiting.pop_front() else { return };
            match Arc::clone(&next).start(self) {
                Ok(()) => {}
                Err(error) if self.admitted > 0 && process::is_passing(&error) => {
                    self.waiting.push_front(next);
                    return;
                }
                Err(error) => next.refuse(self, error),
            }
        }
        if !self.waiting.is_empty() && self.admitted < most {
            self.shared.wake.set();
        }
    }
}

impl Child {
    /// Ends a process that is never watched.
    fn discard(&self) {
        let _ = self.signal(process::KILL);
        *lock(&self.alive) = false;
        let _ = process::wait(&self.pidfd);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    /// Counts what starts, and how much had started when the reactor came to do something else after the first.
    #[derive(Default)]
    struct Counts {
        started: AtomicUsize,
        heard_after: OnceLock<usize>,
    }

    struct Fake(Arc<Counts>, Mutex<Option<mpsc::Sender<()>>>);

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

        fn refuse(self: Arc<Self>, _: &mut Loop, error: io::Error) {
            panic!("{error}");
        }
    }

    #[test]
    fn between_the_starts_of_many_the_reactor_hears_what_else_happens() {
        const MANY: usize = 1_000;
        let counts = Arc::new(Counts::default());
        let (waits, all_started) = mpsc::channel();
        let fakes: Vec<Arc<dyn Waiting>> = (0..MANY)
            .map(|_| Arc::new(Fake(Arc::clone(&counts), Mutex::new(Some(waits.clone())))) as Arc<dyn Waiting>)
            .collect();
        drop(waits);
        get().unwrap().run(move |reactor| {
            reactor.waiting.extend(fakes);
            reactor.admit();
        });
        let end = all_started.recv_timeout(crate::flags::PATIENCE);
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "all start, though nothing else happens");
        assert_eq!(counts.started.load(Ordering::Relaxed), MANY);
        let heard_after = *counts.heard_after.get().unwrap();
        assert!(heard_after <= 2 * config::STARTS_AT_A_TIME, "it heard nothing before {heard_after} had started");
    }
}
