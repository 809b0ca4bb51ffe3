//! What a thread hands on to the processes that it starts: rights, filters, namespaces, priority, and how far it is
//! confined beyond them. One thread of ours, the starting thread, starts processes for all others; this tells for which it
//! may.
//!
//! Two things cannot be read. *Which* filters a thread has: only how many. They are those of the program where there are as
//! many as the program had when it was executed, or when it still had one thread. And Landlock: but a thread may look at
//! `/proc/PID/exe` only where that process is at least as confined by it (`Documentation/userspace-api/landlock.rst`,
//! "Ptrace restrictions").

use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, Pid};

use super::process;
use super::program;
use super::rights::{self, Rights};

/// How the starting thread stands, so that other threads compare themselves with it.
#[derive(Debug)]
pub(crate) struct Standing {
    thread: Option<Pid>,
    rights: Rights,
    filters: u32,
    /// Whether a thread with as many filters has the same ones.
    knows_filters: bool,
    bounding: u64,
    priorities: [i64; PRIORITIES],
    /// Where the kernel does not tell whether threads share folders and root, what these are.
    places: [(u64, u64); 2],
    namespaces: [u64; NAMESPACES.len()],
    /// `None` where the kernel keeps none.
    label: Option<Vec<u8>>,
    /// Whether the starting thread may look at the program's parent.
    sees_parent: bool,
    /// Whether a thread of the program may have left namespaces, or dropped capabilities from its bounding set.
    may_be_apart: bool,
}

/// How a thread stands to the starting thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What the starting thread starts is at least as confined as this thread.
    Same,
    /// The same by all that can be told, but of Landlock it cannot be told.
    Doubtful,
    /// The threads differ in this.
    Other(&'static str),
}

const PRIORITIES: usize = 7;
const WHO_PROCESS: i32 = 1;

/// The namespaces that a thread may leave by itself. That of users it may not, while there is another thread.
const NAMESPACES: [&CStr; 7] = [
    c"/proc/thread-self/ns/mnt",
    c"/proc/thread-self/ns/net",
    c"/proc/thread-self/ns/uts",
    c"/proc/thread-self/ns/ipc",
    c"/proc/thread-self/ns/pid_for_children",
    c"/proc/thread-self/ns/cgroup",
    c"/proc/thread-self/ns/time_for_children",
];
const FOLDER: &CStr = c"/proc/thread-self/ns";

/// How many filters the program had when no thread could have had others; [`UNKNOWN`] before that is known.
static COMMON_FILTERS: AtomicU32 = AtomicU32::new(UNKNOWN);
const UNKNOWN: u32 = u32::MAX;

thread_local! {
    /// How many filters this thread had when it made the starting thread.
    static HANDED_ON: Cell<u32> = const { Cell::new(UNKNOWN) };
}

/// Whether the program was executed with rights to leave namespaces or to drop capabilities from a bounding set. A thread
/// without them gets them only in a user namespace of its own, and it can make one only while it is the only thread.
static HAD_RIGHTS: AtomicBool = AtomicBool::new(true);

/// Notes what all threads of the program have in common. Call it before `main`.
pub(crate) fn note_start() {
    COMMON_FILTERS.store(count_filters(), Ordering::Relaxed);
    HAD_RIGHTS.store(has_rights(), Ordering::Relaxed);
}

/// Whether the calling thread may leave namespaces or drop capabilities from its bounding set, or the system does not tell.
fn has_rights() -> bool {
    let apart = CapabilitySet::SYS_ADMIN | CapabilitySet::SETPCAP;
    rustix::thread::capabilities(None).map_or(true, |own| own.permitted.intersects(apart))
}

/// Whether the program has stayed in the user namespace of its parent, as far as it may look.
fn is_in_user_namespace_of_parent() -> bool {
    let parent = super::process::parent_number();
    let namespace = |process: &str| rustix::fs::readlink(format!("/proc/{process}/ns/user"), Vec::new()).ok();
    namespace("self").is_some_and(|own| namespace(&parent.to_string()) == Some(own))
}

/// Notes what the calling thread hands on to the thread that it is about to make, and that will start processes.
pub(crate) fn note_heir() {
    let filters = count_filters();
    HANDED_ON.set(filters);
    // All threads to come are descendants of this one.
    if rustix::fs::stat(c"/proc/self/task").is_ok_and(|status| status.st_nlink == 3) {
        COMMON_FILTERS.store(filters, Ordering::Relaxed);
    }
}

impl Standing {
    /// That of the calling thread.
    pub(crate) fn own() -> Self {
        let filters = count_filters();
        Self {
            thread: Pid::from_raw(process::thread_number()),
            rights: Rights::own(),
            filters,
            knows_filters: filters == COMMON_FILTERS.load(Ordering::Relaxed),
            bounding: rights::bounding_set(),
            priorities: all_priorities(),
            places: places(),
            namespaces: namespaces(true),
            label: label(),
            sees_parent: sees_parent(),
            may_be_apart: HAD_RIGHTS.load(Ordering::Relaxed) || has_rights() || !is_in_user_namespace_of_parent(),
        }
    }

