use parallel::prelude::*;

#[parallel]
fn sum(first: u8, _: ...) -> u8 {
    first
}

fn main() {
    let _ = sum(3);
}
