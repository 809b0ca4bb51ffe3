//! Starting this program again, and what became of it.
//!
//! A start is `clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD)` followed by exec, as `posix_spawn` does it: no page table is
//! copied, and only the calling thread waits. `posix_spawn` itself cannot set the death signal, return a pidfd, or
//! close what it does not know. The executable is `/proc/self/exe`: the very file that runs, renamed or deleted since.

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::executable::EXECUTABLE;
use super::file_rights;
use super::memory::Mapping;
use super::socket::copy_above_standard;
use super::surroundings::Affinity;
use super::terminal;

/// Enough for the few calls between clone and exec, unoptimized.
const STACK: usize = 64 << 10;
/// The largest signal number of Linux, `_NSIG`.
const LAST_SIGNAL: c_int = 64;

/// A start of this program.
pub(crate) struct Launch<'a> {
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    /// Stays open in the new process, under the same number; everything else above 2 is closed.
    pub(crate) keep: BorrowedFd<'a>,
    /// The new process's stdin; and its stdout and stderr, where this process has them closed.
    pub(crate) null: BorrowedFd<'a>,
    /// The cores that it may run on, where they are not those of the calling thread.
    pub(crate) affinity: Option<Affinity>,
}

/// A process that was started; its number stays its own until it is reaped.
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

impl Started {
    /// Ends it, as long as nobody else knows of it.
    pub(crate) fn discard(&self) {
        let _ = signal(&self.pidfd, KILL);
        let _ = wait(&self.pidfd);
    }
}

/// What the child reads between clone and exec, and where it leaves its error. Plain words: the child shares this
/// memory and may neither allocate nor unwind.
struct Plan {
    arguments: *const *const c_char,
    environment: *const *const c_char,
    keep: RawFd,
    null: RawFd,
    affinity: Option<Affinity>,
    parent: libc::pid_t,
    /// Whether it gets no rights from its file.
    may_not_grow: bool,
    error: c_int,
}

/// Starts this program again. Call it from a thread that lives as long as the program: the kernel kills the new process
/// when the thread that started it ends.
///
/// # Errors
///
/// What clone or exec say: EAGAIN at the limit of processes, EMFILE at that of descriptors, ENOENT where `/proc` is not
/// mounted.
pub(crate) fn launch(launch: &Launch<'_>) -> io::Result<Started> {
    let arguments = null_terminated(launch.arguments);
    let environment = null_terminated(launch.environment);
    let mut plan = Plan {
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        keep: launch.keep.as_raw_fd(),
        null: launch.null.as_raw_fd(),
        affinity: launch.affinity,
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        may_not_grow: file_rights::must_not_grow(),
        error: 0,
    };
    let stack = Mapping::private(STACK)?;
    let signals = BlockedSignals::new();
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: one past the end of the mapping.
    let top = unsafe { stack.as_ptr().add(STACK) };
    // SAFETY: the stack grows down from the end of a mapping that outlives the child's use of it, because CLONE_VFORK
    // holds this thread until the child has called exec or ended; the same keeps `plan` and what it points to alive.
    // All signals are blocked, so no handler of ours runs on the shared memory.
    let pid = unsafe { libc::clone(child, top.cast(), flags, (&raw mut plan).cast(), &raw mut pidfd) };
    let error = io::Error::last_os_error();
    drop(signals);
    let Ok(pid) = u32::try_from(pid) else { return Err(error) };
    // SAFETY: clone succeeded with CLONE_PIDFD, so this is a descriptor that nobody else knows.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pidfd = match copy_above_standard(&pidfd) {
        Ok(copy) => copy.unwrap_or(pidfd),
        Err(error) => {
            let _ = signal_group(pid, KILL);
            let _ = wait(&pidfd);
            return Err(error);
        }
    };
    // The child wrote through the pointer: read the word again.
    // SAFETY: `plan` is a live local.
    let error = unsafe { (&raw const plan.error).read_volatile() };
    if error == 0 {
        return Ok(Started { pid, pidfd });
    }
    let _ = wait(&pidfd);
    Err(io::Error::from_raw_os_error(error))
}

fn null_terminated(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Runs in the child, on the parent's memory, until exec.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: `launch` passes its own plan and waits meanwhile.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    // SAFETY: this is that child.
    unsafe { become_worker(plan) };
    127
}

