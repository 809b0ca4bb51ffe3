//! A histogram that all workers fill.
//!
//! ```text
//! cargo run --release --example histogram [DRAWS]
//! ```
//!
//! Draws DRAWS numbers (2,000,000 by default), each the sum of twelve dice, in 64 tasks, and prints how often each sum
//! came: a bell. A task counts by itself and adds its counts to the shared `Array` under one lock; the tasks return
//! nothing.

mod arguments;

use std::time::Instant;

use parallel::prelude::*;

const TASKS: u64 = 64;
const DICE: usize = 12;
/// As many bins as there are sums, of which `DICE` is the least.
const BINS: usize = DICE * 6 - DICE + 1;

/// Draws, and adds to the bins how often each sum came.
#[parallel]
fn fill(seed: u64, draws: u64, bins: Array<u64>) {
    let own = draw(seed, draws);
    // The lock is held for as long as it takes to add, and not while the dice roll.
    for (bin, count) in bins.lock().expect("nobody dies with the lock").iter_mut().zip(own) {
        *bin += count;
    }
}

fn draw(seed: u64, draws: u64) -> [u64; BINS] {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bins = [0; BINS];
    for _ in 0..draws {
        let pips = (0..DICE).map(|_| random.usize(0..6)).sum::<usize>();
        bins[pips] += 1;
    }
    bins
}

fn main() -> parallel::Result<()> {
    let [draws] = arguments::numbers([("DRAWS", 0..=1_000_000_000, 2_000_000)]);
    let shares = |task| draws / TASKS + u64::from(task < draws % TASKS);
    let workers = Pool::global()?.workers();

    let start = Instant::now();
    let mut expected = [0; BINS];
    for task in 0..TASKS {
        expected.iter_mut().zip(draw(task, shares(task))).for_each(|(bin, count)| *bin += count);
    }
    let serial = start.elapsed();

    let bins = Array::zeroed(BINS)?;
    let start = Instant::now();
    fill.par_for_each((0..TASKS).map(|task| (task, shares(task), bins.clone())))?;
    let parallel = start.elapsed();

    let bins = bins.to_vec()?;
    let highest = bins.iter().copied().max().unwrap_or(0).max(1);
    for (sum, &count) in (DICE..).zip(&bins).filter(|&(_, &count)| count > 0) {
        let bar = "#".repeat((count * 60 / highest) as usize);
        println!("{sum:>3}  {count:>10}  {bar}");
    }
    assert_eq!(bins, expected);
    assert_eq!(bins.iter().sum::<u64>(), draws);

    let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
    println!("one process {serial:.1?}, {workers} workers {parallel:.1?}: {speed_up:.2}x");
    Ok(())
}
