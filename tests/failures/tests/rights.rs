//! What the system does not let a program signal ends all the same, and nothing waits for it without a limit.

use parallel_failures::outside::passes;

const RIGHTS: &str = env!("CARGO_BIN_EXE_rights");

/// Whether the program may become another user.
fn is_root(test: &str) -> bool {
    // SAFETY: a plain system call.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        eprintln!("{test} did not run: it needs root");
    }
    is_root
}

#[test]
fn calls_of_a_user_that_the_program_no_longer_is_end_and_new_ones_are_its_own() {
    if is_root("calls_of_a_user_that_the_program_no_longer_is_end_and_new_ones_are_its_own") {
        passes(RIGHTS, ["user", "spawned"]);
    }
}

#[test]
fn workers_of_a_user_that_the_program_no_longer_is_are_replaced_before_their_next_task() {
    if is_root("workers_of_a_user_that_the_program_no_longer_is_are_replaced_before_their_next_task") {
        passes(RIGHTS, ["user", "pooled"]);
    }
}

#[test]
fn a_task_never_runs_as_a_user_that_the_program_has_put_aside() {
    if is_root("a_task_never_runs_as_a_user_that_the_program_has_put_aside") {
        passes(RIGHTS, ["user", "changing"]);
    }
}

#[test]
fn calls_end_where_a_sandbox_refuses_all_signals() {
    passes(RIGHTS, ["sandbox", "spawned"]);
}

#[test]
fn workers_end_where_a_sandbox_refuses_all_signals() {
    passes(RIGHTS, ["sandbox", "pooled"]);
}

#[test]
fn calls_end_where_the_system_knows_no_signals() {
    passes(RIGHTS, ["no-such-call", "spawned"]);
}

#[test]
fn nothing_waits_for_ever_whichever_call_a_sandbox_refuses() {
    let calls = [
        libc::SYS_kill,
        libc::SYS_pidfd_send_signal,
        libc::SYS_waitid,
        libc::SYS_write,
        libc::SYS_epoll_pwait,
        libc::SYS_getpid,
        libc::SYS_prlimit64,
        libc::SYS_shutdown,
        libc::SYS_membarrier,
        libc::SYS_getresuid,
    ];
    for (number, errno) in calls.iter().zip([libc::EPERM, libc::ENOSYS].into_iter().cycle()) {
        passes(RIGHTS, ["refused", &number.to_string(), &errno.to_string()]);
    }
}
