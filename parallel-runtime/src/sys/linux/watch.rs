//! The thread of a worker that waits for the end of its parent.
//!
//! It is made with the C library's own call and takes no memory from the heap, so that it costs what a thread costs: a
//! first allocation on a thread of its own would set up a heap for it, which takes as long as the thread itself.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Instant;

use rustix::process::{Pid, PidfdFlags};

use super::process::{block_signals, end_own_group, own_number};
use super::wait::{wait_word, wake_word};
use crate::tuning::{MOMENT, SLICE, SMALL_STACK};

/// Whether a thread has been made that is not yet [`SAFE`].
const ON_ITS_WAY: u32 = 1;
/// No task can take from the thread what it watches.
const SAFE: u32 = 2;
/// How far the thread has come; 0 where there is none.
static STATE: AtomicU32 = AtomicU32::new(0);

/// Waits until no task can take from the thread what it watches; not for ever, because some systems end a thread that asks
/// for descriptors of its own. Call it before the first task runs.
pub(crate) fn until_safe() {
    let begun = Instant::now();
    while STATE.load(Ordering::Acquire) == ON_ITS_WAY {
        let Some(left) = MOMENT.checked_sub(begun.elapsed()) else { return };
        wait_word(&STATE, ON_ITS_WAY, Some(left));
    }
}

/// Ends this process, and what it started in its group, as soon as the parent is gone, whatever the task is doing.
/// `channel`: one end of a pair of sockets, open to the end of the process; the parent holds the other end.
///
/// # Errors
///
/// When there is no thread to be had.
pub(crate) fn end_with_parent(channel: BorrowedFd<'_>) -> io::Result<()> {
    // Asked here, not on the thread: by the time it runs, the parent may have died, and it would take the next parent for
    // this one.
    let watched = Watched { channel: channel.as_raw_fd(), parent: Parent::get() };
    end_when_continued(watched.parent);
    STATE.store(ON_ITS_WAY, Ordering::Relaxed);
    // A program with large thread-locals needs a larger stack.
    start(watched, Some(SMALL_STACK))
        .or_else(|_| start(watched, None))
        .inspect_err(|_| STATE.store(0, Ordering::Relaxed))
}

fn start(watched: Watched, stack: Option<usize>) -> io::Result<()> {
    // Detached, because no thread joins it: it ends with the process.
    make(watch, watched.to_argument(), stack).map(|thread| {
        // SAFETY: the thread was made just now, and nothing else joins or detaches it.
        unsafe { libc::pthread_detach(thread) };
    })
}

/// Makes two threads, one after the other, which end at once. The next thread finds their stack, and what the C library
/// calls for such a thread is bound already. Where no thread is to be had, nothing is gained.
pub(crate) fn rehearse() {
    extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
        ptr::null_mut()
    }
    for _ in 0..2 {
        if let Ok(thread) = make(nothing, ptr::null_mut(), Some(SMALL_STACK)) {
            // SAFETY: the thread was made just now, and nothing else joins or detaches it.
            unsafe { libc::pthread_join(thread, ptr::null_mut()) };
        }
    }
}