    /// How the calling thread, of rights `own`, stands to the starting thread. `sees_child`: whether it may look at a
    /// process that the starting thread has started. Calls that a filter is least likely to refuse come first.
    pub(crate) fn verdict(&self, own: &Rights, sees_child: impl FnOnce() -> bool) -> Verdict {
        match self.difference(own) {
            Some(difference) => Verdict::Other(difference),
            None => verdict_of_landlock(self.sees_parent, sees_parent(), sees_child),
        }
    }

    fn difference(&self, own: &Rights) -> Option<&'static str> {
        if let Some(difference) = own.difference(&self.rights) {
            return Some(difference);
        }
        if own.are_filtered() {
            let filters = count_filters();
            if filters != self.filters || !(self.knows_filters || HANDED_ON.get() == filters) {
                return Some("seccomp filters");
            }
        }
        if self.priorities != all_priorities() {
            return Some("priority");
        }
        let shares = shares_places(self.thread);
        if shares.is_none() && self.places != places() {
            return Some("root, current folder or namespace of mounts");
        }
        // A thread that has left the namespace of mounts no longer shares the root.
        if shares == Some(false) {
            return Some("root, current folder or namespace of mounts");
        }
        if !self.may_be_apart {
            // The looks below take most of the time.
            return self.difference_of_label();
        }
        let has_left = |(&own, other): (&u64, u64)| own != other && other != SKIPPED;
        if self.namespaces.iter().zip(namespaces(shares.is_none())).any(has_left) {
            return Some("namespaces");
        }
        if self.bounding != rights::bounding_set() {
            return Some("capabilities");
        }
        self.difference_of_label()
    }

    fn difference_of_label(&self) -> Option<&'static str> {
        (self.label.is_some() && self.label != label()).then_some("security label")
    }
}

/// What looks tell of Landlock: the starting thread's (`other`) and the calling thread's at the program's parent, and the
/// calling thread's at a process that the starting thread has started.
fn verdict_of_landlock(other_sees_parent: bool, sees_parent: bool, sees_child: impl FnOnce() -> bool) -> Verdict {
    match (other_sees_parent, sees_parent) {
        // The parent is no descendant of any thread, so it is in no domain that was made in this program.
        (true, true) => Verdict::Same,
        // The starting thread has confined itself.
        (false, true) => Verdict::Other("Landlock"),
        (_, false) if sees_child() => Verdict::Same,
        (_, false) => Verdict::Doubtful,
    }
}

fn sees_parent() -> bool {
    let number = super::process::parent_number();
    // The parent may have died meanwhile, and another process may have its number.
    number > 0 && look_at(number.unsigned_abs()) && number == super::process::parent_number()
}

/// Whether the calling thread may look at the process.
pub(crate) fn look_at(pid: u32) -> bool {
    const KCMP_VM: i32 = 1;
    // SAFETY: only compares.
    let compared = unsafe { libc::syscall(libc::SYS_kcmp, process::thread_number(), pid, KCMP_VM, 0, 0) };
    if compared >= 0 {
        // `kcmp` takes the same right as the link, and a quarter of the time.
        return true;
    }
    rustix::fs::readlink(format!("/proc/{pid}/exe"), Vec::new()).is_ok()
}

fn count_filters() -> u32 {
    match rustix::thread::secure_computing_mode() {
        Ok(rustix::thread::SecureComputingMode::Disabled) => 0,
        // Without the line (Linux 5.9, proc_pid_status(5)) one number stands for any count.
        _ => filters_by_status().unwrap_or(UNKNOWN - 1),
    }
}

fn filters_by_status() -> Option<u32> {
    let status = read(c"/proc/thread-self/status").ok()?;
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"Seccomp_filters:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Niceness and policy with what belongs to it, input and output, how the program is executed, the slack of timers.
fn all_priorities() -> [i64; PRIORITIES] {
    /// `struct sched_attr` of `linux/sched/types.h`, as far as its first version goes.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        times: [u64; 3],
    }
    const _: () = assert!(size_of::<Attributes>() == 48);
    let mut attributes = Attributes::default();
    // SAFETY: fills as many bytes as it is told there are.
    unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size_of::<Attributes>(), 0) };
    let Attributes { policy, flags, nice, priority, .. } = attributes;
    // SAFETY: only asks.
    let io = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0) };
    // SAFETY: only asks.
    let personality = unsafe { libc::personality(0xffff_ffff) };
    let slack = rustix::thread::current_timer_slack().map_or(-1, |slack| slack as i64);
    [nice.into(), policy.into(), priority.into(), flags as i64, io, personality.into(), slack]
}

