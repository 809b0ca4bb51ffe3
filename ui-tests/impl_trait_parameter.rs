use parallel::prelude::*;

#[parallel]
fn sum(items: impl Iterator<Item = u8>) -> u8 {
    items.sum()
}

fn main() {
    let _ = sum([1, 2].into_iter());
}
