//! A function that calls itself in other processes: the two halves of a list are sorted at the same time.
//!
//! ```text
//! cargo run --release --example quicksort [LENGTH]
//! ```
//!
//! Prints the time of the standard library's sort and of this one, and how many processes worked, level by level. Each
//! worker has a pool of its own for the calls that it makes; its size is the number of cores divided by the workers beside
//! it, and at least one, so that calls in calls do not multiply processes.

mod arguments;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use parallel::Failure;
use parallel::prelude::*;

/// Shorter lists are sorted where they are: to send them takes longer.
const SHORT: usize = 200_000;

/// The processes that worked, by how deep the calls were.
type Workers = BTreeMap<usize, BTreeSet<u32>>;

/// Sorts; returns which processes had a part in it, by how deep the calls were.
#[parallel]
fn quicksort(mut numbers: Vec<i64>, level: usize) -> Result<(Vec<i64>, Workers), Failure> {
    let mut workers = BTreeMap::from([(level, BTreeSet::from([std::process::id()]))]);
    if numbers.len() <= SHORT {
        numbers.sort_unstable();
        return Ok((numbers, workers));
    }
    let middle = numbers.len() / 2;
    let (_, &mut pivot, high) = numbers.select_nth_unstable(middle);
    // One half goes to another process, the other stays here.
    let high = quicksort.submit(high.to_vec(), level + 1);
    numbers.truncate(middle);
    let (mut sorted, here) = quicksort(numbers, level)?;
    let (high, there) = high.join()??;
    sorted.push(pivot);
    sorted.extend(high);
    for (level, pids) in here.into_iter().chain(there) {
        workers.entry(level).or_default().extend(pids);
    }
    Ok((sorted, workers))
}

fn main() -> Result<(), Failure> {
    let [length] = arguments::numbers([("LENGTH", 0..=100_000_000, 2_000_000)]);
    let mut random = fastrand::Rng::with_seed(1);
    let numbers: Vec<i64> = (0..length).map(|_| random.i64(..)).collect();

    let start = Instant::now();
    let mut expected = numbers.clone();
    expected.sort_unstable();
    println!("one process   {:>8.1?}", start.elapsed());

    let start = Instant::now();
    let (sorted, workers) = quicksort(numbers, 0)?;
    println!("many          {:>8.1?}", start.elapsed());
    assert!(sorted == expected, "they sort alike");

    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    for (level, pids) in workers {
        println!("level {level}: {} processes", pids.len());
        assert!(pids.len() <= cores, "no more processes at a time on one level than there are cores");
    }
    Ok(())
}
