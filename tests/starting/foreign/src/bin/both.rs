//! A program that uses `parallel` itself, whatever libraries are loaded beside it.
use parallel::prelude::*;

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn main() -> parallel::Result<()> {
    println!("main");
    assert_eq!(square.spawn(3).join()?, 9);
    assert_eq!(square.par_map(0..4)?, [0, 1, 4, 9]);
    println!("done");
    Ok(())
}
