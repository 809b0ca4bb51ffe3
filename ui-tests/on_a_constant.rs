use parallel::prelude::*;

#[parallel]
const FACTOR: u8 = 3;

fn main() {
    let _ = FACTOR;
}
