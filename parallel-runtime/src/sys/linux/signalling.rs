//! Signals for a process and its group, and what they are called.

use std::borrow::Cow;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use super::refusal::code_of;

/// Sends `signal` to the group that the process leads or, where the system refuses only that, to the process alone. Call it
/// only while the process is not reaped: until then the number is its own. No error once it has ended.
pub(crate) fn signal_group(pid: u32, pidfd: &OwnedFd, number: i32) -> io::Result<()> {
    // From Linux 6.9 on: pidfd_send_signal(2).
    const PROCESS_GROUP: u32 = 1 << 2;
    let Ok(leader) = libc::pid_t::try_from(pid) else { return Ok(()) };
    let refused = match send_by_number(-leader, number) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    send_by_pidfd(pidfd, number, PROCESS_GROUP).or_else(|_| signal(pid, pidfd, number)).map_err(|_| refused)
}

pub(super) fn process_of(pid: u32) -> Option<rustix::process::Pid> {
    libc::pid_t::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

/// Lets a process that has not run exec, a child of this one, lead a group of its own.
pub(crate) fn lead_group(pid: u32) {
    let Some(pid) = process_of(pid) else { return };
    // A process that has died needs no group.
    let _ = rustix::process::setpgid(Some(pid), Some(pid));
}

/// Reaps the children of this process that have ended in the group of `leader`, which is or was one of them; returns
/// whether others are left in it. No other process gets the leader's number while one of the group is not reaped.
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
    // A task may have moved this process into a group with processes that are not ours to end.
    if rustix::process::getpgid(None).is_ok_and(|group| group.as_raw_nonzero().get() == own_number()) {
        // This process leads its group, so the signal reaches only what it has started.
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

/// Signals that tests send, and ends that they look at.
#[cfg(test)]
pub(crate) mod signals {
    pub(crate) const STOP: i32 = libc::SIGSTOP;
    pub(crate) const CONTINUE: i32 = libc::SIGCONT;
    pub(crate) const ABORT: i32 = libc::SIGABRT;
    pub(crate) const FAULT: i32 = libc::SIGSEGV;
}
