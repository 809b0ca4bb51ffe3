#![deny(unused_must_use)]

use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    cube.retries(3);
    let _ = cube.par_map(0..3);
}
