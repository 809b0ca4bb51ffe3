//! Whether the kernel killed a process because memory ran out.
//!
//! The kernel does not say so of a process. It counts, for each control group, how many of its processes it has killed so,
//! and it notifies a process that has asked: version 2 of control groups when the count changes, version 1 just before. So
//! a death by SIGKILL is put down to a lack of memory where one more kill was counted, no other death was put down to it,
//! and the call came right before the death. An earlier kill of a neighbour in the group is not taken for it.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

use super::descriptor::above_standard;
use super::wait::Poller;
use crate::tuning::DYING;

/// What is known of a death by SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MemoryVerdict {
    /// It had another cause.
    #[default]
    Other,
    /// It may have been for lack of memory: some process of the group was killed for that, and it is not known when.
    Perhaps,
    /// It was for lack of memory.
    OutOfMemory,
}

thread_local! {
    /// What is known of the death that this thread is telling others about.
    static TOLD: Cell<MemoryVerdict> = const { Cell::new(MemoryVerdict::Other) };
}

/// Runs `tell`, which tells others of a death; [`verdict`] is `verdict` meanwhile.
pub(crate) fn telling(verdict: MemoryVerdict, tell: impl FnOnce()) {
    TOLD.set(verdict);
    tell();
    TOLD.set(MemoryVerdict::Other);
}

/// What is known of the death that this thread is being told of.
pub(crate) fn verdict() -> MemoryVerdict {
    TOLD.get()
}

/// How the kernel counts and calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Watches the control group of this process.
#[derive(Debug)]
pub(crate) struct MemoryKills {
    /// What has the count, and what becomes ready when the kernel calls, if it can.
    source: Option<(File, Option<Caller>)>,
    seen: Seen,
}

/// What becomes ready when the kernel calls.
#[derive(Debug)]
enum Caller {
    /// The file of the count itself.
    File,
    /// Version 1 tells by an event.
    Event(OwnedFd),
}

impl MemoryKills {
    /// Watches from now on. `number` is what `poller` tells when the kernel calls: answer with [`called`](Self::called).
    pub(crate) fn watch(poller: &Poller, number: u64) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let has_count = |path: &str| fs::read_to_string(path).ok().and_then(|text| count_in(&text)).is_some();
        let source = candidates(&own).into_iter().find(|(path, _)| has_count(path)).and_then(|(path, version)| {
            let file = File::from(above_standard(File::open(&path).ok()?.into()).ok()?);
            let caller = match version {
                Version::Two => poller.add_urgent(file.as_fd(), number).ok().map(|()| Caller::File),
                Version::One => subscribe(&path, &file)
                    .and_then(|event| poller.add(event.as_fd(), number).ok().map(|()| Caller::Event(event))),
            };
            Some((file, caller))
        });
        let mut kills = Self { source, seen: Seen { count: 0, called: None, looked: Instant::now() } };
        kills.seen.count = kills.count().unwrap_or(0);
        kills
    }

    /// Watches nothing: of no death it is known that it was for lack of memory.
    pub(crate) fn unwatched() -> Self {
        Self { source: None, seen: Seen { count: 0, called: None, looked: Instant::now() } }
    }

    /// The kernel has called.
    pub(crate) fn called(&mut self) {
        if let Some((file, Some(caller))) = &self.source {
            match caller {
                // A read of the file takes the call in.
                Caller::File => drop(read(file)),
                Caller::Event(event) => drop(rustix::io::read(event, &mut [0_u8; 8])),
            }
            self.seen.called = Some(Instant::now());
        }
    }

    /// Judges a death by SIGKILL that was just seen and that this program has not caused.
    pub(crate) fn judge(&mut self) -> MemoryVerdict {
        if self.is_calling() {
            self.called();
        }
        let tells = self.source.as_ref().is_some_and(|(_, caller)| caller.is_some());
        let Some(count) = self.count() else { return MemoryVerdict::Other };
        self.seen.judge(count, tells, Instant::now())
    }

    /// Whether the kernel has called, and the reactor has not come to hear it yet.
    fn is_calling(&self) -> bool {
        let fd = match &self.source {
            Some((file, Some(Caller::File))) => PollFd::new(file, PollFlags::PRI),
            Some((_, Some(Caller::Event(event)))) => PollFd::new(event, PollFlags::IN),
            _ => return false,
        };
        let mut fds = [fd];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&at_once)).is_ok()
            && fds[0].revents().intersects(PollFlags::PRI | PollFlags::IN)
    }

    fn count(&self) -> Option<u64> {
        count_in(&read(&self.source.as_ref()?.0)?)
    }
}

fn read(file: &File) -> Option<String> {
    let mut text = [0; 1024];
    let len = rustix::io::pread(file, &mut text, 0).ok()?;
    Some(String::from_utf8_lossy(&text[..len]).into_owned())
}

/// Asks version 1 to call: an event that is set when the group of `file`, which is at `path`, is out of memory. Mostly root
/// alone may ask.
fn subscribe(path: &str, file: &File) -> Option<OwnedFd> {
    let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
    let event = above_standard(event).ok()?;
    let (folder, _) = path.rsplit_once('/')?;
    let mut control = OpenOptions::new().write(true).open(format!("{folder}/cgroup.event_control")).ok()?;
    control.write_all(format!("{} {}", event.as_raw_fd(), file.as_raw_fd()).as_bytes()).ok()?;
    Some(event)
}

