//! A program that does not know of `parallel`, with a library that uses it.
use parallel_starting::{Program, run};
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let program = Program::start(build("whole-program"), &[]);
    assert_eq!(program.end().success(), ["main", "done"]);
}

/// Nothing unwinds there, so nothing is caught: the report leaves the process before it aborts.
#[test]
fn a_panic_is_told_as_one_in_a_program_that_aborts_on_panics() {
    let program = Program::start(build("aborting"), &["panic"]);
    let lines = program.end().success();
    let [spawned, pooled, after] = &lines[..] else { panic!("{lines:?}") };
    for (text, end) in [(spawned, "7 is odd"), (pooled, "7 is odd; its worker was replaced")] {
        assert!(text.contains("panicked at ") && text.ends_with(end), "{text}");
    }
    assert_eq!(after, "4");
}

/// Builds the program with a profile of the workspace; returns where it is.
fn build(profile: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let target = Path::new(env!("CARGO_BIN_EXE_parallel-starting-unaware"))
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .expect("the target folder")
        .join("profiles");
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--quiet", "--locked", "--offline", "--profile", profile])
        .args(["--package", "parallel-starting-unaware", "--target-dir"])
        .arg(&target)
        // What the outer cargo sets for this package would only make the inner one build anew each time.
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo");
    assert!(status.success());
    target.join(profile).join("parallel-starting-unaware")
}
