//! The perfect numbers up to a bound, in three ways: a loop, a process for each number, and a pool.
//!
//! ```text
//! cargo run --release --example perfect_numbers [BOUND] [PROCESSES]
//! ```
//!
//! Prints what each way found and how long it took. BOUND (20,000 by default) is for the loop and the pool. A process
//! for each number is the dearest way, so it stops at PROCESSES (1,000 by default); all its processes are asked for
//! before the first is joined, and the program starts no more at a time than the system has room for.

mod arguments;

use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Tells whether `n` is the sum of its proper divisors.
#[parallel]
fn is_perfect(n: u64) -> bool {
    n > 1 && (1..=n / 2).filter(|divisor| n.is_multiple_of(*divisor)).sum::<u64>() == n
}

fn main() -> parallel::Result<()> {
    let [bound, processes] = arguments::numbers([("BOUND", 1..=10_000_000, 20_000), ("PROCESSES", 0..=100_000, 1_000)]);
    let workers = Pool::global()?.workers();

    let start = Instant::now();
    let expected: Vec<u64> = (1..=bound).filter(|&n| is_perfect(n)).collect();
    let serial = start.elapsed();
    report(format!("a loop to {bound}"), serial, &expected);

    let start = Instant::now();
    let answers = is_perfect.par_map(1..=bound)?;
    let parallel = start.elapsed();
    let found = perfect(&answers);
    report(format!("{workers} workers to {bound}"), parallel, &found);
    assert_eq!(found, expected);

    let start = Instant::now();
    let handles: Vec<_> = (1..=processes).map(|n| is_perfect.spawn(n)).collect();
    let answers = handles.into_iter().map(JoinHandle::join).collect::<parallel::Result<Vec<bool>>>()?;
    let found = perfect(&answers);
    report(format!("{processes} processes"), start.elapsed(), &found);
    assert_eq!(found, [6, 28, 496, 8128].into_iter().filter(|&n| n <= processes).collect::<Vec<u64>>());

    println!("speed-up of the pool: {:.2}x", serial.as_secs_f64() / parallel.as_secs_f64());
    Ok(())
}

/// The numbers, counted from 1, whose answer is yes.
fn perfect(answers: &[bool]) -> Vec<u64> {
    (1..).zip(answers).filter(|&(_, &yes)| yes).map(|(n, _)| n).collect()
}

fn report(way: String, time: Duration, found: &[u64]) {
    println!("{way:<22}  {time:>10.1?}  {found:?}");
}