/// Makes a thread. Its `body` takes any argument, and does not unwind; `stack`: its size in bytes, where the C library's choice
/// is too much.
fn make(
    body: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
    stack: Option<usize>,
) -> io::Result<libc::pthread_t> {
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: fills the attributes.
    let mut error = unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) };
    if error == 0
        && let Some(stack) = stack
    {
        // SAFETY: filled above.
        error = unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack) };
    }
    if error == 0 {
        // SAFETY: filled above; the body takes any argument.
        error = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), body, argument) };
    }
    if error == 0 {
        // SAFETY: filled by the call that succeeded.
        Ok(unsafe { thread.assume_init() })
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

/// This process, and its parent, for [`continued`].
static FAMILY: [AtomicI32; 2] = [const { AtomicI32::new(0) }; 2];

/// Lets SIGCONT, which the kernel sends with the parent's death, end this process at once. To a task that stops its own
/// process just then the signal comes too early to wake the thread, and there is no second one.
fn end_when_continued(parent: Parent) {
    FAMILY[0].store(own_number(), Ordering::Relaxed);
    FAMILY[1].store(parent.number(), Ordering::Relaxed);
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeros are an action with an empty mask and no flags.
    let action = unsafe { action.assume_init_mut() };
    let handler: extern "C" fn(c_int) = continued;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler makes plain system calls only, and is there as long as the program.
    unsafe { libc::sigaction(libc::SIGCONT, action, ptr::null_mut()) };
}

extern "C" fn continued(_: c_int) {
    let [own, parent] = [&FAMILY[0], &FAMILY[1]].map(|number| number.load(Ordering::Relaxed));
    // A process that the task has forked has this handler, too.
    if own_number() == own && Parent::get().number() != parent {
        end_own_group();
    }
}

extern "C" fn watch(watched: *mut c_void) -> *mut c_void {
    let Watched { channel, parent } = Watched::from_argument(watched);
    let _ = rustix::thread::set_name(c"parallel-watch");
    // Signals are for the task's own threads.
    block_signals();
    keep_alone(channel);
    let pidfd = parent.pidfd();
    STATE.store(SAFE, Ordering::Release);
    wake_word(&STATE, 1);
    // Should the parent have ended before its pidfd was opened, that may be another process's.
    if !parent.is_gone() && !wait_for_end(channel, pidfd.as_ref().map(AsFd::as_fd)) {
        // The thread shares the process's descriptors, and the task has closed what there was to wait for.
        parent.outlive();
    }
    end_own_group()
}

/// What the thread is given, as one word.
#[derive(Clone, Copy)]
struct Watched {
    channel: RawFd,
    parent: Parent,
}

const _: () = assert!(size_of::<usize>() == 8, "two numbers of 32 bits");

impl Watched {
    fn to_argument(self) -> *mut c_void {
        ptr::without_provenance_mut((self.channel as u32 as usize) << 32 | self.parent.number() as u32 as usize)
    }

    fn from_argument(argument: *mut c_void) -> Self {
        let both = argument.addr();
        Self { channel: (both >> 32) as RawFd, parent: Parent(Pid::from_raw(both as u32 as i32)) }
    }
}

/// The process that started this one, a worker.
#[derive(Debug, Clone, Copy)]
struct Parent(Option<Pid>);

impl Parent {
    /// Call it while the parent is known to live, or to have died after it put something into the control channel.
    fn get() -> Self {
        let parent = super::process::parent_number();
        Self(if parent > 0 { Pid::from_raw(parent) } else { None })
    }

    /// Its number; 0 where it is in another namespace.
    fn number(self) -> i32 {
        self.0.map_or(0, |parent| parent.as_raw_nonzero().get())
    }

    /// What becomes readable when it ends; `None` when no descriptor was free.
    fn pidfd(self) -> Option<OwnedFd> {
        rustix::process::pidfd_open(self.0?, PidfdFlags::empty()).ok()
    }

    /// Whether it has ended: then the kernel has given this process another parent.
    fn is_gone(self) -> bool {
        Self::get().0 != self.0
    }

    /// Waits for its end with no descriptor's help.
    fn outlive(self) {
        while !self.is_gone() {
            std::thread::sleep(SLICE);
        }
    }
}

/// Gives this thread a table of descriptors of its own, with nothing in it but `number`: a task that closes whatever it
/// finds does not find that one. Where the system refuses it, as some containers do, the thread shares the process's
/// table as before.
fn keep_alone(number: RawFd) {
    let Ok(kept) = u32::try_from(number) else { return };
    // SAFETY: a plain system call; nothing on this thread uses another descriptor.
    if unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
        return;
    }
    let close = |first: u32, last: u32| {
        // SAFETY: closes numbers of this thread's own table only.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }
    };
    close(0, kept - 1);
    close(kept + 1, u32::MAX);
}

/// Waits until the other end is closed, by the parent or by its death, or until `owner`, the parent's pidfd, is readable:
/// another process may hold the other end too. Messages are left alone. False where a task has closed one of them, which it
/// can where the thread shares the process's table.
fn wait_for_end(number: RawFd, owner: Option<BorrowedFd<'_>>) -> bool {
    // Numbers, not descriptors: a task may have closed the channel's, or opened something else under it, which `owner`
    // covers.
    let end = libc::POLLHUP | libc::POLLERR;
    let other = owner.map_or(-1, |owner| owner.as_raw_fd());
    let wanted = |fd, events| libc::pollfd { fd, events, revents: 0 };
    loop {
        let mut fds = [wanted(number, 0), wanted(other, libc::POLLIN)];
        // SAFETY: two places that say what is wanted and take what is there; a negative number is passed over.
        let polled = unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) };
        if polled < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
        if polled > 0 && fds.iter().any(|fd| fd.revents & libc::POLLNVAL != 0) {
            return false;
        }
        if polled > 0 && fds.iter().any(|fd| fd.revents & (end | libc::POLLIN) != 0) {
            return true;
        }
    }
}