/// Where the count of a group may be, by what `/proc/self/cgroup` says: best first. In a container the group that it names may
/// be seen as the root.
fn candidates(own: &str) -> Vec<(String, Version)> {
    let mut found = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let group = group.trim_end_matches('/');
        if controllers.is_empty() {
            for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
                for place in [group, ""] {
                    // First the kills in this very group, then those in the groups below as well (cgroup-v2.rst,
                    // `memory.events.local`).
                    for name in ["memory.events.local", "memory.events"] {
                        found.push((format!("{root}{place}/{name}"), Version::Two));
                    }
                }
            }
        } else if controllers.split(',').any(|controller| controller == "memory") {
            for place in [group, ""] {
                found.push((format!("/sys/fs/cgroup/memory{place}/memory.oom_control"), Version::One));
            }
        }
    }
    found
}

/// How many processes were killed for lack of memory, by either version's file.
fn count_in(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok())
}

/// What was seen so far.
#[derive(Debug)]
struct Seen {
    /// How many of the counted kills are put down to some death.
    count: u64,
    /// When the kernel last called.
    called: Option<Instant>,
    /// When the count was last looked at.
    looked: Instant,
}

impl Seen {
    /// Judges a death that was seen at `now`, when `count` had been killed. `tells`: whether the kernel calls.
    fn judge(&mut self, count: u64, tells: bool, now: Instant) -> MemoryVerdict {
        let since = if tells { self.called } else { Some(self.looked) };
        let is_just_now = since.is_some_and(|since| now.saturating_duration_since(since) <= DYING);
        self.looked = now;
        if count <= self.count {
            return MemoryVerdict::Other;
        }
        match (is_just_now, tells) {
            (true, _) => {
                self.count += 1;
                MemoryVerdict::OutOfMemory
            }
            (false, tells) => {
                // The counted deaths were other processes', or it is not known which processes they were.
                self.count = count;
                if tells { MemoryVerdict::Other } else { MemoryVerdict::Perhaps }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_count_is_read_from_the_files_of_both_versions() {
        for (text, count) in [
            ("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", Some(2)),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", Some(7)),
            // Before Linux 4.13.
            ("oom_kill_disable 0\nunder_oom 0\n", None),
            ("", None),
        ] {
            assert_eq!(count_in(text), count, "{text}");
        }
    }

    #[test]
    fn the_count_is_looked_for_where_either_version_and_a_container_has_it() {
        let first = |own: &str| candidates(own).into_iter().map(|(path, _)| path).next();
        for (own, path) in [
            ("0::/user.slice/run-1\n", Some("/sys/fs/cgroup/user.slice/run-1/memory.events.local")),
            ("0::/\n", Some("/sys/fs/cgroup/memory.events.local")),
            ("12:cpu,cpuacct:/a\n4:memory:/docker/1\n", Some("/sys/fs/cgroup/memory/docker/1/memory.oom_control")),
            ("4:hugetlb,memory:/x:y\n", Some("/sys/fs/cgroup/memory/x:y/memory.oom_control")),
            ("1:name=systemd:/\n", None),
        ] {
            assert_eq!(first(own).as_deref(), path, "{own}");
        }
        let all = candidates("4:memory:/docker/1\n0::/\n");
        assert!(all.contains(&("/sys/fs/cgroup/memory/memory.oom_control".to_string(), Version::One)));
        assert!(all.contains(&("/sys/fs/cgroup/unified/memory.events".to_string(), Version::Two)));
    }

    #[test]
    fn a_death_is_put_down_to_a_lack_of_memory_only_where_one_more_was_killed_just_then() {
        use MemoryVerdict::{Other, OutOfMemory, Perhaps};
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        // When the kernel called, and the deaths: when, how many had been counted by then, and the verdict.
        type Deaths = &'static [(u64, u64, MemoryVerdict)];
        let cases: [(bool, Option<u64>, Deaths); 8] = [
            (true, None, &[(10, 5, Other)]),
            (true, Some(10), &[(10, 6, OutOfMemory)]),
            // One was killed, and two died.
            (true, Some(10), &[(10, 6, OutOfMemory), (10, 6, Other)]),
            (true, Some(10), &[(10, 7, OutOfMemory), (11, 7, OutOfMemory), (11, 7, Other)]),
            // A neighbour was, long before; and it is not put down to the next one either.
            (true, Some(10), &[(20, 6, Other), (20, 6, Other)]),
            // The kernel is out of memory, but has killed no process yet.
            (true, Some(10), &[(10, 5, Other)]),
            // The kernel does not call, so the time of a kill is not known.
            (false, None, &[(10, 6, Perhaps), (10, 6, Other), (11, 7, OutOfMemory)]),
            (false, None, &[(10, 5, Other), (30, 6, Perhaps)]),
        ];
        for (tells, called, deaths) in cases {
            let mut seen = Seen { count: 5, called: called.map(at), looked: start };
            for &(second, count, expected) in deaths {
                assert_eq!(seen.judge(count, tells, at(second)), expected, "{tells} {called:?} {deaths:?}");
            }
        }
    }
}
