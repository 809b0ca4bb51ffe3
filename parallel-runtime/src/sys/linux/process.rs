//! Starting this program again, and what became of it.
//!
//! A start is `clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD)` followed by exec, as `posix_spawn` does it: no page table is
//! copied, and only the calling thread waits. `posix_spawn` itself cannot set the death signal, return a pidfd, or
//! close what it does not know. The executable is `/proc/self/./exe`: the very file that runs, renamed or deleted since.

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::descriptor::copy_above_standard;
use super::executable::EXECUTABLE;
use super::file_rights;
use super::memory::Mapping;
use super::owner::Owner;
use super::refusal::{Named, code_of, refused};
use super::rights::Rights;
use super::surroundings::Affinity;
use super::terminal;
use super::wait::wait_readable;
use crate::tuning::{DYING, SMALL_STACK, SYSTEM_PATIENCE};

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
    /// Those of the calling thread.
    pub(crate) rights: &'a Rights,
    /// Whose the calling thread was when it began to prepare this start. So is the new process, if there is one.
    pub(crate) owner: Owner,
}

/// Says that the program has changed its user while a process was started: its channel, its rights and it itself would be those
/// of different users.
const USER_CHANGED: c_int = libc::ESTALE;

/// Whether a start failed because the program changed its user meanwhile. Another try sees the new one.
pub(crate) fn is_user_changed(error: &io::Error) -> bool {
    code_of(error) == Some(USER_CHANGED)
}

/// A process that was started; its number stays its own until it is reaped.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

impl Started {
    /// A child that does nothing, for a test; `leads`: a group of its own.
    #[cfg(test)]
    #[allow(clippy::zombie_processes, reason = "what reaps it is what is tested")]
    pub(crate) fn idle(leads: bool) -> Self {
        use std::os::unix::process::CommandExt;

        let mut command = std::process::Command::new("sleep");
        if leads {
            command.process_group(0);
        }
        let pid = command.arg("1000").spawn().unwrap().id();
        // SAFETY: a plain system call, which gives a descriptor or an error.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        // SAFETY: just opened, and nobody else's.
        Self { pid, pidfd: unsafe { OwnedFd::from_raw_fd(RawFd::try_from(pidfd).unwrap()) } }
    }

    /// Kills the process, which may have no group of its own yet, and what it has started in that. Call it only while the
    /// process, or another in its group, is not reaped. Whether it worked shows by whether they end.
    pub(crate) fn kill(&self) {
        let _ = signal(self.pid, &self.pidfd, KILL);
        let _ = signal_group(self.pid, &self.pidfd, KILL);
    }
}

/// Whether a process has this number; one that is not reaped counts.
#[cfg(test)]
pub(crate) fn exists(pid: u32) -> bool {
    process_of(pid).is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
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
    /// Whether exec is to give it no rights: they would be more than the calling thread has. It cannot gain any by what it
    /// executes later either, as `sudo`.
    may_not_grow: bool,
    owner: Owner,
    /// What was refused, and with which number.
    refused: &'static str,
    error: c_int,
}

