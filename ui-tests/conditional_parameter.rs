use parallel::prelude::*;

#[parallel]
fn cube(x: u64, #[cfg(test)] y: u64) -> u64 {
    x * x * x
}

fn main() {
    let _ = cube(3);
}
