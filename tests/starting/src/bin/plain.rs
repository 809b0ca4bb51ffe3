//! A program with nothing special: a value from a process of its own, from a pool, and from ten processes inside each
//! other.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn descend(depth: u64) -> u64 {
    if depth == 0 { 0 } else { 1 + descend.spawn(depth - 1).join().expect("a call inside a call") }
}

#[parallel]
fn descend_in_pools(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let pool = Pool::with_workers(2).expect("a pool inside a worker");
    let below = descend_in_pools.on(&pool).par_map([depth - 1, depth - 1]).expect("a map inside a worker");
    below.into_iter().sum()
}

fn main() -> parallel::Result<()> {
    println!("main");
    // Does nothing where the constructor ran.
    parallel::init();
    assert_eq!(cube.spawn(3).join()?, 27);
    assert_eq!(cube.par_map(0..4)?, [0, 1, 8, 27]);
    assert_eq!(descend.spawn(10).join()?, 10);
    assert_eq!(descend_in_pools.spawn(2).join()?, 4);
    println!("done");
    Ok(())
}
