use parallel::prelude::*;

#[parallel(retries = 1, retries = 2)]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.spawn(3);
}
