use parallel::prelude::*;

#[parallel]
fn add(a: u8, b: u8) -> u8 {
    a + b
}

fn main() {
    let _ = add.par_map(0..9);
}
