//! The tests of a program once more, with calls that run in this very process.

use std::env;
use std::process::Command;

use parallel::Pool;

/// A pool of so many workers; one without workers where the tests run [once more](inline_too).
#[allow(dead_code, reason = "not every program of tests needs a pool of its own")]
pub(crate) fn pool(workers: usize) -> Pool {
    match env::var_os("PARALLEL_WORKERS").is_some_and(|number| number == "0") {
        true => Pool::inline(),
        false => Pool::with_workers(workers).unwrap(),
    }
}

/// Runs all tests of this program again where calls run inline, `this` one and those of `others` aside, each with its reason.
pub(crate) fn inline_too(this: &str, others: &[(&str, &str)]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("PARALLEL_WORKERS", "0").args(["--exact", "--skip", this]);
    command.args(others.iter().flat_map(|(other, _)| ["--skip", other]));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains(" 0 passed"), "{}, inline:\n{said}", output.status);
    for (other, reason) in others {
        let all = Command::new(env::current_exe().unwrap()).args(["--list", "--exact", other]).output().unwrap();
        let is_there = String::from_utf8_lossy(&all.stdout).contains(": test");
        assert!(is_there, "`{other}`, which does not run inline ({reason}), is no test");
    }
}
