//! How fast a recursive `#[parallel]` function calls itself in one process, beside the same function without the attribute.
//!
//! Both are run in turns, so that what else the machine does falls on both; what counts is the ratio of the medians.

use std::hint::black_box;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Takes some milliseconds, which is far above the clock's resolution.
const N: u32 = 30;
const RUNS: usize = 101;

#[parallel]
fn with(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { with(n - 1) + with(n - 2) }
}

fn without(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { without(n - 1) + without(n - 2) }
}

fn time(function: impl Fn(u32) -> u64) -> Duration {
    let start = Instant::now();
    black_box(function(black_box(N)));
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let (marked, plain): (Vec<_>, Vec<_>) = (0..RUNS).map(|_| (time(|n| with(n)), time(without))).unzip();
    let (marked, plain) = (median(marked), median(plain));
    println!("fibonacci of {N}, medians of {RUNS} runs in turns:");
    println!("  without the attribute  {plain:.3} ms");
    println!("  with the attribute     {marked:.3} ms");
    println!("  ratio                  {:.3}", marked / plain);
}
