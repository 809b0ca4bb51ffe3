//! What `.on(..)` is given is no pool.

use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let pools = vec![Pool::inline()];
    cube.on(&pools).submit(3).join().unwrap();
    cube.on(&4).par_map(0..3).unwrap();
}
