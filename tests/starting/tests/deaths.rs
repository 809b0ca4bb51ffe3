//! No worker outlives its program, however that dies and whatever the worker is doing.
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use parallel_starting::{Folder, ORPHAN_LIMIT, Program, children, eventually, status};

/// Idle, busy and blocked ones, spawned and in pools, a stopped one, those inside them, and a child of a task.
const STARTED: usize = 16;

fn start() -> (Folder, Program) {
    let folder = Folder::new();
    let mut program = Program::start(env!("CARGO_BIN_EXE_deaths"), &[folder.path().to_str().unwrap()]);
    program.wait_for("ready");
    let alive = program.orphans();
    assert!(alive.len() >= STARTED, "{alive:?}");
    (folder, program)
}

fn dies_alone(way: &str, expected: ExitStatus) {
    let (_folder, mut program) = start();
    program.tell(way);
    assert_gone(program, way, expected);
}

fn assert_gone(mut program: Program, way: &str, expected: ExitStatus) {
    let (status, at) = program.wait();
    program.assert_no_orphans(at);
    assert_eq!(status, expected, "{way}");
}

fn code(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

#[test]
fn workers_end_with_a_program_that_returns_from_main() {
    dies_alone("return", code(0));
}

#[test]
fn workers_end_with_a_program_that_exits() {
    dies_alone("exit", code(3));
    dies_alone("_exit", code(4));
    dies_alone("thread", code(5));
}

#[test]
fn workers_end_with_a_program_that_panics() {
    dies_alone("panic", code(101));
}

#[test]
fn workers_end_with_a_program_that_aborts() {
    let (_folder, mut program) = start();
    program.tell("abort");
    let (status, at) = program.wait();
    program.assert_no_orphans(at);
    assert_eq!(status.signal(), Some(libc::SIGABRT));
}

#[test]
fn workers_end_with_a_program_that_is_killed() {
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let (_folder, program) = start();
        program.signal(signal);
        assert_gone(program, "killed", ExitStatus::from_raw(signal));
    }
}

#[test]
fn workers_end_when_their_program_becomes_another() {
    let (_folder, mut program) = start();
    program.tell("exec");
    let pid = program.pid();
    eventually("the other program", || status(pid, "Name").is_some_and(|name| name == "sleep"));
    let at = Instant::now();
    program.assert_no_orphans(at);
    assert!(at.elapsed() <= ORPHAN_LIMIT);
}

#[test]
fn workers_end_with_a_program_whose_descriptors_somebody_else_holds() {
    let (_folder, mut program) = start();
    program.tell("fork");
    let line = program.line();
    let forked: u32 = line.strip_prefix("forked ").and_then(|pid| pid.parse().ok()).expect("a process number");
    let (status, at) = program.wait();
    assert_eq!(status, code(6));
    eventually("only the forked one is left", || program.orphans() == [forked].into());
    assert!(at.elapsed() <= ORPHAN_LIMIT, "{:?}", at.elapsed());
}

#[test]
fn an_interrupt_reaches_the_program_only() {
    for handled in [false, true] {
        let arguments: &[&str] = if handled { &["handler"] } else { &[] };
        let mut program = Program::start(env!("CARGO_BIN_EXE_interrupted"), arguments);
        let mut said: Vec<String> = (0..3).map(|_| program.line()).collect();
        said.sort_unstable();
        assert_eq!(said, ["worker 0", "worker 1", "worker 2"]);
        let group_of = |pid| {
            // The fifth word of `stat`, the second behind the name in brackets but one, is the group.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)?.parse().ok())
        };
        // A zygote may just be starting.
        eventually("each worker leads a group of its own", || {
            children(program.pid()).into_iter().all(|worker| group_of(worker) == Some(worker))
        });
        eventually("nor is the zygote in the program's group", || {
            program.orphans().into_iter().all(|other| group_of(other) != Some(program.pid()))
        });
        // What a terminal does: the signal goes to the whole group.
        let group = i32::try_from(program.pid()).unwrap();
        // SAFETY: a plain system call; the program was started as the leader of a group.
        assert_eq!(unsafe { libc::kill(-group, libc::SIGINT) }, 0);
        let ending = program.end();
        assert_eq!(ending.stderr, "", "{ending:#?}");
        if handled {
            assert_eq!(ending.status.code(), Some(130));
            assert_eq!(ending.stdout[3..], ["interrupted"]);
        } else {
            assert_eq!(ending.status.signal(), Some(libc::SIGINT));
            assert_eq!(ending.stdout.len(), 3, "{ending:#?}");
        }
    }
}
