//! Starting this program again.
//!
//! A start is `clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD)` followed by exec, as `posix_spawn` does it: no page table is
//! copied, and only the calling thread waits. `posix_spawn` itself cannot set the death signal, return a pidfd, or
//! close what it does not know. The executable is `/proc/self/./exe`: the very file that runs, renamed or deleted since.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::descriptor::copy_above_standard;
use super::executable::EXECUTABLE;
use super::file_rights;
use super::memory::Mapping;
use super::owner::Owner;
use super::refusal::{Named, code_of};
use super::rights::Rights;
#[cfg(test)]
pub(crate) use super::signalling::signals;
pub(crate) use super::signalling::{
    KILL, LEFT, TERMINATE, end_own_group, is_passing, lead_group, leads_group, own_number, reap_group, signal,
    signal_group, signal_words,
};
pub(crate) use super::status::{
    check_waiting, deadly_signal, ended_by, is_stopped, peek, try_wait, wait_for_end, waiting_refused, was_ended,
};
use super::surroundings::Affinity;
use super::terminal;
use crate::tuning::{DYING, SMALL_STACK};

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
    /// The cores that the new process may run on, where they are not those of the calling thread.
    pub(crate) affinity: Option<Affinity>,
    /// The rights of the calling thread.
    pub(crate) rights: &'a Rights,
    /// The owner of the calling thread when it began to prepare this start, and so of the new process, if there is one.
    pub(crate) owner: Owner,
}

/// Says that the program changed its user during a start: process, channel and rights would be of different users.
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
        // SAFETY: just opened, so it has no other owner.
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
    super::signalling::process_of(pid)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
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
    /// Whether exec is to give the child no rights: they would be more than the calling thread has. Then it gains none by
    /// what it executes later either, such as `sudo`.
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
    // SAFETY: clone succeeded with CLONE_PIDFD, so it has just opened this descriptor, which has no other owner.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pidfd = match copy_above_standard(&pidfd) {
        Ok(copy) => copy.unwrap_or(pidfd),
        Err(error) => {
            let _ = signal_group(pid, &pidfd, KILL);
            // Where the signal is refused, the child ends once its channel is closed, which is after this returns.
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
    // SAFETY: `launch` passes its own plan, and waits in clone while the child uses it.
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
            // Fails for SIGKILL, SIGSTOP and the two signals of the C library (nptl(7)), which have nothing to reset.
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        match libc::getppid() {
            parent if parent == plan.parent || plan.parent <= 0 => {}
            // The kernel never refuses this call, but a sandbox may: the C library then returns the negated error number.
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

/// Tells the parent what was refused, and ends the child.
fn give_up(plan: &mut Plan, call: &'static str, error: c_int) -> ! {
    // SAFETY: a word of the plan, which the parent keeps alive and does not touch while it waits in clone.
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

/// The number of this process's parent; 0 where it is in another namespace, below 0 where a sandbox refuses to tell, which
/// rustix does not expect.
pub(crate) fn parent_number() -> libc::pid_t {
    // SAFETY: a plain system call.
    unsafe { libc::getppid() }
}

/// The number of the calling thread; no other thread of the machine has it as long as this one lives.
pub(crate) fn thread_number() -> i32 {
    // SAFETY: a plain system call.
    unsafe { libc::gettid() }
}

/// Ignores SIGPIPE, as the prologue of `main` does: a worker never runs that.
pub(crate) fn adopt_rust_signal_state() {
    // SAFETY: sets a disposition; no handler runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Leaves the parent's death to the thread of this process that watches for it. The kernel's SIGKILL would spare what this
/// process has started; now the kernel sends SIGCONT, by which a stopped process goes on, so that it can end itself. Call
/// it from the main thread, to which the setting belongs.
pub(crate) fn leave_death_to_watcher() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::CONT));
}
