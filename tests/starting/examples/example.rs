//! An example is a program as any other.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() -> parallel::Result<()> {
    if parallel_starting::listed("calls_work_in_an_example") {
        return Ok(());
    }
    assert_eq!(cube.spawn(3).join()?, 27);
    assert_eq!(cube.par_map(0..4)?, [0, 1, 8, 27]);
    println!("the cube of 3 is 27, here and there");
    Ok(())
}
