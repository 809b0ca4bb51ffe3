//! Many calls, few descriptors, few processes.

use parallel_failures::outside::passes;

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
