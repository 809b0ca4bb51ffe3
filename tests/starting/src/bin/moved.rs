//! Calls after somebody has done something to its executable.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn nested(x: u64) -> u64 {
    cube.spawn(x).join().expect("a call inside a call")
}

fn main() -> parallel::Result<()> {
    println!("ready");
    parallel_starting::hear();
    assert_eq!(cube.spawn(3).join()?, 27);
    let pool = Pool::with_workers(2)?;
    assert_eq!(cube.on(&pool).par_map(0..4)?, [0, 1, 8, 27]);
    assert_eq!(nested.on(&pool).submit(2).join()?, 8);
    assert_eq!(nested.spawn(2).join()?, 8);
    println!("done");
    Ok(())
}
