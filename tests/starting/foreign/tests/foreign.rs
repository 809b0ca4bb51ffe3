//! A shared library that a foreign program loads.
use parallel_starting::{Program, run};
use std::path::PathBuf;

fn library() -> PathBuf {
    let here = std::env::current_exe().expect("the test's own path");
    let library = here.with_file_name("libparallel_starting_foreign.so");
    assert!(library.exists(), "cargo builds it beside the tests of its package: {}", library.display());
    library
}

#[test]
fn a_library_in_a_foreign_program_is_refused_and_starts_nothing() {
    let ending = run(env!("LOAD"), &[library().to_str().expect("a path in UTF-8")]);
    let lines = ending.success();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[..5].iter().all(|line| line.starts_with("NotParallel: ")), "{lines:#?}");
    assert_eq!(lines[5], "here: 27");
}

#[test]
fn a_library_does_not_take_the_calls_of_a_program_that_uses_parallel_itself() {
    // Its constructors run before those of the program, and find the same token.
    let program = Program::start_as(env!("CARGO_BIN_EXE_both"), &[], |command| {
        command.env("LD_PRELOAD", library());
    });
    assert_eq!(program.end().success(), ["main", "done"]);
}
