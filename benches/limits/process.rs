//! Processes: starting this program again to do nothing, forking, and what the system counts for a process.

use std::env;
use std::fs;
use std::process::{Child, Command, Stdio};

use parallel_benches::Contender;
use rustix::process::{Signal, set_parent_process_death_signal};

const VARIABLE: &str = "PARALLEL_BENCH_DO";
const NOTHING: &str = "nothing";
const WAIT: &str = "wait";

pub(crate) const SELF_EXEC: &str = "self exec";
pub(crate) const FORK: &str = "fork";

/// Asked on the first line of `main`: whether this process was started to end at once. One that was started to wait
/// does so here, until its standard input ends.
pub(crate) fn is_to_do_nothing() -> bool {
    match env::var(VARIABLE) {
        Ok(what) if what == NOTHING => true,
        Ok(what) if what == WAIT => {
            // What comes, or fails to come, ends the wait.
            let _ = std::io::stdin().read_line(&mut String::new());
            true
        }
        _ => false,
    }
}

fn this_program(what: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env(VARIABLE, what).stdin(Stdio::null());
    command
}

/// Starts this executable again, which ends on the first line of its `main`, and waits for it.
pub(crate) fn self_exec() -> Contender {
    Contender::timed(
        SELF_EXEC,
        1,
        || || this_program(NOTHING).status().expect("this program starts again"),
        |status| status.success(),
    )
}

/// Forks this process; the child ends at once.
pub(crate) fn fork() -> Contender {
    // SAFETY: a child that does nothing takes no lock.
    let fork = || wait_for(unsafe { fork_into(|| {}) });
    Contender::timed(FORK, 1, move || fork, |status| *status == 0)
}

/// A process of this program that only waits; it ends when this is dropped.
pub(crate) struct Waiting(Child);

impl Waiting {
    pub(crate) fn start() -> std::io::Result<Self> {
        this_program(WAIT).stdin(Stdio::piped()).spawn().map(Self)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs `child` in a forked process, which then ends with status 0; returns its pid.
///
/// # Safety
///
/// The child of a process with threads may hold locks that no thread will ever open: `child` must not allocate, print
/// or lock.
pub(crate) unsafe fn fork_into(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs only `child`, which takes no lock as the caller promises, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            child();
            // SAFETY: `_exit` has no precondition.
            unsafe { libc::_exit(0) }
        }
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        pid => pid,
    }
}

/// Makes a forked process end with its parent and close every descriptor, because it must not keep open what other
/// contenders wait for to be closed.
///
/// # Safety
///
/// The process uses no descriptor from then on.
pub(crate) unsafe fn belong_to_the_parent() {
    // It has no error for a signal that exists.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: the caller promises that nobody uses a closed descriptor.
    unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
}

/// Waits for a forked process; returns its raw status.
pub(crate) fn wait_for(pid: libc::pid_t) -> libc::c_int {
    let mut status = -1;
    // SAFETY: `pid` is a child that nobody else waits for, and `status` outlives the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid, "waitpid: {}", std::io::Error::last_os_error());
    status
}

/// The children of this process.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").expect("Linux has /proc");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| status_field(&format!("/proc/{pid}/status"), "PPid:").is_some_and(|parent| parent == own))
        .collect()
}

/// Private memory of a process that was written to, in bytes.
pub(crate) fn private_dirty(pid: u32) -> Option<f64> {
    let kilobytes: f64 = status_field(&format!("/proc/{pid}/smaps_rollup"), "Private_Dirty:")?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// What this process holds, in bytes: what it allocated and did not free, and the shared memory that it touched. (What
/// it has in RAM would not fall after a free.)
pub(crate) fn own_memory() -> Option<f64> {
    // SAFETY: the call has no precondition.
    let heap = unsafe { libc::mallinfo2() };
    let shared_kilobytes: f64 = status_field("/proc/self/status", "RssShmem:")?.parse().ok()?;
    Some((heap.uordblks + heap.hblkhd) as f64 + shared_kilobytes * 1024.0)
}

/// Runs `work`; returns what it gives, and how many bytes of RAM this process had more at most than at the beginning.
pub(crate) fn peak_memory<R>(work: impl FnOnce() -> R) -> Option<(R, f64)> {
    let kilobytes = |key| status_field("/proc/self/status", key)?.parse::<f64>().ok();
    // What the allocator keeps from before would not be seen to grow.
    // SAFETY: the call has no precondition.
    unsafe { libc::malloc_trim(0) };
    // The highest figure so far begins anew.
    fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = kilobytes("VmRSS:")?;
    let result = work();
    Some((result, (kilobytes("VmHWM:")? - before) * 1024.0))
}

/// How often the threads of a process were taken from a core or left it, so far.
pub(crate) fn context_switches(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let of_thread = |path: &str| -> Option<u64> {
        let voluntary: u64 = status_field(path, "voluntary_ctxt_switches:")?.parse().ok()?;
        let forced: u64 = status_field(path, "nonvoluntary_ctxt_switches:")?.parse().ok()?;
        Some(voluntary + forced)
    };
    Some(threads.filter_map(|thread| of_thread(thread.ok()?.path().join("status").to_str()?)).sum())
}

/// The first word after a key in one of the system's tables.
fn status_field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next().map(str::to_string)
}
