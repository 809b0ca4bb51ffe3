use parallel::prelude::*;

#[parallel]
fn count(to: u8) -> impl Iterator<Item = u8> {
    0..to
}

fn main() {
    let _ = count(3);
}
