//! What a worker finds around it, whatever its parent's state: streams, descriptors, signals, limits, environment.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;

use parallel_starting::{Folder, Program, run};

#[test]
fn a_worker_has_its_parents_arguments_folder_environment_umask_and_limits_and_nothing_else() {
    let folder = Folder::new();
    let program = Program::start_as(env!("CARGO_BIN_EXE_inherits"), &[], |command| {
        command.arg0("a name of its own").arg(folder.path());
        command.args(["", "two words", "--list"]).arg(OsStr::from_bytes(b"not \xff UTF-8"));
        command.env("STARTING_BYTES", OsStr::from_bytes(b"not \xff UTF-8")).env("STARTING_EMPTY", "");
    });
    assert_eq!(program.end().success(), ["done"]);
}

fn calls_work_with_closed_streams(who: &str, closed: &str) {
    let folder = Folder::new();
    let verdict = folder.file("verdict");
    let program = Program::start_as(env!("CARGO_BIN_EXE_streams"), &[who, closed], |command| {
        command.arg(&verdict);
        if who == "caller" {
            let closed: Vec<i32> = closed.bytes().map(|digit| i32::from(digit - b'0')).collect();
            // SAFETY: a closure that makes only async-signal-safe calls.
            unsafe {
                command.pre_exec(move || {
                    for &fd in &closed {
                        libc::close(fd);
                    }
                    Ok(())
                })
            };
        }
    });
    let ending = program.end();
    let case = format!("{closed} closed by the {who}: {ending:#?}");
    assert_eq!(std::fs::read_to_string(&verdict).as_deref().ok(), Some("right"), "{case}");
    assert!(ending.status.success(), "{case}");
    // One from the spawned call, twenty from the pool, one from the program itself.
    let lines = |fd: &str, word: &str| if closed.contains(fd) { Vec::new() } else { vec![word.to_string(); 22] };
    assert_eq!(ending.stdout, lines("1", "out"), "{case}");
    assert_eq!(ending.stderr.lines().collect::<Vec<_>>(), lines("2", "err"), "{case}");
}

const COMBINATIONS: [&str; 8] = ["", "0", "1", "2", "01", "02", "12", "012"];

#[test]
fn nothing_prints_into_a_wrong_descriptor_when_the_program_is_started_without_streams() {
    for closed in COMBINATIONS {
        calls_work_with_closed_streams("caller", closed);
    }
}

#[test]
fn nothing_prints_into_a_wrong_descriptor_when_the_program_closes_its_streams() {
    for closed in COMBINATIONS {
        calls_work_with_closed_streams("program", closed);
    }
}

#[test]
fn exit_statuses_are_exact_however_the_program_deals_with_its_children() {
    for way in ["default", "handled", "awaited"] {
        assert_eq!(run(env!("CARGO_BIN_EXE_sigchld"), &[way]).success(), ["done"], "{way}");
    }
}

/// Linux keeps the status of a process that somebody else has reaped, from 6.15 on.
fn kernel_keeps_statuses() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[test]
fn exit_statuses_are_exact_even_if_somebody_else_reaps_the_workers() {
    if kernel_keeps_statuses() {
        for way in ["ignored", "reaped"] {
            assert_eq!(run(env!("CARGO_BIN_EXE_sigchld"), &[way]).success(), ["done"], "{way}");
        }
    }
}

#[test]
fn drop_and_atexit_run_and_nothing_that_was_printed_is_lost() {
    let folder = Folder::new();
    let lines = run(env!("CARGO_BIN_EXE_endings"), &[folder.path().to_str().unwrap()]).success();
    let text = lines.concat();
    for (word, times) in [
        ("<spawned>", 1),
        ("<joined>", 1),
        // The buffer of the C library, in both.
        ("<C>", 2),
        ("<value>", 1),
        ("<panic>", 1),
        ("<zero>", 1),
        ("<eight>", 1),
        ("<before the kill>", 1),
        ("<one>", 1),
        ("<two>", 1),
    ] {
        assert_eq!(text.matches(word).count(), times, "{word} in {text}");
    }
}

/// Runs the program as the foreground job of a terminal; returns what is to be seen there.
fn in_a_terminal(what: &str) -> Vec<String> {
    let folder = Folder::new();
    run(env!("CARGO_BIN_EXE_terminal"), &[what, folder.path().to_str().unwrap()]).success()
}

#[test]
fn a_task_that_asks_a_terminal_gets_an_error_and_one_that_prints_is_not_stopped() {
    let lines = in_a_terminal("calls");
    let no_terminal = r#"Ok(Some(Err("open: No such device or address (os error 6)")))"#;
    for (what, expected) in [
        ("ask", no_terminal),
        ("hide", no_terminal),
        ("hide in a pool", no_terminal),
        ("hide by stdout", r#"Ok(Some(Ok("set")))"#),
        ("print", r#"Ok(Some(Ok("printed")))"#),
        ("print in a pool", r#"Ok(Some(Ok("printed")))"#),
        ("here", r#"Ok(Some(Ok("open")))"#),
    ] {
        let told: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix(what)?.strip_prefix(": ")).collect();
        assert_eq!(told, vec![expected; if what == "here" { 1 } else { 12 }], "{what}: {lines:#?}");
    }
    let asked = |line: &&String| line.starts_with("ask in a program: ") && line.contains("/dev/tty");
    assert_eq!(lines.iter().filter(asked).count(), 12, "{lines:#?}");
    // By a spawned call and by one in a pool.
    assert_eq!(lines.iter().filter(|line| line.starts_with("printed ")).count(), 24, "{lines:#?}");
}

#[test]
fn the_keys_of_a_terminal_reach_the_program_and_not_its_workers() {
    assert_eq!(in_a_terminal("interrupt"), [r#"^Cinterrupt: Ok(Some(Ok("counted")))"#]);
    let stopped = ["^Zthe call goes on while the program is stopped", r#"stop: Ok(Some(Ok("counted")))"#];
    assert_eq!(in_a_terminal("stop"), stopped);
}
