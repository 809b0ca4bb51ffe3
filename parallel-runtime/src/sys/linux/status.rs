//! What became of a process: whether it has ended or is stopped, and how.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use libc::c_int;

use super::refusal::{Named, refused};
use super::wait::wait_readable;
use crate::tuning::SYSTEM_PATIENCE;

/// Reaps the process if it has ended; `None` while it runs.
///
/// # Errors
///
/// ECHILD where the program or the kernel reaped it, and the kernel keeps no record (before Linux 6.15, commit
/// 7477d7dce48a).
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

/// Whether the process was ended on purpose: by a signal that no process gets by its own fault.
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
            // The program ignores SIGCHLD, or waits for any child: the kernel keeps a record from 6.15 on.
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

/// Set once the kernel had no record of a process that others reaped: then each further one is asked for once only.
static KEEPS_NO_RECORD: AtomicBool = AtomicBool::new(false);

/// Asks the kernel for its record of a process that others reaped.
fn recorded_status(pidfd: &OwnedFd) -> io::Result<ExitStatus> {
    const EXIT: u64 = 1 << 3;
    // _IOWR(0xff, 11, struct pidfd_info)
    const GET_INFO: libc::Ioctl = (3 << 30) | (64 << 16) | (0xff << 8) | 11;
    // The kernel writes the record a moment after the process is no child any more.
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
