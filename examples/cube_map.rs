//! A map over a pool of worker processes, beside the same map in this process.
//!
//! ```text
//! cargo run --release --example cube_map [ITEMS]
//! ```
//!
//! Prints a table: how long both maps take for 10, 1,000 and ITEMS numbers (20,000 by default), and the speed-up. The
//! work grows with the numbers, so the last line is where processes pay and the first one is where they do not: a
//! round trip to a worker costs more than ten small cubes.

mod arguments;

use std::hint::black_box;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// The cube of `x`, as the sum of the `x` odd numbers that follow `x * (x - 1)`: slow on purpose.
// Compiled once, so that both maps run the same code: in the loop around it, it can come out faster or slower.
#[parallel]
#[inline(never)]
fn cube(x: u64) -> u64 {
    // Without `black_box` the compiler finds the formula, and there is nothing left to share.
    (0..x).map(|step| black_box(x * (x - 1) + 1 + 2 * step)).sum()
}

fn main() -> parallel::Result<()> {
    // The cube of a greater number does not fit into 64 bits.
    let [items] = arguments::numbers([("ITEMS", 1..=2_642_246, 20_000)]);

    // The pool starts with its first call; once, here, and not in the first line of the table.
    let (start, first) = timed(|| cube.par_map(0..10));
    first?;
    println!("{} workers, ready after {start:.1?}\n", Pool::global()?.workers());

    println!("{:>9}  {:>10}  {:>10}  {:>8}", "items", "serial", "parallel", "speed-up");
    for items in [10, 1_000, items] {
        let (serial, expected) = timed(|| (0..items).map(cube.as_fn()).collect::<Vec<u64>>());
        let (parallel, cubes) = timed(|| cube.par_map(0..items));
        let cubes = cubes?;

        assert!(cubes == expected, "the pool computes what this process does");
        assert!((0..items).zip(&cubes).all(|(x, &value)| value == x * x * x));

        let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
        let remark = if speed_up < 1.0 { "  one process is faster" } else { "" };
        println!("{items:>9}  {serial:>10.1?}  {parallel:>10.1?}  {speed_up:>7.2}x{remark}");
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = work();
    (start.elapsed(), value)
}
