//! The cheapest function there is, over many numbers: what a map costs when the work costs nothing.
//!
//! ```text
//! cargo run --release --example square_roots [MANY] [FEW]
//! ```
//!
//! Prints the times for 5,000,000 and for 10,000 square roots, in this process and in the pool, and what a number
//! costs on its way to a worker and back. A square root takes a nanosecond or two, so one process is faster: the table
//! shows how heavy a function has to be before processes pay.

mod arguments;

use std::time::Instant;

use parallel::prelude::*;

#[parallel]
fn square_root(x: f64) -> f64 {
    x.sqrt()
}

fn main() -> parallel::Result<()> {
    let [many, few] = arguments::numbers([("MANY", 1..=100_000_000, 5_000_000), ("FEW", 1..=100_000_000, 10_000)]);
    let workers = Pool::global()?.workers();
    println!("{workers} workers\n");

    println!("{:>11}  {:>10}  {:>10}  {:>8}  {:>10}", "numbers", "serial", "parallel", "speed-up", "per number");
    for count in [many, few] {
        let numbers = || (0..count).map(|n| n as f64);

        let start = Instant::now();
        let expected: Vec<f64> = numbers().map(square_root.as_fn()).collect();
        let serial = start.elapsed();

        let start = Instant::now();
        let roots = square_root.par_map(numbers())?;
        let parallel = start.elapsed();

        assert!(roots == expected, "the pool computes what this process does, to the last bit");
        let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
        let per_number = parallel.as_nanos() as f64 / count as f64;
        println!("{count:>11}  {serial:>10.1?}  {parallel:>10.1?}  {speed_up:>7.2}x  {per_number:>7.1} ns");
        if speed_up < 1.0 {
            println!("{:>11}  one process is faster", "");
        }
    }
    Ok(())
}
