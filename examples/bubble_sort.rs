//! Lists that travel to the workers and come back sorted.
//!
//! ```text
//! cargo run --release --example bubble_sort [LISTS] [LENGTH]
//! ```
//!
//! Prints the time to sort all lists in this process and in the pool, and the speed-up. Sorting is quadratic, sending
//! is linear: with short lists one process is faster.

mod arguments;

use std::time::Instant;

use parallel::prelude::*;

#[parallel]
fn bubble_sort(mut numbers: Vec<i32>) -> Vec<i32> {
    let mut unsorted = numbers.len();
    while unsorted > 1 {
        let mut last_swap = 0;
        for at in 1..unsorted {
            if numbers[at - 1] > numbers[at] {
                numbers.swap(at - 1, at);
                last_swap = at;
            }
        }
        unsorted = last_swap;
    }
    numbers
}

fn main() -> parallel::Result<()> {
    let [lists, length] = arguments::numbers([("LISTS", 1..=10_000, 8), ("LENGTH", 0..=1_000_000, 4_000)]);
    let mut random = fastrand::Rng::with_seed(1);
    let lists: Vec<Vec<i32>> = (0..lists).map(|_| (0..length).map(|_| random.i32(..)).collect()).collect();
    let workers = Pool::global()?.workers();

    let start = Instant::now();
    let expected: Vec<Vec<i32>> = lists.iter().cloned().map(bubble_sort.as_fn()).collect();
    let serial = start.elapsed();

    let start = Instant::now();
    let sorted = bubble_sort.par_map(lists.iter().cloned())?;
    let parallel = start.elapsed();

    assert!(sorted == expected, "the pool sorts as this process does");
    for (mut list, sorted) in lists.into_iter().zip(sorted) {
        list.sort_unstable();
        assert!(sorted == list, "and as the standard library does");
    }

    let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
    println!("one process  {serial:>10.1?}");
    println!("{workers:>2} workers   {parallel:>10.1?}  {speed_up:>5.2}x");
    if speed_up < 1.0 {
        println!("one process is faster: the lists are too short to be worth sending");
    }
    Ok(())
}