/// Whether the calling thread shares current folder, root and umask with the thread `other`; `None` where the kernel does
/// not tell.
fn shares_places(other: Option<Pid>) -> Option<bool> {
    const KCMP_FS: i32 = 3;
    let own = process::thread_number();
    // SAFETY: only compares.
    match unsafe { libc::syscall(libc::SYS_kcmp, own, other?.as_raw_nonzero().get(), KCMP_FS, 0, 0) } {
        0 => Some(true),
        1.. => Some(false),
        _ => None,
    }
}

fn places() -> [(u64, u64); 2] {
    [c".", c"/"].map(|path| rustix::fs::stat(path).map_or((0, 0), |status| (status.st_dev, status.st_ino)))
}

const SKIPPED: u64 = u64::MAX;

/// The numbers of the namespaces in which the calling thread starts processes; 0 for a namespace that the system does not
/// tell.
fn namespaces(with_mounts: bool) -> [u64; NAMESPACES.len()] {
    // Links are read in half the time from an open folder.
    let open = || rustix::fs::open(FOLDER, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
    // Under a low limit, a descriptor taken here for a moment may be missing where a result is to arrive.
    let folder = (program::descriptor_limit() >= program::USUAL_DESCRIPTORS).then(open).flatten();
    NAMESPACES.map(|path| match with_mounts || path != NAMESPACES[0] {
        true => namespace(folder.as_ref(), path).unwrap_or(0),
        false => SKIPPED,
    })
}

fn namespace(folder: Option<&OwnedFd>, path: &CStr) -> Option<u64> {
    let mut buffer = [0_u8; 64];
    let len = match folder {
        Some(folder) => {
            let name = &path.to_bytes_with_nul()[FOLDER.to_bytes_with_nul().len()..];
            rustix::fs::readlinkat_raw(folder, CStr::from_bytes_with_nul(name).ok()?, &mut buffer).ok()?
        }
        None => rustix::fs::readlinkat_raw(rustix::fs::CWD, path, &mut buffer).ok()?,
    };
    // Such as `net:[4026531840]`.
    let digits = buffer[..len].split(|byte| !byte.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a security module calls the calling thread.
fn label() -> Option<Vec<u8>> {
    match read(c"/proc/thread-self/attr/current") {
        Ok(label) => Some(label),
        // No module keeps one.
        Err(Errno::INVAL | Errno::NOENT) => None,
        Err(error) => Some(error.raw_os_error().to_le_bytes().to_vec()),
    }
}

fn read(path: &CStr) -> Result<Vec<u8>, Errno> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = vec![0; 4 << 10];
    let len = rustix::io::read(&file, &mut text)?;
    text.truncate(len);
    Ok(text)
}

/// Refuses a process to be started by a thread with more rights than `caller`'s: the program may have taken some back since
/// the call.
///
/// # Errors
///
/// Where the calling thread has more.
pub(crate) fn check_rights(own: &Rights, caller: &Rights) -> io::Result<()> {
    own.excess_over(caller).map_or(Ok(()), |excess| {
        let text =
            format!("it would run {excess} than its caller had at the call: the program has taken that back since");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_look_that_is_allowed_says_that_a_thread_is_not_confined_further() {
        use Verdict::{Doubtful, Other, Same};
        for (others, own, zygote, expected) in [
            (true, true, false, Same),
            (true, true, true, Same),
            (true, false, false, Doubtful),
            (true, false, true, Same),
            (false, true, false, Other("Landlock")),
            (false, true, true, Other("Landlock")),
            (false, false, false, Doubtful),
            (false, false, true, Same),
        ] {
            assert_eq!(verdict_of_landlock(others, own, || zygote), expected, "{others} {own} {zygote}");
        }
    }

    #[test]
    fn namespaces_are_the_same_by_whichever_way_they_are_read() {
        let folder = rustix::fs::open(FOLDER, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("it is there");
        for path in NAMESPACES {
            let number = namespace(None, path);
            assert_eq!(namespace(Some(&folder), path), number, "{path:?}");
            assert!(number.is_some() || path == NAMESPACES[6], "{path:?}");
        }
    }

    #[test]
    fn a_thread_stands_as_the_one_that_made_it() {
        let standing = Standing::own();
        let difference = std::thread::spawn(move || standing.difference(&Rights::own())).join().expect("no panic");
        assert_eq!(difference, None);
    }

    #[test]
    fn a_thread_that_has_made_itself_nicer_stands_elsewhere() {
        let standing = Standing::own();
        let other = std::thread::spawn(move || {
            rustix::process::nice(1).expect("anybody may");
            standing.verdict(&Rights::own(), || false)
        });
        assert_eq!(other.join().expect("no panic"), Verdict::Other("priority"));
    }
}
