//! The factorials of a million random numbers, by pools of one to four workers.
//!
//! ```text
//! cargo run --release --example factorials [NUMBERS] [WORKERS]
//! ```
//!
//! Prints the time in this process and in a pool of each size, and the speed-up. More workers than cores bring nothing
//! more, and where the work is light the way to the workers shows.

mod arguments;

use std::thread::available_parallelism;
use std::time::Instant;

use parallel::prelude::*;

/// The factorial of `n`, as the remainder by a prime: `n` may be large, the work grows with it.
#[parallel]
fn factorial(n: u64) -> u64 {
    const PRIME: u64 = 998_244_353;
    (1..=n).fold(1, |product, factor| product * factor % PRIME)
}

fn main() -> parallel::Result<()> {
    let [count, most] = arguments::numbers([("NUMBERS", 1..=100_000_000, 1_000_000), ("WORKERS", 1..=64, 4)]);
    let mut random = fastrand::Rng::with_seed(1);
    let numbers: Vec<u64> = (0..count).map(|_| random.u64(0..=200)).collect();
    println!("{count} numbers, {} cores\n", available_parallelism().map_or(1, usize::from));

    let start = Instant::now();
    let expected: Vec<u64> = numbers.iter().copied().map(factorial.as_fn()).collect();
    let serial = start.elapsed();
    println!("{:<12}  {serial:>10.1?}", "one process");

    for workers in 1..=most as usize {
        let pool = Pool::with_workers(workers)?;
        let start = Instant::now();
        let factorials = factorial.on(&pool).par_map(numbers.iter().copied())?;
        let parallel = start.elapsed();
        pool.join()?;

        assert!(factorials == expected, "the pool computes what this process does");
        let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
        let way = format!("{workers} worker{}", if workers == 1 { "" } else { "s" });
        println!("{way:<12}  {parallel:>10.1?}  {speed_up:>6.2}x");
    }
    Ok(())
}
