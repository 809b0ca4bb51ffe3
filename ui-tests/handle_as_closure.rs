use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = (0..3).map(cube);
}
