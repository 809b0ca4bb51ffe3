//! How fast a recursive `#[parallel]` function calls itself in one process, beside the same function without the
//! attribute.

use std::hint::black_box;
use std::process::ExitCode;

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row};

/// Takes some milliseconds, which is far above the clock's resolution.
const N: u32 = 30;
const WITHOUT: &str = "without the attribute";

#[parallel]
fn with(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { with(n - 1) + with(n - 2) }
}

fn without(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { without(n - 1) + without(n - 2) }
}

/// The same number without recursion.
fn in_a_loop(n: u32) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

fn contenders() -> Vec<Contender> {
    let check = |value: &u64| *value == in_a_loop(N);
    vec![
        Contender::timed(OURS, 1, || || with(black_box(N)), check),
        Contender::timed(WITHOUT, 1, || || without(black_box(N)), check),
    ]
}

fn main() -> ExitCode {
    // As fast; what is above 1 is for the clock and the machine.
    let row = Row::new("recursion", "fibonacci of 30, in this process", contenders).aim(WITHOUT, 1.02);
    parallel_benches::run("recursion", vec![row])
}
