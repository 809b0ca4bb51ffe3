use parallel::prelude::*;

#[parallel]
fn cube(cube: u64) -> u64 {
    cube * cube * cube
}

fn main() {
    let _ = cube(3);
}