/// # Safety
///
/// Only for the child of a `clone(CLONE_VM | CLONE_VFORK)` with all signals blocked.
#[allow(clippy::multiple_unsafe_ops_per_block, reason = "one sequence of system calls, sound for one reason")]
unsafe fn become_worker(plan: &mut Plan) {
    // SAFETY: only async-signal-safe calls, with valid arguments; the signal table, descriptors and group are this
    // process's own, because neither CLONE_SIGHAND nor CLONE_FILES was given.
    unsafe {
        for signal in 1..=LAST_SIGNAL {
            // Fails for SIGKILL, SIGSTOP and the two of the C library, which have nothing to reset.
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != plan.parent {
            // The parent died before the line above.
            libc::_exit(0);
        }
        if let Some(affinity) = &plan.affinity {
            affinity.take();
        }
        terminal::leave();
        libc::dup2(plan.null, 0);
        for output in 1..=2 {
            if libc::fcntl(output, libc::F_GETFD) == -1 {
                libc::dup2(plan.null, output);
            }
        }
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        libc::fcntl(plan.keep, libc::F_SETFD, 0);
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        // Where that is refused, it is not executed.
        if !plan.may_not_grow || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 {
            libc::execve(EXECUTABLE.as_ptr(), plan.arguments, plan.environment);
        }
        (&raw mut plan.error).write_volatile(*libc::__errno_location());
        libc::_exit(127);
    }
}

/// Blocks every signal of this thread; dropping it brings the former mask back.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: fills `all`.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        // SAFETY: `all` was filled; `before` is written on success, which is certain for valid arguments.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: written by the call above.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: a mask that pthread_sigmask gave out.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// Keeps signals from this thread: they are for the program's own threads.
pub(crate) fn block_signals() {
    std::mem::forget(BlockedSignals::new());
}

/// The number of the calling thread; no other thread of the machine has it as long as this one lives.
pub(crate) fn thread_number() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Does for this process, a worker that never runs `main`'s prologue, what that would do: ignore SIGPIPE.
pub(crate) fn adopt_rust_signal_state() {
    // SAFETY: sets a disposition; no handler runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Leaves the parent's death to a thread of this process that watches for it: the kernel no longer kills this process
/// then, which would leave alone what it has started; it only wakes it up if it is stopped, so that the thread can run.
/// Call it from the main thread, to which the setting belongs.
pub(crate) fn leave_death_to_watcher() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::CONT));
}

/// Reaps the process if it has ended; `None` while it runs.
///
/// # Errors
///
/// ECHILD where somebody else reaped it and the kernel keeps no record (before Linux 6.15).
pub(crate) fn try_wait(pidfd: &OwnedFd) -> io::Result<Option<ExitStatus>> {
    wait_with(pidfd, libc::WNOHANG)
}

/// Tells how the process ended, if it has, and leaves it to be reaped.
pub(crate) fn peek(pidfd: &OwnedFd) -> io::Result<Option<ExitStatus>> {
    wait_with(pidfd, libc::WNOHANG | libc::WNOWAIT)
}

/// Whether the process, a child of this one, is stopped.
pub(crate) fn is_stopped(pidfd: &OwnedFd) -> bool {
    let Ok(id) = libc::id_t::try_from(pidfd.as_raw_fd()) else { return false };
    let options = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the descriptor is alive, and `info` is memory for the answer.
    let answer = unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), options) };
    // SAFETY: zeroed at first, and filled by the call.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the child's fields, or leaves zeros where there is nothing to tell.
    answer == 0 && unsafe { info.si_pid() } != 0
}

/// Waits for the process to end, and reaps it.
pub(crate) fn wait(pidfd: &OwnedFd) -> io::Result<Option<ExitStatus>> {
    wait_with(pidfd, 0)
}

/// The signal that ended a process, and whether it left a core dump; `None` where it exited.
pub(crate) fn deadly_signal(status: ExitStatus) -> Option<(i32, bool)> {
    status.signal().map(|signal| (signal, status.core_dumped()))
}

fn wait_with(pidfd: &OwnedFd, options: c_int) -> io::Result<Option<ExitStatus>> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(io::Error::other)?;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: the descriptor is alive, and `info` is memory for the answer.
        let answer =
            unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), libc::WEXITED | libc::__WALL | options) };
        if answer == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // The program ignores SIGCHLD, or waits for any child: the kernel still knows, from 6.15 on.
            Some(libc::ECHILD) => return recorded_status(pidfd).map(Some),
            _ => return Err(error),
        }
    }
    // SAFETY: zeroed at first, and filled by the call.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the child's fields, or leaves zeros while it runs.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let value = unsafe { info.si_status() };
    let raw = match info.si_code {
        libc::CLD_EXITED => (value & 0xff) << 8,
        libc::CLD_DUMPED => value | 0x80,
        _ => value,
    };
    Ok(Some(ExitStatus::from_raw(raw)))
}