/// Starts this program again. Call it from a thread that lives as long as the program: the kernel kills the new process
/// when the thread that started it ends.
///
/// # Errors
///
/// What the call said that was refused, which the error names: EAGAIN at the limit of processes, EMFILE at that of
/// descriptors, ENOENT where `/proc` is not mounted.
pub(crate) fn launch(launch: &Launch<'_>) -> io::Result<Started> {
    let arguments = null_terminated(launch.arguments);
    let environment = null_terminated(launch.environment);
    let mut plan = Plan {
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        keep: launch.keep.as_raw_fd(),
        null: launch.null.as_raw_fd(),
        affinity: launch.affinity,
        parent: own_number(),
        may_not_grow: launch.rights.would_grow() || file_rights::must_not_grow(),
        owner: launch.owner,
        refused: "",
        error: 0,
    };
    let stack = Mapping::private(SMALL_STACK)?;
    let signals = BlockedSignals::new();
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: one past the end of the mapping.
    let top = unsafe { stack.as_ptr().add(SMALL_STACK) };
    // SAFETY: the stack grows down from the end of a mapping that outlives the child's use of it, because CLONE_VFORK
    // holds this thread until the child has called exec or ended; the same keeps `plan` and what it points to alive.
    // All signals are blocked, so no handler of ours runs on the shared memory.
    let pid = unsafe { libc::clone(child, top.cast(), flags, (&raw mut plan).cast(), &raw mut pidfd) };
    let error = io::Error::last_os_error();
    drop(signals);
    let Ok(pid) = u32::try_from(pid) else { return Err(error).named("clone") };
    // SAFETY: clone succeeded with CLONE_PIDFD, so this is a descriptor that nobody else knows.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pidfd = match copy_above_standard(&pidfd) {
        Ok(copy) => copy.unwrap_or(pidfd),
        Err(error) => {
            let _ = signal_group(pid, &pidfd, KILL);
            // Where the signal is refused, it ends once its channel is closed, which is not before this returns.
            reap_within(&pidfd, DYING);
            return Err(error);
        }
    };
    // The child wrote through the pointer: read the words again.
    // SAFETY: `plan` is a live local.
    let error = unsafe { (&raw const plan.error).read_volatile() };
    if error == 0 {
        return Ok(Started { pid, pidfd });
    }
    reap_within(&pidfd, DYING);
    // SAFETY: as above.
    let call = unsafe { (&raw const plan.refused).read_volatile() };
    Err(io::Error::from_raw_os_error(error)).named(call)
}

/// Reaps a process that is about to end, if it does within `limit`.
fn reap_within(pidfd: &OwnedFd, limit: Duration) {
    wait_for_end(pidfd, limit);
    let _ = try_wait(pidfd);
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
        match libc::getppid() {
            parent if parent == plan.parent || plan.parent <= 0 => {}
            // The C library hands on what the kernel says, which knows no error of this call; but a sandbox does.
            refusal if refusal < 0 => give_up(plan, "getppid", -refusal),
            // The parent died before the line above.
            _ => libc::_exit(0),
        }
        if let Some(affinity) = &plan.affinity {
            affinity.take();
        }
        if !plan.owner.is_still_own() {
            give_up(plan, "clone", USER_CHANGED);
        }
        terminal::leave();
        check(plan, "dup2", libc::dup2(plan.null, 0).into());
        for output in 1..=2 {
            if libc::fcntl(output, libc::F_GETFD) == -1 {
                check(plan, "dup2", libc::dup2(plan.null, output).into());
            }
        }
        let closed = libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        check(plan, "close_range", closed);
        check(plan, "fcntl", libc::fcntl(plan.keep, libc::F_SETFD, 0).into());
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        check(plan, "rt_sigprocmask", libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()).into());
        if plan.may_not_grow {
            check(plan, "prctl", libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
        }
        check(plan, "execve", libc::execve(EXECUTABLE.as_ptr(), plan.arguments, plan.environment).into());
    }
}

