//! Words in shared memory that processes wait on (futex), and the identities by which processes mark such words.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::mm::Advice;
use rustix::process::{Pid, PidfdFlags};

use super::memory::Mapping;
use super::wait::{wait_word, wake_word};

/// Waits while the lower half of `word` is `value`, until a thread of any process wakes this one or `timeout` has passed.
/// May return early.
pub(crate) fn wait_low_half(word: &AtomicU64, value: u32, timeout: Option<Duration>) {
    wait_word(low_half(word), value, timeout);
}

/// Wakes up to `count` waiters of the lower half of `word`, in whatever process; returns how many there were.
pub(crate) fn wake_low_half(word: &AtomicU64, count: u32) -> u32 {
    wake_word(low_half(word), count)
}

/// What the kernel compares: futexes are 32 bits wide.
fn low_half(word: &AtomicU64) -> &AtomicU32 {
    const { assert!(cfg!(target_endian = "little"), "the lower half is the first one") };
    // SAFETY: aligned and alive as `word` is. No access of this program goes through the reference: it only carries the
    // address to the kernel.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}

/// The bits of an [identity](own_identity) that are the process's number. Linux gives out fewer than 2 to the 22nd
/// (proc_sys_kernel(5), `pid_max`).
pub(crate) const PID_BITS: u32 = 22;

/// Tells this process from every other, also from an earlier one with the same number: the number in the lower 32 bits,
/// and above it the lower 32 bits of the time of its start, in the kernel's ticks; 0 where that is not known.
pub(crate) fn own_identity() -> u64 {
    /// On a page that the kernel empties in a forked child: the child reads 0 there, and looks up its own identity.
    static KNOWN: OnceLock<Option<Mapping>> = OnceLock::new();
    let page = KNOWN.get_or_init(|| {
        let page = Mapping::private(size_of::<AtomicU64>()).ok()?;
        // SAFETY: a fresh mapping of ours, on which nothing has been written.
        unsafe { rustix::mm::madvise(page.as_ptr().cast(), page.len(), Advice::LinuxWipeOnFork) }.ok()?;
        Some(page)
    });
    let Some(page) = page else { return read_own_identity() };
    // SAFETY: the page is aligned, lives as long as the program, and any bits are a number.
    let known = unsafe { AtomicU64::from_ptr(page.as_ptr().cast()) };
    match known.load(Ordering::Relaxed) {
        0 => {
            let identity = read_own_identity();
            known.store(identity, Ordering::Relaxed);
            identity
        }
        identity => identity,
    }
}

#[cold]
fn read_own_identity() -> u64 {
    let pid = std::process::id();
    let start = stat(pid).ok().flatten().map_or(0, |stat| stat.start);
    u64::from(start) << 32 | u64::from(pid)
}

/// Whether the process of this [identity](own_identity) has ended; false when that cannot be known.
pub(crate) fn is_gone(identity: u64) -> bool {
    if identity == own_identity() {
        return false;
    }
    let pid = identity as u32;
    let start = (identity >> 32) as u32;
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    if rustix::process::test_kill_process(process) == Err(Errno::SRCH) {
        return true;
    }
    match stat(pid) {
        Ok(Some(stat)) if start != 0 && stat.start != start => true,
        Ok(Some(stat)) if stat.is_zombie => has_ended(process),
        // Perhaps it ended since; perhaps `/proc` does not show it.
        Ok(None) => rustix::process::test_kill_process(process) == Err(Errno::SRCH),
        _ => false,
    }
}

/// Whether no thread of the process is left: a process looks like a zombie once its first thread has ended, also while
/// others run.
fn has_ended(process: Pid) -> bool {
    match rustix::process::pidfd_open(process, PidfdFlags::empty()) {
        Ok(pidfd) => {
            let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
            rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
        }
        Err(error) => error == Errno::SRCH,
    }
}

/// What `/proc/PID/stat` says.
struct Stat {
    is_zombie: bool,
    /// The lower 32 bits of the time of the start, in ticks since boot.
    start: u32,
}

/// Reads what is known of a process; `None` when there is none, or none to be seen.
fn stat(pid: u32) -> io::Result<Option<Stat>> {
    let text = match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(text) => text,
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) => return Ok(None),
        Err(error) => return Err(error),
    };
    parse_stat(&text).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The second field, the name, is in brackets and may hold anything. State is the third field, the start the 22nd.
    let after_name = text.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&text[after_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let start: u64 = fields.nth(18)?.parse().ok()?;
    Some(Stat { is_zombie: matches!(state, "Z" | "X"), start: start as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_with_brackets_and_spaces_hides_no_field() {
        let text = b"7 (a) Z 1 (b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4294967297 20\n";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.is_zombie, stat.start), (false, 1));
    }

    #[test]
    fn this_process_lives_and_one_that_was_killed_is_gone_before_it_is_reaped() {
        assert!(!is_gone(own_identity()));
        assert_ne!(own_identity() >> 32, 0);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let start = stat(child.id()).unwrap().unwrap().start;
        let identity = u64::from(start) << 32 | u64::from(child.id());
        assert!(!is_gone(identity));
        // The same number at another time is another process.
        assert!(is_gone(identity ^ 1 << 32));
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !is_gone(identity) {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(identity));
    }
}
