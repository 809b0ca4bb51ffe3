//! Who is at what since when, what was done, and what went wrong; and the watch that ends the program where something hangs.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longer than any load takes on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(120);
/// How often the watch looks.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Board(Arc<Inner>);

struct Inner {
    seed: u64,
    /// What each thread is at, and since when.
    at: Mutex<Vec<Option<(&'static str, Instant)>>>,
    counts: Mutex<BTreeMap<String, u64>>,
    /// How long the slowest load of each kind took.
    longest: Mutex<BTreeMap<&'static str, Duration>>,
    failed: AtomicBool,
    kills_are_over: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(crate) fn new(seed: u64, threads: usize) -> Self {
        let inner = Arc::new(Inner {
            seed,
            at: Mutex::new(vec![None; threads]),
            counts: Mutex::default(),
            longest: Mutex::default(),
            failed: AtomicBool::new(false),
            kills_are_over: AtomicBool::new(false),
        });
        let watched = Arc::clone(&inner);
        std::thread::spawn(move || watch(&watched));
        Self(inner)
    }

    /// Runs a load; a panic in it is a failure of the program.
    pub(crate) fn guard<T>(&self, thread: u64, name: &'static str, load: impl FnOnce() -> T) -> Option<T> {
        let place = usize::try_from(thread).expect("a few threads");
        let began = Instant::now();
        lock(&self.0.at)[place] = Some((name, began));
        let outcome = panic::catch_unwind(AssertUnwindSafe(load));
        lock(&self.0.at)[place] = None;
        let mut longest = lock(&self.0.longest);
        let slowest = longest.entry(name).or_default();
        *slowest = (*slowest).max(began.elapsed());
        drop(longest);
        self.count(format!("load: {name}"));
        if outcome.is_err() {
            eprintln!("FAILED in `{name}`: seed {}", self.0.seed);
            self.0.failed.store(true, Ordering::Relaxed);
        }
        outcome.ok()
    }

    pub(crate) fn count(&self, what: impl Into<String>) {
        *lock(&self.0.counts).entry(what.into()).or_default() += 1;
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn end_kills(&self) {
        self.0.kills_are_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn kills_are_over(&self) -> bool {
        self.0.kills_are_over.load(Ordering::Relaxed)
    }

    /// Prints what was done.
    pub(crate) fn tell(&self) {
        for (what, times) in &*lock(&self.0.counts) {
            println!("{times:8} {what}");
        }
        for (name, longest) in &*lock(&self.0.longest) {
            println!("{:8.1} s at most: {name}", longest.as_secs_f64());
        }
        println!("seed {}: {}", self.0.seed, if self.has_failed() { "FAILED" } else { "all is well" });
    }
}

/// Ends the program where a thread is at the same for too long.
fn watch(board: &Inner) {
    loop {
        std::thread::sleep(LOOKS_EVERY);
        let late = lock(&board.at).iter().flatten().find(|(_, since)| since.elapsed() > DEADLINE).copied();
        if let Some((name, since)) = late {
            eprintln!("FAILED in `{name}`: hangs for {:?}, seed {}", since.elapsed(), board.seed);
            eprintln!("{:?}", lock(&board.at));
            // Nobody is to kill who looks.
            board.kills_are_over.store(true, Ordering::Relaxed);
            std::thread::sleep(LOOKS_EVERY);
            show(std::process::id(), 0);
            // SAFETY: ends the process; what hangs would not let go of it.
            unsafe { libc::_exit(3) };
        }
    }
}

/// Prints the state of a process and of what it started.
fn show(pid: u32, depth: usize) {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default().trim().to_string();
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    eprintln!("{:depth$}process {pid} {} {}", "", read("comm"), read("stat"));
    for thread in threads() {
        let of = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default().trim().to_string();
        let place = thread.path();
        eprintln!("{:depth$}  {} {} {} {}", "", place.display(), of("comm"), of("wchan"), of("syscall"));
    }
    if depth < 4 {
        let stacks = Command::new("timeout")
            .args(["30", "gdb", "-p", &pid.to_string(), "-batch", "-ex", "thread apply all backtrace 24"])
            .output();
        match stacks {
            Ok(stacks) => eprintln!("{}", String::from_utf8_lossy(&stacks.stdout)),
            Err(error) => eprintln!("no stacks: {error}"),
        }
        for thread in threads() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(|child| show(child, depth + 2));
        }
    }
}
