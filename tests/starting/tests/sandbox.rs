//! What a confined thread calls is at least as confined as that thread, whatever was called before.
use std::io::Write;

use parallel_starting::{Folder, Program, run};

const SANDBOX: &str = env!("CARGO_BIN_EXE_sandbox");

/// Whether this process may do what confines a thread here; says so where it may not.
fn is_root(test: &str) -> bool {
    // SAFETY: a plain system call.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        // Past the test harness, which keeps what a test prints to itself.
        let _ = writeln!(std::io::stderr(), "{test}: not run, because it needs root");
    }
    is_root
}

fn passes(what: &str, way: &str) {
    let folder = Folder::new();
    // Whoever the thread becomes may write there.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).expect("it is ours");
    let ending = run(SANDBOX, &[what, way, folder.path().to_str().unwrap()]);
    let without = ending.stderr.starts_with("without Landlock");
    if without {
        let _ = writeln!(std::io::stderr(), "{what} {way}: not run, {}", ending.stderr.trim_end());
    }
    assert!(ending.status.success() && (without || ending.stderr.is_empty()), "{what} {way}: {ending:#?}");
}

#[test]
fn what_a_thread_calls_is_as_confined_by_filters_and_landlock_as_the_thread() {
    for way in ["no_new_privs", "seccomp"] {
        passes("calls", way);
    }
    if is_root("what_a_thread_calls_is_as_confined_by_landlock_as_the_thread") {
        passes("calls", "landlock");
    }
}

#[test]
fn what_a_thread_calls_is_in_the_namespaces_of_the_thread() {
    if is_root("what_a_thread_calls_is_in_the_namespaces_of_the_thread") {
        for way in ["mounts", "network", "names", "messages"] {
            passes("calls", way);
        }
    }
}

#[test]
fn what_a_thread_calls_has_no_capabilities_that_the_thread_has_given_up() {
    if is_root("what_a_thread_calls_has_no_capabilities_that_the_thread_has_given_up") {
        for way in ["capabilities", "effective", "bounding", "user"] {
            passes("calls", way);
        }
    }
}

#[test]
fn what_a_thread_calls_runs_at_the_priority_of_the_thread() {
    for way in ["nice", "batch"] {
        passes("calls", way);
    }
}

#[test]
fn the_first_call_of_a_program_may_come_from_a_confined_thread() {
    passes("first", "");
}

#[test]
fn a_call_from_a_thread_that_may_start_nothing_fails_and_says_why() {
    passes("cannot", "");
}

#[test]
fn rights_that_a_program_takes_back_after_a_call_are_not_the_calls() {
    if is_root("rights_that_a_program_takes_back_after_a_call_are_not_the_calls") {
        passes("back", "");
    }
}

#[test]
fn what_a_confined_thread_has_called_goes_on_when_the_thread_ends() {
    for way in ["no_new_privs", "seccomp", "nice"] {
        passes("outlives", way);
    }
}

#[test]
fn what_a_confined_thread_has_called_ends_with_the_program() {
    for way in ["no_new_privs", "nice"] {
        for _ in 0..3 {
            let mut program = Program::start(SANDBOX, &["orphans", way]);
            program.wait_for("on their way");
            program.signal(libc::SIGKILL);
            let (_, at) = program.wait();
            program.assert_no_orphans(at);
        }
    }
}
