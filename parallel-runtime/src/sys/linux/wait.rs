//! Waiting: for a word in shared memory (futex), for an event (eventfd), for many descriptors (epoll).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::thread::{MembarrierCommand, futex, membarrier};

use super::descriptor::above_standard;
use super::refusal::Named;

/// Waits while `word` holds `value`, until a thread of any process wakes this one or `timeout` has passed. May return
/// early.
pub(crate) fn wait_word(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(timespec);
    // Whatever the outcome (woken, changed already, interrupted, timed out), the caller looks at the word again.
    let _ = futex::wait(word, futex::Flags::empty(), value, timeout.as_ref());
}

/// Wakes up to `count` waiters of `word`, in whatever process; returns how many there were.
pub(crate) fn wake_word(word: &AtomicU32, count: u32) -> u32 {
    // The kernel reads the count as a signed number.
    let count = count.min(i32::MAX as u32);
    futex::wake(word, futex::Flags::empty(), count).map_or(0, |woken| u32::try_from(woken).unwrap_or(u32::MAX))
}

/// Whether [`order_all`] orders this process's memory accesses, too.
static ORDERED: AtomicBool = AtomicBool::new(false);

/// Lets [`order_all`] order this process's memory accesses, too, where the system can. Call it while there is one thread:
/// with more of them it takes the kernel some 10 ms.
pub(crate) fn join_order() {
    ORDERED.store(membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok(), Ordering::Relaxed);
}

/// Whether this process has joined.
pub(crate) fn is_ordered() -> bool {
    ORDERED.load(Ordering::Relaxed)
}

/// Puts a full fence between whatever the running threads of all processes that called [`join_order`] did before and what
/// they do after. It costs the caller some microseconds, and saves the other threads a fence at each step.
///
/// False where the system refuses it, as it may from some moment on: then nothing was ordered.
#[must_use]
pub(crate) fn order_all() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// Keeps the compiler from moving this thread's loads and stores across this point. [`order_all`], called by another
/// process, makes the processors keep that order too.
#[inline(always)]
pub(crate) fn order_here() {
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Looks whether there is something to read, for so long: what comes soon takes longer to be woken for.
pub(crate) fn look_readable(fd: BorrowedFd<'_>, span: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < span {
        if wait_readable(fd, Some(Duration::ZERO)) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Waits until `fd` has something to read or is closed by its peer; false when neither came within `timeout`.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let left = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return true,
        }
    }
}

/// The monotonic clock in nanoseconds, the same in all processes of this machine.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The clock starts at 0 at boot: it is never negative, and its nanoseconds fit for 580 years.
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or(0)
}

/// The moment at which [`monotonic_nanos`] was this, or a little later; now, where that cannot be told.
pub(crate) fn moment(nanos: u64) -> Instant {
    // Both read the same clock, this one first.
    static SAME: OnceLock<(u64, Instant)> = OnceLock::new();
    let &(then, instant) = SAME.get_or_init(|| (monotonic_nanos(), Instant::now()));
    let moment = match nanos.checked_sub(then) {
        Some(later) => instant.checked_add(Duration::from_nanos(later)),
        None => instant.checked_sub(Duration::from_nanos(then - nanos)),
    };
    moment.unwrap_or_else(Instant::now)
}

/// The core that this thread runs on, for now. Never 0, which stands for none.
pub(crate) fn core() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0).saturating_add(1)
}

/// Something that happened, for one process to tell another.
#[derive(Debug)]
pub(crate) struct Event(OwnedFd);

impl Event {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(above_standard(
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).named("eventfd2")?,
        )?))
    }

    pub(crate) fn from_descriptor(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Makes [`Poller::wait`] return where the event is watched. Never blocks: a counter that is full is set already.
    pub(crate) fn set(&self) {
        let one = 1_u64.to_ne_bytes();
        if matches!(rustix::io::write(&self.0, &one), Err(error) if error != Errno::AGAIN) {
            // A sandbox may refuse `write` and not `writev`.
            let _ = rustix::io::writev(&self.0, &[IoSlice::new(&one)]);
        }
    }

    /// Takes the event back, so that it can be set anew.
    pub(crate) fn clear(&self) {
        let mut count = [0; 8];
        if matches!(rustix::io::read(&self.0, &mut count), Err(error) if error != Errno::AGAIN) {
            let _ = rustix::io::readv(&self.0, &mut [IoSliceMut::new(&mut count)]);
        }
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits for many descriptors at once; each is told by the number it was added with.
#[derive(Debug)]
pub(crate) struct Poller(OwnedFd);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(above_standard(epoll::create(epoll::CreateFlags::CLOEXEC).named("epoll_create1")?)?))
    }

    /// Watches `fd` for being readable or closed by its peer, again and again.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        epoll::add(&self.0, fd, EventData::new_u64(number), EventFlags::IN).named("epoll_ctl")
    }

    /// Watches `fd` for something urgent, again and again.
    pub(crate) fn add_urgent(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        epoll::add(&self.0, fd, EventData::new_u64(number), EventFlags::PRI).named("epoll_ctl")
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.0, fd);
    }

    /// Appends the numbers of what is ready to `ready`; waits for the first until `deadline`.
    pub(crate) fn wait(&self, ready: &mut Vec<u64>, deadline: Option<Instant>) -> io::Result<()> {
        let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 64];
        match epoll::wait(&self.0, &mut events[..], timeout.as_ref()) {
            Ok(count) => ready.extend(events[..count].iter().map(|event| event.data.u64())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).named("epoll_wait"),
        }
        Ok(())
    }
}
