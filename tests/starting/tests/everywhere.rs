//! Calls from where programs rarely make them: they work in the program, and in a worker nothing starts processes without end.
use parallel_starting::{Folder, Program};

/// What becomes of the calls in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Its constructors run.
    InConstructors,
    /// The thread was started by one of them.
    InThread,
    /// Its end has begun.
    AtTheEnd,
}

use Refused::{AtTheEnd, InConstructors, InThread};

/// Runs the program that makes calls at `place`; returns what it noted, and how many processes ran its constructors.
fn calls_at(place: &str) -> (Vec<String>, usize, Vec<String>) {
    let folder = Folder::new();
    let notes = folder.file("notes");
    let program = Program::start_as(env!("CARGO_BIN_EXE_everywhere"), &[], |command| {
        command.env("STARTING_PLACE", place).env("STARTING_NOTES", &notes);
    });
    let ending = program.end();
    assert!(ending.status.success() && ending.stderr.is_empty(), "{place}: {ending:#?}");
    let text = std::fs::read_to_string(&notes).expect("each process notes that it has started");
    let (started, said): (Vec<_>, Vec<_>) = text.lines().map(str::to_string).partition(|line| line == "started");
    (said, started.len(), ending.stdout)
}

/// Calls work at that place in the program, or are `Closed` at its end, and are refused in each worker.
fn ends_by_itself(place: &str, refused: Refused) {
    let (said, started, printed) = calls_at(place);
    let case = format!("{place}: {said:#?} {printed:#?}");
    let of = |who: &str| said.iter().filter_map(|line| line.strip_prefix(who)).collect::<Vec<_>>();
    let (program, worker) = (of("program: "), of("worker: "));
    // At the end of a task there is none in the program.
    assert!(
        program.len() == if place.starts_with("handler of a task") || place.ends_with("a quick exit") { 0 } else { 2 },
        "{case}"
    );
    // The program's two and the eight of its `main` at most, and itself; and what tasks do works as ever.
    let nested = of("task: ");
    assert!((7..=11).contains(&(started - nested.len())), "{started} processes: {case}");
    assert_eq!(nested, vec!["value"; if refused == InThread { 10 } else { 0 }], "{case}");
    let exits = place.ends_with("the task exits") || place.ends_with("a quick exit");
    let closed = |line: &str| line.contains("closed: ") && line.ends_with(", Closed");
    let exited = |line: &str| exits && line.ends_with(", Exited { code: 0 }");
    let right_in_program = |line: &&str| *line == "value" || refused == AtTheEnd && (closed(line) || exited(line));
    assert!(program.iter().all(right_in_program), "{case}");
    let right_in_worker = |line: &&str| match refused {
        InConstructors => line.contains("a worker whose constructors still run") && line.contains("is_worker()"),
        InThread => line.contains("this thread of a worker comes from a constructor"),
        AtTheEnd => closed(line),
    };
    // What runs ahead of our own constructor does not run in the copies of a zygote.
    assert!(worker.len() >= 6 && worker.iter().all(right_in_worker), "{case}");
    assert_eq!(printed.last().map(String::as_str), Some(if exits { "0 values" } else { "6 values" }), "{case}");
    let expected = usize::from(exits) * 6;
    assert_eq!(printed.iter().filter(|line| line.contains("exited with code 0")).count(), expected, "{case}");
}

#[test]
fn calls_of_constructors_work_in_the_program_and_are_refused_in_its_workers() {
    for place in ["earliest constructor", "first constructor", "last constructor"] {
        ends_by_itself(place, InConstructors);
    }
}

#[test]
fn threads_that_constructors_start_start_no_processes_in_a_worker() {
    ends_by_itself("thread of a constructor", InThread);
    ends_by_itself("thread of a signal handler", InThread);
}

#[test]
fn what_runs_at_the_end_of_a_worker_starts_no_processes() {
    for place in [
        "handler of a constructor",
        "handler of a later constructor",
        "handler of a task",
        "thread-local of a constructor",
        "thread-local of a task",
        "table of destructors",
    ] {
        ends_by_itself(place, AtTheEnd);
    }
}

#[test]
fn what_runs_at_the_end_of_a_worker_that_its_task_ends_starts_no_processes() {
    for place in [
        "handler of a constructor, and the task exits",
        "thread-local of a constructor, and the task exits",
        "handler of a quick exit",
    ] {
        ends_by_itself(place, AtTheEnd);
    }
}

#[test]
#[cfg_attr(no_cpp, ignore = "needs a C++ compiler")]
fn globals_of_cpp_start_no_processes_in_a_worker() {
    ends_by_itself("global of C++ begins", InConstructors);
    ends_by_itself("global of C++ ends", AtTheEnd);
    ends_by_itself("global of C++, and the task exits", AtTheEnd);
}

#[test]
fn a_handler_of_the_programs_own_end_is_called_in_the_program_only() {
    let (said, started, printed) = calls_at("handler of the program");
    assert!(said.iter().all(|line| line.starts_with("program: ")), "{said:#?}");
    assert!(started <= 11 && printed == ["6 values"], "{started}: {printed:#?}");
}

#[test]
fn a_call_that_calls_itself_for_ever_is_refused_when_it_is_deep() {
    let (said, started, _) = calls_at("nested");
    assert_eq!(started, 65, "the program, and 64 calls: {said:#?}");
    assert!(said.len() == 1 && said[0].contains("64 calls are already one inside of the other"), "{said:#?}");
}
