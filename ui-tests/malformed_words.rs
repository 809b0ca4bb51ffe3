use parallel::prelude::*;

#[parallel(timeout = "soon", retries = -1, chunk_size = "many", name = 3, handle = "h", crate = "p")]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel(timeout, retries =, 5, chunk_size = 1.5)]
fn square(x: u64) -> u64 {
    x * x
}

fn main() {
    let _ = cube.spawn(3);
    let _ = square.spawn(3);
}
