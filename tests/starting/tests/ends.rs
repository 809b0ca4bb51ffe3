//! An end is an end: a worker that is idle ends as programs do when its program does, and nobody waits long for it.
use std::time::{Duration, Instant};

use parallel_starting::{Ending, Folder, Program};

/// An end may take a second. This is for a machine that is busy, and half of what a worker gets that is told to end by `join`.
const LIMIT: Duration = Duration::from_secs(5);

/// A program that has ended in some way.
struct Ended {
    folder: Folder,
    ending: Ending,
    took: Duration,
}

impl Ended {
    /// Has the program end `way`, which it does by itself.
    fn run(way: &str) -> Self {
        Self::after(way, |_| ())
    }

    /// Has the program end `way`, once it is told.
    fn tell(way: &str) -> Self {
        Self::after(way, |program| program.wait_for("ready"))
    }

    fn after(way: &str, wait: impl FnOnce(&mut Program)) -> Self {
        let folder = Folder::new();
        let arguments = [way, folder.path().to_str().unwrap()];
        let mut program = Program::start_as(env!("CARGO_BIN_EXE_ends"), &arguments, |command| {
            command.env("PARALLEL_WORKERS", "2");
        });
        wait(&mut program);
        let begun = Instant::now();
        program.close_stdin();
        let ending = program.end();
        Self { folder, ending, took: begun.elapsed() }
    }

    fn said(&self, word: &str) -> Vec<String> {
        let said = self.ending.stdout.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        said.map(ToString::to_string).collect()
    }

    /// Whether the process of this number has run its handlers.
    fn left(&self, pid: &str) -> bool {
        self.folder.file(pid).exists()
    }

    /// Asserts that so many workers have run, and that all of them have ended as programs do, and the program with this code.
    fn ends_well(&self, workers: usize, code: i32) {
        let ran = self.said("worker");
        assert_eq!(ran.len(), workers, "{:#?}", self.ending);
        assert!(ran.iter().all(|pid| self.left(pid)), "no handler ran: {:#?}", self.ending);
        assert_eq!(self.ending.status.code(), Some(code), "{:#?}", self.ending);
        assert!(code == 101 || self.ending.stderr.is_empty(), "{:#?}", self.ending);
    }
}

#[test]
fn idle_workers_run_their_handlers_when_the_program_ends() {
    for (way, code) in [("global", 0), ("leaked", 0), ("panic", 101), ("thread", 3), ("many exits", 7), ("signal", 8)] {
        Ended::run(way).ends_well(2, code);
    }
}

#[test]
fn idle_workers_run_their_handlers_when_the_pool_is_dropped_and_not_when_it_is_terminated() {
    Ended::run("dropped").ends_well(2, 0);
    let terminated = Ended::run("terminated");
    assert!(terminated.ending.status.success(), "{:#?}", terminated.ending);
    assert!(!terminated.said("worker").iter().any(|pid| terminated.left(pid)));
}

#[test]
fn the_workers_of_a_worker_run_their_handlers_too() {
    Ended::run("nested").ends_well(2, 0);
    Ended::run("spawned with a pool").ends_well(0, 0);
}

#[test]
fn a_worker_that_does_not_come_to_its_end_is_killed_within_a_second_in_all() {
    let ended = Ended::tell("stuck");
    ended.ends_well(1, 0);
    assert!(ended.took < LIMIT, "{:?}", ended.took);
    let ended = Ended::run("stuck and dropped");
    ended.ends_well(0, 0);
    let within = Duration::from_millis(ended.said("dropped within")[0].parse().unwrap());
    assert!(within < LIMIT, "{within:?}");
    // What hangs at the bottom does not keep those above from their ends.
    let ended = Ended::tell("nested and stuck");
    ended.ends_well(1, 0);
    assert!(ended.took < LIMIT, "{:?}", ended.took);
}

#[test]
fn busy_workers_are_killed_when_the_program_ends_or_drops_the_pool() {
    let ended = Ended::run("busy");
    let idle = ended.said("worker").iter().filter(|pid| ended.left(pid)).count();
    assert!(ended.ending.status.success() && idle == 1, "{idle}, {:#?}", ended.ending);
    let ended = Ended::run("busy and dropped");
    let idle = ended.said("worker").iter().filter(|pid| ended.left(pid)).count();
    assert!(ended.ending.status.success() && idle == 1, "{idle}, {:#?}", ended.ending);
    assert!(ended.ending.stdout.contains(&"Terminated".to_string()), "{:#?}", ended.ending);
    let ended = Ended::run("spawned");
    assert!(ended.ending.status.success() && !ended.left(&ended.said("worker of its own")[0]), "{:#?}", ended.ending);
}

#[test]
fn what_an_idle_worker_has_started_ends_with_it() {
    for way in ["family", "family and dropped"] {
        // That nothing is left is looked at there.
        Ended::run(way).ends_well(0, 0);
    }
}

#[test]
fn a_program_that_exits_inside_a_call_ends() {
    for (way, code) in [("iterator", 6), ("serialize", 4), ("serialize in a map", 4), ("woken", 5), ("start", 0)] {
        let ended = Ended::run(way);
        assert_eq!(ended.ending.status.code(), Some(code), "{way}: {:#?}", ended.ending);
    }
    Ended::run("serialize").ends_well(2, 4);
}

#[test]
fn a_program_ends_while_other_threads_call() {
    for _ in 0..3 {
        let ended = Ended::tell("other threads");
        assert!(ended.ending.status.success() && ended.ending.stderr.is_empty(), "{:#?}", ended.ending);
        assert!(ended.took < LIMIT, "{:?}", ended.took);
    }
}

#[test]
fn a_call_is_closed_once_the_end_has_begun_and_works_before_that() {
    const WAYS: [&str; 6] = ["spawn", "submit", "map", "results", "lazy map", "pool"];
    let ended = Ended::run("handler that runs later");
    ended.ends_well(2, 0);
    for way in WAYS {
        assert!(ended.said(way).iter().any(|said| said.starts_with("Closed: ")), "{way}: {:#?}", ended.ending);
    }
    for way in ["handler that runs earlier", "first call in a handler"] {
        let ended = Ended::run(way);
        assert!(ended.ending.status.success() && ended.ending.stderr.is_empty(), "{:#?}", ended.ending);
        for way in WAYS {
            assert_eq!(ended.said(way), ["works"], "{:#?}", ended.ending);
        }
    }
    let ended = Ended::run("handler that waits for a caller");
    assert!(ended.ending.stdout.contains(&"Terminated".to_string()), "{:#?}", ended.ending);
}

#[test]
fn a_forked_child_that_exits_leaves_the_workers_alone() {
    Ended::run("fork").ends_well(2, 0);
}

#[test]
fn the_time_of_idle_workers_counts_as_that_of_the_programs_children() {
    let ended = Ended::run("usage");
    let used: u64 = ended.said("used").first().and_then(|used| used.parse().ok()).expect("it says so");
    assert!(used >= 50, "{used} ms");
}
