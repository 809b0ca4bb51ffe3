use parallel::prelude::*;

#[parallel(time_out = "3s")]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.spawn(3);
}
