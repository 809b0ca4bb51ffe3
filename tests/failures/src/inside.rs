//! What a program notes while it runs, for itself and for whoever watches it, and a census of what it holds.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::future::{Future, IntoFuture};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;

use crate::eventually;

/// The variable that names the folder for notes.
pub const NOTES: &str = "PARALLEL_FAILURES_NOTES";

/// Where notes go.
///
/// # Panics
///
/// When the program was not started by [`outside::Running`](crate::outside::Running).
pub fn notes() -> PathBuf {
    std::env::var_os(NOTES).expect("the test names a folder for notes").into()
}

/// Notes that this process has come to some point.
///
/// # Panics
///
/// When there is no folder for notes.
pub fn note(what: &str) {
    note_process(what, std::process::id());
}

/// Notes the number of another process.
///
/// # Panics
///
/// When there is no folder for notes.
pub fn note_process(what: &str, pid: u32) {
    let mut file = OpenOptions::new().create(true).append(true).open(notes().join(what)).expect("a folder for notes");
    file.write_all(format!("{pid}\n").as_bytes()).expect("room for a note");
}

/// The processes that noted this, in order.
pub fn noted(what: &str) -> Vec<u32> {
    read_notes(&notes(), what)
}

/// Waits until `what` was noted for the first time; returns by whom.
pub fn wait_for_note(what: &str) -> u32 {
    eventually(&format!("`{what}` is noted"), || noted(what).first().copied())
}

/// Tears up the notes.
pub fn forget(what: &str) {
    let _ = fs::remove_file(notes().join(what));
}

pub(crate) fn read_notes(folder: &Path, what: &str) -> Vec<u32> {
    let text = fs::read_to_string(folder.join(what)).unwrap_or_default();
    // A line that is being written has no end yet.
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok()).collect()
}

/// The numbers of all processes there are.
pub fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether a process runs: neither gone nor a zombie, with its last thread.
pub fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    match state {
        None | Some('X') => false,
        // Of its first thread only, which stays for its number: the others may have some way to go to their end, and only
        // with the last of them does the process tell its group and its parent.
        Some('Z') => fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1),
        Some(_) => true,
    }
}

/// Whether a process is a zygote, which leads its own group, or (false) a copy of one that has not begun.
fn is_zygote(pid: u32) -> Option<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Name in brackets, state, parent, group.
    let group = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2));
    status.contains("(zygote)").then(|| group == Some(&pid.to_string()))
}

/// Sends a signal from outside of everything that the runtime knows.
pub fn send_signal(pid: u32, signal: i32) {
    if let Ok(pid) = pid.try_into() {
        // SAFETY: a plain system call.
        unsafe { libc::kill(pid, signal) };
    }
}

/// What a program holds: processes, descriptors, threads and shared mappings. Its zygote and the copy of it that waits,
/// which stay, are not counted, nor are the two descriptors that lead to each.
#[derive(Debug, PartialEq, Eq)]
pub struct Census {
    children: Vec<(u32, String)>,
    descriptors: BTreeMap<String, isize>,
    threads: BTreeMap<String, usize>,
    mappings: usize,
}

impl Census {
    /// Counts.
    ///
    /// # Panics
    ///
    /// Where `/proc` is not mounted.
    pub fn take() -> Self {
        let own = std::process::id().to_string();
        let children = processes().filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = status.rsplit(')').next()?.split_whitespace();
            let (state, parent) = (fields.next()?, fields.next()?);
            (parent == own).then(|| (pid, state.to_string()))
        });
        let (zygotes, others): (Vec<_>, Vec<_>) = children.partition(|(pid, _)| is_zygote(*pid) == Some(true));
        let (mut spares, mut children): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(pid, _)| is_zygote(*pid) == Some(false));
        // One waits; another would be lost.
        let spare = spares.pop();
        children.append(&mut spares);
        let mut descriptors = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/fd").expect("/proc").flatten() {
            // The number of a socket tells nothing; what it is does. The folder that is being read is gone by now.
            let target = fs::read_link(entry.path()).map(|target| target.display().to_string()).unwrap_or_default();
            let kind =
                if target.starts_with("anon_inode:") { &target } else { target.split(':').next().unwrap_or_default() };
            let kind = kind.to_string();
            // What tells of the end of a process names it.
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", entry.file_name().to_string_lossy()))
                .unwrap_or_default();
            let told = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
            let stays = told.is_some_and(|told: u32| zygotes.iter().chain(&spare).any(|(pid, _)| *pid == told));
            if !target.is_empty() && !target.ends_with("/fd") && !stays {
                *descriptors.entry(kind).or_default() += 1;
            }
        }
        // The channel to each.
        *descriptors.entry("socket".to_string()).or_default() -=
            isize::from(!zygotes.is_empty()) + isize::from(spare.is_some());
        descriptors.retain(|_, count| *count > 0);
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").expect("/proc").flatten() {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            *threads.entry(name.trim().to_string()).or_default() += 1;
        }
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc");
        let mappings = maps.lines().filter(|line| line.contains("memfd:")).count();
        Self { children, descriptors, threads, mappings }
    }

    /// Counts once nothing of the runtime is under way any more.
    ///
    /// # Panics
    ///
    /// When it does not come to rest.
    pub fn at_rest() -> Self {
        eventually("nothing runs", || {
            let census = Self::take();
            let of_workers =
                census.descriptors.keys().any(|kind| kind == "socket" || kind == "/memfd" || kind.contains("pidfd"));
            // A thread that has just been started has the name of the one that started it, and the one that watches whose the
            // program is opens a descriptor.
            let count = |name: &str| census.threads.get(name).copied().unwrap_or(0);
            let is_named = count("parallel") <= 1;
            // A deputy lives as long as its call, and leaves after it.
            let is_alone = count("parallel-deputy") == 0;
            let is_open = count("parallel-owner") == 0 || census.descriptors.contains_key("anon_inode:[signalfd]");
            let is_still = census.children.is_empty() && census.mappings == 0 && !of_workers;
            (is_still && is_named && is_alone && is_open).then_some(census)
        })
    }

    /// Waits until the program holds no more and no less than this.
    ///
    /// # Panics
    ///
    /// When it does not come to that.
    pub fn is_restored(&self) {
        let mut now = Self::take();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while now != *self {
            assert!(std::time::Instant::now() < deadline, "left behind: {now:#?}\nat the start there was: {self:#?}");
            std::thread::sleep(std::time::Duration::from_millis(5));
            now = Self::take();
        }
    }
}

/// Runs a future to its end on this thread.
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future.into_future());
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
