use parallel::prelude::*;

#[parallel]
const fn double(x: u8) -> u8 {
    2 * x
}

fn main() {
    let _ = double(3);
}
