//! Starts that go wrong, and starts that have to wait.
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use parallel_starting::{Ending, Folder, Program};

const CONSTRUCTORS: &str = env!("CARGO_BIN_EXE_constructors");
const PLAIN: &str = env!("CARGO_BIN_EXE_plain");

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn constructors_before_and_behind_ours_have_run_when_a_task_runs() {
    assert_eq!(parallel_starting::run(CONSTRUCTORS, &["look"]).success(), ["done"]);
}

/// Runs the program with constructors that misbehave in its workers; returns what it says, and how many were started.
fn misbehave(what: &str, place: &str, how: &str) -> (Vec<String>, usize) {
    let folder = Folder::new();
    let count = folder.file("count");
    let program = Program::start_as(CONSTRUCTORS, &[what], |command| {
        command.env(format!("STARTING_{place}"), how);
        command.env("STARTING_COUNT", &count).env("PARALLEL_START_TIMEOUT", "1");
    });
    let lines = program.end().success();
    (lines, std::fs::read(&count).map_or(0, |starts| starts.len()))
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn a_worker_that_hangs_before_it_reports_in_is_an_error_in_time_and_no_storm() {
    for place in ["before", "after"] {
        let begun = Instant::now();
        let (lines, starts) = misbehave("spawn", place, "hang");
        assert!(begun.elapsed().as_secs() >= 1);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].starts_with("Start, TimedOut: "), "{place}: {lines:#?}");
        assert_eq!(starts, 1);
    }
    let (lines, starts) = misbehave("pool", "after", "hang");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[..2].iter().all(|line| line.starts_with("Start, TimedOut: ")), "{lines:#?}");
    // Two workers, three times before the first call fails; some more until the second has failed too.
    assert!((2..=12).contains(&starts), "{starts} starts");
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn a_worker_that_hangs_in_a_constructor_ends_with_its_program() {
    for place in ["before", "after"] {
        let folder = Folder::new();
        let mut program = Program::start_as(CONSTRUCTORS, &["spawn"], |command| {
            command.env(format!("STARTING_{place}"), "hang").env("STARTING_COUNT", folder.file("count"));
        });
        parallel_starting::eventually("a worker runs its constructors", || folder.file("count").exists());
        assert_eq!(program.orphans().len(), 1);
        program.signal(libc::SIGKILL);
        let (_, at) = program.wait();
        program.assert_no_orphans(at);
    }
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn a_worker_that_dies_in_a_constructor_is_an_error_that_says_how_and_no_storm() {
    for (how, said) in [("exit", "exit status: 3"), ("abort", "signal: 6")] {
        for place in ["before", "after"] {
            let (lines, starts) = misbehave("spawn", place, how);
            assert!(lines[0].starts_with("Start, Other: ") && lines[0].contains(said), "{lines:#?}");
            assert_eq!(starts, 1);
        }
        let (lines, starts) = misbehave("pool", "before", how);
        // The pool itself says it already, if its workers have died by then.
        assert!(lines.len() >= 2, "{lines:#?}");
        assert!(
            lines[..lines.len() - 1].iter().all(|line| line.starts_with("Start, ") && line.contains(said)),
            "{lines:#?}"
        );
        assert!((1..=12).contains(&starts), "{starts} starts");
    }
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn a_program_is_forked_unless_its_copies_would_share_what_a_constructor_made() {
    // A constructor behind ours runs in each copy, as in each executed worker.
    for (place, how, forked) in [
        ("nowhere", "", true),
        ("before", "thread", false),
        ("before", "descriptor", false),
        ("before", "shared", false),
        ("after", "thread", true),
        ("after", "descriptor", true),
        ("after", "shared", true),
    ] {
        assert_eq!(misbehave("way", place, how).0, [format!("forked: {forked}"), "done".to_string()], "{place} {how}");
    }
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn a_token_that_was_handed_on_to_another_process_makes_no_second_worker() {
    let program = Program::start_as(CONSTRUCTORS, &["spawn"], |command| {
        command.env("STARTING_before", "start");
    });
    // The worker's own child finds the token and the channel, before the worker itself has taken them.
    let ending = program.end();
    assert_eq!(ending.stdout, ["value", "done"], "{ending:#?}");
    assert!(ending.stderr.contains("this process is not a worker"), "{ending:#?}");
}

fn is_refused(token: &str, prepare: impl FnOnce(&mut Command)) {
    // A shell in between, so that nothing comes from the program's very parent.
    let program = Program::start_as("/bin/sh", &["-c", "\"$0\"; exit $?", PLAIN], |command| {
        command.env("PARALLEL_WORKER", token);
        prepare(command);
    });
    let Ending { status, stdout, stderr } = program.end();
    assert_eq!(status.code(), Some(125), "{token}: {stdout:?} {stderr}");
    assert_eq!(stdout.len(), 0, "{token}: main never runs: {stdout:?}");
    assert!(stderr.contains("PARALLEL_WORKER") && stderr.contains("unset it"), "{token}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{token}: {stderr}");
}

#[test]
fn a_token_set_by_hand_is_refused_in_one_line() {
    let malformed =
        ["1:3", "", ":", "1", "1:", ":3", "1:x", "x:3", "2:3", "1:0", "1:1", "1:2", "1:-1", "1:3:4", "1: 3"];
    for token in malformed.into_iter().chain(["1:2147483647", "1:99999999999999999999", "yes", "1:3\n", "１:3"]) {
        is_refused(token, |_| {});
    }
}

/// Gives the program `fd` as its descriptor 9.
fn hand_on(command: &mut Command, fd: OwnedFd) {
    // SAFETY: a closure that makes only async-signal-safe calls.
    unsafe {
        command.pre_exec(
            move || {
                if libc::dup2(fd.as_raw_fd(), 9) == 9 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            },
        )
    };
}

#[test]
fn a_token_that_names_a_descriptor_of_somebody_else_is_refused() {
    is_refused("1:9", |command| hand_on(command, File::open("/dev/null").unwrap().into()));
    let (near, far) = UnixStream::pair().unwrap();
    is_refused("1:9", |command| hand_on(command, near.into()));
    drop(far);
    for keep in [false, true] {
        let mut ends = [0; 2];
        // SAFETY: fills the array.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) };
        assert_eq!(made, 0);
        // SAFETY: both were just made, and belong to nobody else.
        let [near, far] = ends.map(|fd| unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) });
        let (near, far): (OwnedFd, OwnedFd) = (near, far);
        // A channel of the right kind, whose other end is held or closed by a program that knows nothing of it.
        let far = keep.then_some(far);
        is_refused("1:9", |command| hand_on(command, near));
        drop(far);
    }
}

fn throttled(limit: u32, used: u32, calls: u32, at_once: u32) {
    throttled_among(limit, used, calls, at_once, None);
}

fn throttled_among(limit: u32, used: u32, calls: u32, at_once: u32, processes: Option<&str>) {
    let folder = Folder::new();
    // Open to whoever the program becomes.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let numbers = [limit, used, calls, at_once].map(|number| number.to_string());
    let mut arguments: Vec<&str> = numbers.iter().map(String::as_str).collect();
    arguments.push(folder.path().to_str().unwrap());
    arguments.extend(processes);
    let lines = parallel_starting::run(env!("CARGO_BIN_EXE_throttled"), &arguments).success();
    assert_eq!(lines, ["done"]);
}

#[test]
fn ten_calls_run_at_once_where_the_limit_allows() {
    throttled(1024, 0, 10, 10);
    throttled(64, 0, 10, 10);
}

#[test]
fn more_calls_than_the_limit_of_descriptors_allows_wait_for_their_turn() {
    throttled(64, 0, 300, 8);
    throttled(20, 0, 60, 2);
    throttled(16, 0, 30, 1);
}

#[test]
fn more_calls_than_the_limit_of_processes_allows_wait_for_their_turn() {
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } != 0 {
        // Other processes of the same user count against the limit: what is left of it is not ours to say.
        eprintln!("skipped: only root can become a user who has no processes");
        return;
    }
    throttled_among(1024, 0, 60, 2, Some("12"));
}

