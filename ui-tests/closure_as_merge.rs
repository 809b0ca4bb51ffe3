use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.par_map_reduce(0..3, &|a: u64, b: u64| a + b);
}
