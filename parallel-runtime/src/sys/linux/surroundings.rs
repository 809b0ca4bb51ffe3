//! What a process hands on to those it starts, apart from arguments and descriptors.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::thread::CpuSet;

use super::limits;

/// The cores that a thread may run on.
#[derive(Clone, Copy)]
pub(crate) struct Affinity(CpuSet);

impl Affinity {
    /// The cores of the calling thread; `None` where the machine has more cores than fit.
    pub(crate) fn own() -> Option<Self> {
        rustix::thread::sched_getaffinity(None).ok().map(Self)
    }

    /// `None` where the calling thread has this affinity: a process that it starts has it anyway.
    pub(crate) fn unless_own(self) -> Option<Self> {
        (Some(self.0) != rustix::thread::sched_getaffinity(None).ok()).then_some(self)
    }

    /// Gives these cores to a process of one thread; where the system refuses, the process keeps those that it has.
    pub(crate) fn give_to(self, pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        if pid.is_some() {
            let _ = rustix::thread::sched_setaffinity(pid, &self.0);
        }
    }

    /// Confines the calling thread to these cores. One system call, good between clone and exec.
    pub(crate) fn take(&self) {
        let _ = rustix::thread::sched_setaffinity(None, &self.0);
    }
}

/// What a process started now would find, its environment aside. A process cannot tell surroundings apart that are equal.
#[derive(PartialEq)]
pub(crate) struct Surroundings {
    /// Device and inode of the current folder and of the root.
    places: [(u64, u64); 2],
    /// Each with what it may be raised to; `None` where a sandbox refuses to tell.
    limits: [Option<(u64, u64)>; LIMITS.len()],
    priorities: [i64; 4],
    /// Lines of `status`, the control group, and the weight when memory runs out.
    texts: [Vec<u8>; 3],
}

/// The lines of `/proc/thread-self/status` that say what a thread hands on: users, groups, rights, and the cores and memory
/// it may use.
const LINES: [&str; 16] = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "NSsid",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "Cpus_allowed",
    "Mems_allowed",
    "THP_enabled",
];

const LIMITS: [libc::__rlimit_resource_t; 16] = [
    libc::RLIMIT_AS,
    libc::RLIMIT_CORE,
    libc::RLIMIT_CPU,
    libc::RLIMIT_DATA,
    libc::RLIMIT_FSIZE,
    libc::RLIMIT_LOCKS,
    libc::RLIMIT_MEMLOCK,
    libc::RLIMIT_MSGQUEUE,
    libc::RLIMIT_NICE,
    libc::RLIMIT_NOFILE,
    libc::RLIMIT_NPROC,
    libc::RLIMIT_RSS,
    libc::RLIMIT_RTPRIO,
    libc::RLIMIT_RTTIME,
    libc::RLIMIT_SIGPENDING,
    libc::RLIMIT_STACK,
];

/// Looks at the surroundings of processes that the thread which made this lookout would start. It keeps its files open: to
/// open one takes as long as to read it.
pub(crate) struct Lookout {
    status: OwnedFd,
    /// The control group, and the weight when memory runs out.
    others: [OwnedFd; 2],
}

impl Lookout {
    /// # Errors
    ///
    /// Where the system does not tell, as without `/proc`.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            status: open("/proc/thread-self/status")?,
            others: [open("/proc/thread-self/cgroup")?, open("/proc/self/oom_score_adj")?],
        })
    }

    /// What a process that this thread starts now would find.
    ///
    /// # Errors
    ///
    /// Where the system does not tell, or the program has closed a descriptor of this lookout.
    pub(crate) fn now(&self) -> io::Result<Surroundings> {
        let place = |path| rustix::fs::stat(path).map(|status| (status.st_dev, status.st_ino));
        let status = read(&self.status)?;
        let is_wanted = |line: &&[u8]| {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            LINES.iter().any(|wanted| wanted.as_bytes() == name)
        };
        let lines: Vec<&[u8]> = status.split(|&byte| byte == b'\n').filter(is_wanted).collect();
        let [cgroup, badness] = &self.others;
        Ok(Surroundings {
            places: [place(".")?, place("/")?],
            limits: LIMITS.map(|limit| limits::raw(limit).map(|limit| (limit.rlim_cur, limit.rlim_max))),
            priorities: priorities(),
            texts: [lines.join(&b'\n'), read(cgroup)?, read(badness)?],
        })
    }
}

fn open(path: &str) -> io::Result<OwnedFd> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    super::descriptor::above_standard(file)
}

/// Reads a small file of the kernel's, with as few calls as it takes.
fn read(file: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut text = vec![0; 2 << 10];
    loop {
        // From the start each time: the kernel writes it anew.
        let len = rustix::io::pread(file, &mut text, 0)?;
        if len < text.len() {
            text.truncate(len);
            return Ok(text);
        }
        text.resize(2 * len, 0);
    }
}

/// Niceness, policy, input and output, and how the program is executed; an error reads as a number of its own.
fn priorities() -> [i64; 4] {
    let nice = rustix::process::getpriority_process(None).map_or(-100, i64::from);
    // SAFETY: a plain system call.
    let policy = unsafe { libc::sched_getscheduler(0) };
    const WHO_PROCESS: i32 = 1;
    // SAFETY: a plain system call.
    let io = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0) };
    // SAFETY: only asks.
    let personality = unsafe { libc::personality(0xffff_ffff) };
    [nice, policy.into(), io, personality.into()]
}