#[test]
fn calls_wait_for_their_turn_in_a_program_that_uses_most_descriptors_itself() {
    throttled(64, 45, 60, 1);
}

#[test]
fn a_thousand_rounds_leave_nothing_behind() {
    std::thread::scope(|scope| {
        for (what, count) in [("calls", "1000"), ("pools", "1000")] {
            scope.spawn(move || {
                let folder = Folder::new();
                let mut program = Program::start_as(env!("CARGO_BIN_EXE_rounds"), &[what, count], |command| {
                    command.env("TMPDIR", folder.path());
                });
                let pid = program.pid();
                let look = || (parallel_starting::descriptors(pid).len(), parallel_starting::threads(pid));
                program.wait_for("before");
                let (before, mappings) = (look(), parallel_starting::mappings(pid));
                program.tell("go on");
                program.wait_for("after");
                // The last process of the rounds is let go of a moment after its end is known, both times. A zygote and the
                // copy of it that waits, which come and go, have a few descriptors; one a round would be a thousand.
                parallel_starting::eventually(&format!("{what}: no more than {before:?}"), || {
                    let now = look();
                    now.0 <= before.0 + 8 && now.1 <= before.1
                });
                // The allocator may add a few of its own; one a round would be a thousand.
                let after = parallel_starting::mappings(pid);
                assert!(after <= mappings + 10, "{what}: {mappings} mappings became {after}");
                assert!(parallel_starting::children(pid).is_empty(), "{what}");
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{what}: temporary files");
                program.tell("go on");
                program.end().success();
            });
        }
    });
}
