//! Whatever ends a program, everything that it started is gone within two seconds.

use std::time::Duration;

use parallel_failures::eventually;
use parallel_failures::inside::{runs, send_signal};
use parallel_failures::outside::Running;

/// Starts the program, lets it work for some moments, and kills it; several times.
fn is_followed(way: &str, moments: &[u64]) {
    for moment in moments {
        let mut running = Running::start(env!("CARGO_BIN_EXE_doomed"), [way]);
        eventually("it works", || (!running.noted("works").is_empty()).then_some(()));
        // Any moment will do: what is checked holds at each.
        std::thread::sleep(Duration::from_millis(*moment));
        running.kill();
        running.check_nothing_is_left();
    }
}

#[test]
fn a_killed_parent_is_followed_by_the_workers_of_its_map() {
    is_followed("map", &[0, 3, 11, 47, 101]);
}

#[test]
fn a_killed_parent_is_followed_by_what_it_was_just_starting() {
    is_followed("storm", &[0, 3, 11, 47, 101, 151]);
}

#[test]
fn a_killed_parent_is_followed_by_sleeping_calls() {
    is_followed("sleeps", &[0, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_computing_calls() {
    is_followed("computes", &[0, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_calls_that_ignore_signals() {
    is_followed("clings", &[0, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_stopped_calls() {
    is_followed("stops", &[0, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_calls_that_closed_their_descriptors() {
    is_followed("closes", &[0, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_what_its_calls_started() {
    is_followed("children", &[0, 20, 20, 20]);
}

#[test]
fn a_killed_parent_is_followed_by_nested_pools() {
    is_followed("nests", &[0, 5, 20, 60, 150, 300]);
}

#[test]
fn a_killed_parent_is_followed_by_calls_that_joined_strangers_and_by_no_stranger() {
    for way in [None, Some("aborts")] {
        let mut running = Running::start(env!("CARGO_BIN_EXE_doomed"), ["moves"].into_iter().chain(way));
        let moved = eventually("both calls work", || Some(running.noted("moved")).filter(|moved| moved.len() == 2));
        let stranger = running.noted("stranger")[0];
        if way.is_some() {
            let _ = running.wait();
        } else {
            running.kill()
        }
        for pid in moved {
            eventually("the call is gone", || (!runs(pid)).then_some(()));
        }
        // Who has a deadly signal ahead is never stopped.
        send_signal(stranger, libc::SIGSTOP);
        eventually("the stranger is stopped, so it lives", || {
            let status = std::fs::read_to_string(format!("/proc/{stranger}/stat")).unwrap_or_default();
            assert!(runs(stranger), "the stranger was hit: {status:?}: {}", running.said());
            status.rsplit(')').next()?.trim_start().starts_with('T').then_some(())
        });
        eventually("only the stranger is left", || (running.descendants() == [stranger]).then_some(()));
    }
}

/// Lets the program end itself with calls under way.
fn ends(end: &str) {
    for way in ["sleeps", "computes", "children", "nests"] {
        let mut running = Running::start(env!("CARGO_BIN_EXE_doomed"), [way, end]);
        running.wait();
        running.check_nothing_is_left();
    }
}

#[test]
fn a_program_that_returns_is_followed_by_what_it_started() {
    ends("returns");
}

#[test]
fn a_program_that_exits_is_followed_by_what_it_started() {
    ends("exits");
}

#[test]
fn a_program_that_panics_is_followed_by_what_it_started() {
    ends("panics");
}

#[test]
fn a_program_that_aborts_is_followed_by_what_it_started() {
    ends("aborts");
}
