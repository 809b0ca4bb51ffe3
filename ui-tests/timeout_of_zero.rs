use parallel::prelude::*;

#[parallel(timeout = "0s")]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.spawn(3);
}
