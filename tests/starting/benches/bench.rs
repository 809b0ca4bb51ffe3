//! A bench is a program as any other.
use std::time::Instant;

use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() -> parallel::Result<()> {
    if parallel_starting::listed("calls_work_in_a_bench") {
        return Ok(());
    }
    let begun = Instant::now();
    assert_eq!(cube.spawn(3).join()?, 27);
    let spawned = begun.elapsed();
    let pool = Pool::with_workers(2)?;
    let begun = Instant::now();
    assert_eq!(cube.on(&pool).par_map(0..4)?, [0, 1, 8, 27]);
    println!("a spawned call: {spawned:?}; a map of four items: {:?}", begun.elapsed());
    pool.join()
}