/// `struct pidfd_info` of `linux/pidfd.h`, as far as its first version goes.
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// How often one asks for the status of a process that somebody else is just reaping, and how long in between: the kernel
/// writes it down a moment after the process is no child any more.
const ASKED: u32 = 100;
const BETWEEN: Duration = Duration::from_micros(100);
/// Set where it never did: then each is asked for once.
static KEEPS_NO_RECORD: AtomicBool = AtomicBool::new(false);

/// Asks the kernel for the status of a process that somebody else reaped.
fn recorded_status(pidfd: &OwnedFd) -> io::Result<ExitStatus> {
    const EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 11, struct pidfd_info)
    const GET_INFO: libc::Ioctl = (3 << 30) | (64 << 16) | (0xff << 8) | 11;
    for _ in 0..if KEEPS_NO_RECORD.load(Ordering::Relaxed) { 1 } else { ASKED } {
        let mut info = PidfdInfo { mask: EXIT, cgroup: 0, ids: [0; 11], exit_code: 0 };
        // SAFETY: the request's size is that of the struct it is given.
        let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
        if answer == 0 && info.mask & EXIT != 0 {
            return Ok(ExitStatus::from_raw(info.exit_code));
        }
        if answer != 0 && io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH) {
            // This kernel does not know the question.
            break;
        }
        std::thread::sleep(BETWEEN);
    }
    KEEPS_NO_RECORD.store(true, Ordering::Relaxed);
    Err(io::Error::from_raw_os_error(libc::ECHILD))
}

/// Sends `signal` to the group that the process leads. Call it only while the process is not reaped: until then the
/// number is its own. No error once it has ended.
pub(crate) fn signal_group(pid: u32, signal: i32) -> io::Result<()> {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return Ok(()) };
    // SAFETY: a plain system call.
    if unsafe { libc::kill(-pid, signal) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}

/// Lets a process that has not run exec, a child of this one, lead a group of its own.
pub(crate) fn lead_group(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return };
    // One that has died needs none.
    // SAFETY: a plain system call.
    unsafe { libc::setpgid(pid, pid) };
}

/// Kills and reaps all children of this process that are in the group of `leader`, which may be one of them or have been.
/// Its number is nobody else's while one of them is not reaped.
pub(crate) fn end_children_of_group(leader: u32) {
    while look_for_child(leader, libc::WNOHANG | libc::WNOWAIT) {
        let _ = signal_group(leader, KILL);
        // Whoever gets this signal has not long to go.
        look_for_child(leader, 0);
    }
}

/// Waits for a child in the group to end; false where there is none.
fn look_for_child(group: u32, options: c_int) -> bool {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: `info` is memory for the answer.
        let answer =
            unsafe { libc::waitid(libc::P_PGID, group, info.as_mut_ptr(), libc::WEXITED | libc::__WALL | options) };
        if answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return answer == 0;
        }
    }
}

/// Whether the process still leads the group that it was started in.
pub(crate) fn leads_group(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: a plain system call.
    unsafe { libc::getpgid(pid) == pid }
}

/// Sends `signal` to the process. No error once it has ended.
pub(crate) fn signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a plain system call on a descriptor that is alive.
    if unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0_u32) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}

/// Ends this process and whatever it started in its group, at once.
pub(crate) fn end_own_group() -> ! {
    // A task may have moved this process into a group of others, who are not ours to end.
    if rustix::process::getpgrp() == rustix::process::getpid() {
        // SAFETY: a plain system call; this process leads its group, so nobody else is hit.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(1) }
}

/// The signal that ends a process without asking it.
pub(crate) const KILL: i32 = libc::SIGKILL;
/// The signal that asks a process to end.
pub(crate) const TERMINATE: i32 = libc::SIGTERM;

/// Whether a start that failed so may succeed once another process has ended.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// The name of a signal and what it usually means.
pub(crate) fn signal_words(signal: i32) -> Cow<'static, str> {
    let words = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT: interrupted",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL: illegal instruction",
        libc::SIGTRAP => "SIGTRAP: breakpoint",
        libc::SIGABRT => "SIGABRT: abort, as after a panic while panicking or a failed allocation",
        libc::SIGBUS => "SIGBUS: memory that is not there",
        libc::SIGFPE => "SIGFPE: arithmetic error",
        libc::SIGKILL => "SIGKILL: killed from outside",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV: invalid memory access or stack overflow",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM: asked to end",
        libc::SIGXCPU => "SIGXCPU: CPU limit reached",
        libc::SIGXFSZ => "SIGXFSZ: file size limit reached",
        libc::SIGSYS => "SIGSYS: forbidden system call",
        other => return Cow::Owned(format!("signal {other}")),
    };
    Cow::Borrowed(words)
}