/// Ends the child where `call` has just given an error.
fn check(plan: &mut Plan, call: &'static str, answer: c_long) {
    if answer == -1 {
        give_up(plan, call, io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
}

/// Leaves the parent word of what was refused, and ends the child.
fn give_up(plan: &mut Plan, call: &'static str, error: c_int) -> ! {
    // SAFETY: a word of the parent's, which waits.
    unsafe { (&raw mut plan.refused).write_volatile(call) };
    // SAFETY: as above.
    unsafe { (&raw mut plan.error).write_volatile(error) };
    // SAFETY: ends the process.
    unsafe { libc::_exit(127) };
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

/// The parent of this process; 0 for one that it cannot see, and below 0 where the system refuses to tell, which it does in some
/// sandboxes, and which rustix does not expect.
pub(crate) fn parent_number() -> libc::pid_t {
    // SAFETY: a plain system call.
    unsafe { libc::getppid() }
}

/// The number of the calling thread; no other thread of the machine has it as long as this one lives.
pub(crate) fn thread_number() -> i32 {
    // SAFETY: a plain system call.
    unsafe { libc::gettid() }
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

/// Waits for the process to end, at most so long.
pub(crate) fn wait_for_end(pidfd: &OwnedFd, limit: Duration) {
    wait_readable(pidfd.as_fd(), Some(limit));
}

/// The signal that ended a process, and whether it left a core dump; `None` where it exited.
pub(crate) fn deadly_signal(status: ExitStatus) -> Option<(i32, bool)> {
    status.signal().map(|signal| (signal, status.core_dumped()))
}

/// The status of a process that this signal ended.
pub(crate) fn ended_by(signal: i32) -> ExitStatus {
    ExitStatus::from_raw(signal)
}

/// Whether somebody ended the process, by a signal that none raises by its own fault.
pub(crate) fn was_ended(status: ExitStatus) -> bool {
    let asked = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
    status.signal().is_some_and(|signal| asked.contains(&signal))
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
            code => {
                WAIT_REFUSED.store(code.unwrap_or(0), Ordering::Relaxed);
                return Err(error).named("waitid");
            }
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

/// What the system said when it last refused to tell how a process ended; 0: it never did.
static WAIT_REFUSED: AtomicI32 = AtomicI32::new(0);

/// Why the system does not tell how processes end, if it has refused to: a sandbox that came after [`check_waiting`].
pub(crate) fn waiting_refused() -> Option<io::Error> {
    let code = WAIT_REFUSED.load(Ordering::Relaxed);
    (code != 0).then(|| refused("waitid", io::Error::from_raw_os_error(code)))
}

/// Checks that the system tells how children end: where it does not, none should be started, because none could be reaped.
///
/// # Errors
///
/// What a sandbox says.
pub(crate) fn check_waiting() -> io::Result<()> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is memory for the answer.
    if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ECHILD) { Ok(()) } else { Err(error).named("waitid") }
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

/// Set where the kernel never kept the status of a process that somebody else reaped: then each is asked for once.
static KEEPS_NO_RECORD: AtomicBool = AtomicBool::new(false);

/// Asks the kernel for the status of a process that somebody else reaped.
fn recorded_status(pidfd: &OwnedFd) -> io::Result<ExitStatus> {
    const EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 11, struct pidfd_info)
    const GET_INFO: libc::Ioctl = (3 << 30) | (64 << 16) | (0xff << 8) | 11;
    // The kernel writes it down a moment after the process is no child any more.
    let patience = if KEEPS_NO_RECORD.load(Ordering::Relaxed) { Duration::ZERO } else { SYSTEM_PATIENCE };
    let asked = Instant::now();
    loop {
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
        if asked.elapsed() >= patience {
            break;
        }
        std::thread::yield_now();
    }
    KEEPS_NO_RECORD.store(true, Ordering::Relaxed);
    Err(io::Error::from_raw_os_error(libc::ECHILD))
}

/// Sends `signal` to the group that the process leads, or, where the system refuses that and not this, to the process alone.
/// Call it only while the process is not reaped: until then the number is its own. No error once it has ended.
pub(crate) fn signal_group(pid: u32, pidfd: &OwnedFd, number: i32) -> io::Result<()> {
    // Of Linux 6.9.
    const PROCESS_GROUP: u32 = 1 << 2;
    let Ok(leader) = libc::pid_t::try_from(pid) else { return Ok(()) };
    let refused = match send_by_number(-leader, number) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    send_by_pidfd(pidfd, number, PROCESS_GROUP).or_else(|_| signal(pid, pidfd, number)).map_err(|_| refused)
}

fn process_of(pid: u32) -> Option<rustix::process::Pid> {
    libc::pid_t::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

/// Lets a process that has not run exec, a child of this one, lead a group of its own.
pub(crate) fn lead_group(pid: u32) {
    let Some(pid) = process_of(pid) else { return };
    // One that has died needs none.
    let _ = rustix::process::setpgid(Some(pid), Some(pid));
}

/// Reaps the children of this process that have ended in the group of `leader`, which may be one of them or have been; whether
/// others are left. Its number is nobody else's while one of them is not reaped.
pub(crate) fn reap_group(leader: u32) -> bool {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = libc::WEXITED | libc::__WALL | libc::WNOHANG;
        // SAFETY: `info` is memory for the answer.
        if unsafe { libc::waitid(libc::P_PGID, leader, info.as_mut_ptr(), options) } != 0 {
            // There is none; or the system does not tell, and will not.
            return false;
        }
        // SAFETY: zeroed at first, and filled by the call.
        let info = unsafe { info.assume_init() };
        // SAFETY: waitid fills the child's fields, or leaves zeros where none has ended.
        if unsafe { info.si_pid() } == 0 {
            return true;
        }
    }
}

/// Whether the process still leads the group that it was started in.
pub(crate) fn leads_group(pid: u32) -> bool {
    process_of(pid).is_some_and(|pid| rustix::process::getpgid(Some(pid)) == Ok(pid))
}

/// Sends `signal` to the process, in either way that there is. Call it only while the process is not reaped. No error once it
/// has ended.
pub(crate) fn signal(pid: u32, pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return Ok(()) };
    send_by_pidfd(pidfd, signal, 0).or_else(|_| send_by_number(pid, signal))
}

/// `number`: a process, or with a minus before it a group.
fn send_by_number(number: libc::pid_t, signal: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    sent(unsafe { libc::kill(number, signal) }.into())
}

fn send_by_pidfd(pidfd: &OwnedFd, signal: i32, flags: u32) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a plain system call on a descriptor that is alive.
    sent(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, flags) })
}

