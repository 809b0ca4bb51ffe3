use parallel::prelude::*;

#[parallel]
fn sort(numbers: &mut Vec<u8>) {
    numbers.sort();
}

fn main() {
    sort(&mut vec![2, 1]);
}
