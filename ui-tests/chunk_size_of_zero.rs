use parallel::prelude::*;

#[parallel(chunk_size = 0)]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube.spawn(3);
}