fn sent(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}

/// The number of this process; below 0 where the system refuses to tell, which it does in some sandboxes.
pub(crate) fn own_number() -> libc::pid_t {
    // SAFETY: a plain system call.
    unsafe { libc::getpid() }
}

/// Ends this process and whatever it started in its group, at once.
pub(crate) fn end_own_group() -> ! {
    // A task may have moved this process into a group of others, who are not ours to end.
    if rustix::process::getpgid(None).is_ok_and(|group| group.as_raw_nonzero().get() == own_number()) {
        // This process leads its group, so nobody else is hit.
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::KILL);
    }
    // Where the system refuses that, or this process has left its group.
    // SAFETY: ends the process.
    unsafe { libc::_exit(LEFT) }
}

/// The exit code of a worker that ended itself because its channel was closed, and could not do so by SIGKILL: the number by
/// which shells tell that signal.
pub(crate) const LEFT: i32 = 128 + KILL;

/// The signal that ends a process without asking it.
pub(crate) const KILL: i32 = libc::SIGKILL;
/// The signal that asks a process to end.
pub(crate) const TERMINATE: i32 = libc::SIGTERM;

/// Signals that tests send, and ends that they look at.
#[cfg(test)]
pub(crate) mod signals {
    pub(crate) const STOP: i32 = libc::SIGSTOP;
    pub(crate) const CONTINUE: i32 = libc::SIGCONT;
    pub(crate) const ABORT: i32 = libc::SIGABRT;
    pub(crate) const FAULT: i32 = libc::SIGSEGV;
}

/// Whether a start that failed so may succeed once another process has ended.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(code_of(error), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOMEM))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_its_own_is_no_end_that_somebody_else_brought_about() {
        let table = [
            (libc::SIGKILL, true),
            (libc::SIGTERM, true),
            (libc::SIGINT, true),
            (libc::SIGHUP, true),
            (libc::SIGQUIT, true),
            (libc::SIGSEGV, false),
            (libc::SIGABRT, false),
            (libc::SIGBUS, false),
            (libc::SIGILL, false),
            (libc::SIGFPE, false),
            (libc::SIGSYS, false),
            (libc::SIGXCPU, false),
        ];
        for (signal, ended) in table {
            assert_eq!(was_ended(ExitStatus::from_raw(signal)), ended, "signal {signal}");
        }
        for code in [0, 1, 9, 137] {
            assert!(!was_ended(ExitStatus::from_raw(code << 8)), "exit code {code}");
        }
    }
}
