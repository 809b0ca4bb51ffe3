//! What a program has: descriptors, threads, memory, processes. At the end it has no more of them than before.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// How long what is given back late may take: memory for large values is kept for 5 s, and a machine may be busy.
const GIVEN_BACK: Duration = Duration::from_secs(60);
/// Mappings that the allocator may have made since.
const MORE_MAPPINGS: usize = 100;
/// A zygote and its spare, which need not have been there.
const MORE_CHILDREN: usize = 2;
/// What those need: a pidfd and a socket each, and the socket of a copy that was asked for.
const MORE_DESCRIPTORS: usize = 5;

/// Lets no crash write a file, in this process or those that it starts.
pub(crate) fn leave_no_core_files() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a plain system call with a valid argument.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    assert_eq!(answer, 0, "less is always allowed");
}

/// The children of a process, whichever thread started them.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    children.flat_map(|some| some.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The state, parent and group of a process; `None` for one that is gone.
pub(crate) fn status(pid: u32) -> Option<(char, u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// What a process is called, and what it is at.
fn describe(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().chars().take(60).collect()
}

#[derive(Debug)]
pub(crate) struct Census {
    descriptors: BTreeMap<String, usize>,
    threads: usize,
    mappings: usize,
    /// Of memory that is shared with others.
    shared: usize,
    children: usize,
    zombies: usize,
}

impl Census {
    fn now() -> Self {
        let me = std::process::id();
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc is there");
        let mut descriptors = BTreeMap::new();
        for descriptor in fs::read_dir("/proc/self/fd").expect("/proc is there").flatten() {
            let Ok(file) = fs::read_link(descriptor.path()) else { continue };
            let kind = file.to_string_lossy().split('[').next().unwrap_or_default().to_string();
            *descriptors.entry(kind).or_default() += 1;
        }
        let children = children(me);
        Self {
            descriptors,
            threads: fs::read_dir("/proc/self/task").expect("/proc is there").count(),
            mappings: maps.lines().count(),
            shared: maps.lines().filter(|line| line.contains("memfd:")).count(),
            zombies: children.iter().filter(|&&pid| status(pid).is_some_and(|(state, ..)| state == 'Z')).count(),
            children: children.len(),
        }
    }

    /// Counts once nothing has changed for longer than anything is kept.
    pub(crate) fn at_rest() -> Self {
        std::thread::sleep(Duration::from_secs(6));
        Self::now()
    }

    /// What there is more of than there may be, if anything.
    fn excess(&self, before: &Self) -> Vec<String> {
        let count = |census: &Self| census.descriptors.values().sum::<usize>();
        let memory =
            |census: &Self| census.descriptors.iter().filter(|(kind, _)| kind.contains("memfd")).map(|(_, n)| n).sum();
        [
            ("descriptors", count(self), count(before) + MORE_DESCRIPTORS),
            ("descriptors of memory", memory(self), memory(before)),
            ("threads", self.threads, before.threads),
            ("mappings", self.mappings, before.mappings + MORE_MAPPINGS),
            ("mappings of shared memory", self.shared, before.shared),
            ("children", self.children, before.children + MORE_CHILDREN),
            ("zombies", self.zombies, 0),
        ]
        .into_iter()
        .filter(|(_, now, most)| now > most)
        .map(|(what, now, most)| format!("{now} {what} where {most} may be"))
        .collect()
    }

    /// Waits until no more is there than before.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub(crate) fn compare_to_the_end(&self) {
        let began = Instant::now();
        loop {
            let now = Self::now();
            let excess = now.excess(self);
            if excess.is_empty() {
                return;
            }
            let processes = || children(std::process::id()).into_iter().map(describe).collect::<Vec<_>>();
            assert!(
                began.elapsed() < GIVEN_BACK,
                "left: {excess:?}; before: {self:?}, now: {now:?}, {:?}",
                processes()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
