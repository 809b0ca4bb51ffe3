use parallel::prelude::*;

#[parallel(handle = cube)]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube(3);
}
