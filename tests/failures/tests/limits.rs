//! Many calls, few descriptors, few processes.

use parallel_failures::eventually;
use parallel_failures::outside::{Running, passes};

#[test]
fn ten_thousand_tasks_need_no_descriptors_of_their_own() {
    passes(env!("CARGO_BIN_EXE_limited"), ["submits"]);
}

#[test]
fn thousands_of_spawned_calls_wait_for_descriptors() {
    passes(env!("CARGO_BIN_EXE_limited"), ["spawns"]);
}

#[test]
fn calls_wait_for_processes_and_fail_where_none_can_start() {
    passes(env!("CARGO_BIN_EXE_limited"), ["processes"]);
}

#[test]
fn calls_that_wait_for_each_other_come_together_within_a_usual_limit() {
    passes(env!("CARGO_BIN_EXE_limited"), ["meets"]);
}

#[test]
fn a_call_that_waits_long_for_its_turn_says_so_and_names_the_limit() {
    let mut running = Running::start(env!("CARGO_BIN_EXE_limited"), ["waits"]);
    let said = eventually("it says so", || Some(running.said()).filter(|said| said.contains("has waited")));
    assert_eq!(running.noted("waiting").len(), 1, "{said}");
    assert!(said.contains("parallel: `meet` has waited 5 s for its turn"), "{said}");
    assert!(said.contains("64 (`ulimit -n`)"), "{said}");
    running.kill();
    running.check_nothing_is_left();
}

#[test]
fn a_spawned_call_that_runs_takes_two_descriptors() {
    passes(env!("CARGO_BIN_EXE_limited"), ["holds"]);
}

#[test]
fn workers_are_forked_where_half_of_the_descriptors_are_in_use() {
    passes(env!("CARGO_BIN_EXE_limited"), ["forks"]);
}
