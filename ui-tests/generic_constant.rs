use parallel::prelude::*;

#[parallel]
fn sum<const N: usize>(items: [u8; N]) -> u8 {
    items.iter().sum()
}

fn main() {
    let _ = sum([1, 2]);
}
