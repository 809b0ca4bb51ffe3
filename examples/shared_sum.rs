//! A sum that two processes add up together.
//!
//! ```text
//! cargo run --release --example shared_sum [BOUND]
//! ```
//!
//! Prints the sum of 1 to 20, to which each of two processes adds its half, number by number; then the sum of 1 to BOUND
//! (2,000,000 by default) with the times of three ways: a loop in this process, two processes that lock the total for
//! every number, and two that add up by themselves and lock it once. Locks are for what must be shared; the last way
//! shares the least.

mod arguments;

use std::hint::black_box;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Adds the numbers from `first` to `last` to the total, one by one.
#[parallel]
fn add_each(first: u64, last: u64, total: Value<u64>) {
    for number in first..=last {
        total.update(|total| *total += number).expect("nobody dies with the lock");
    }
}

/// Adds the numbers from `first` to `last` to the total, all at once.
#[parallel]
fn add_once(first: u64, last: u64, total: Value<u64>) {
    let sum = sum(first, last);
    total.update(|total| *total += sum).expect("nobody dies with the lock");
}

fn sum(first: u64, last: u64) -> u64 {
    // Without `black_box` the compiler finds the formula, and there is nothing left to add up.
    (first..=last).map(black_box).sum()
}

fn main() -> parallel::Result<()> {
    let [bound] = arguments::numbers([("BOUND", 0..=1_000_000_000, 2_000_000)]);

    let total = Value::new(0)?;
    let handles = halves(20).map(|(first, last)| add_each.spawn(first, last, total.clone()));
    finish(handles)?;
    println!("1 + 2 + ... + 20 = {}", total.get()?);
    assert_eq!(total.get()?, 210);

    let start = Instant::now();
    let expected = sum(1, bound);
    report("a loop", start.elapsed(), expected);
    assert_eq!(expected, bound * (bound + 1) / 2);

    let total = Value::new(0)?;
    let start = Instant::now();
    finish(halves(bound).map(|(first, last)| add_each.spawn(first, last, total.clone())))?;
    report("a lock for each number", start.elapsed(), total.get()?);
    assert_eq!(total.get()?, expected);

    total.set(0)?;
    let start = Instant::now();
    finish(halves(bound).map(|(first, last)| add_once.spawn(first, last, total.clone())))?;
    report("a lock for each process", start.elapsed(), total.get()?);
    assert_eq!(total.get()?, expected);
    Ok(())
}

/// The first and the last number of each half of 1 to `bound`.
fn halves(bound: u64) -> [(u64, u64); 2] {
    [(1, bound / 2), (bound / 2 + 1, bound)]
}

fn finish(handles: [JoinHandle<()>; 2]) -> parallel::Result<()> {
    handles.into_iter().try_for_each(JoinHandle::join)
}

fn report(way: &str, time: Duration, sum: u64) {
    println!("{way:<24}  {time:>10.1?}  {sum}");
}
