//! A program that does not know of `parallel`, with a library that uses it.
use parallel_starting::{PATIENCE, Program, run};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[test]
fn a_library_works_in_a_program_that_does_not_know_of_parallel() {
    let lines = run(env!("CARGO_BIN_EXE_parallel-starting-unaware"), &[]).success();
    assert_eq!(lines, ["main", "done"], "`main` runs once, whatever is started");
}

#[test]
fn a_library_works_in_a_test_of_a_package_that_does_not_know_of_parallel() {
    assert_eq!(parallel_starting_library::spawned(3).0, 27);
    assert_eq!(parallel_starting_library::cubes(3).len(), 3);
}

/// The registry and the constructor are reached by no reference that the optimizer sees; here it sees all of the
/// program at once.
#[test]
fn it_works_when_the_whole_program_is_optimized_at_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let target = Path::new(env!("CARGO_BIN_EXE_parallel-starting-unaware"))
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .expect("the target folder")
        .join("whole-program");
    let begun = Instant::now();
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--quiet", "--locked", "--offline", "--profile", "whole-program"])
        .args(["--package", "parallel-starting-unaware", "--target-dir"])
        .arg(&target)
        // What the outer cargo sets for this package would only make the inner one build anew each time.
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo");
    assert!(status.success());
    assert!(begun.elapsed() < 3 * PATIENCE, "it takes {:?}", begun.elapsed());
    let program = Program::start(target.join("whole-program/parallel-starting-unaware"), &[]);
    assert_eq!(program.end().success(), ["main", "done"]);
}
