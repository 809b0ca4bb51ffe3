use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.par_map(["a"]);
}
