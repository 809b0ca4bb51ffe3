use parallel::prelude::*;

#[parallel]
fn row() -> u8 {
    1
}

#[parallel]
fn norm(row: &[f64], (a, b): (u8, u8)) -> f64 {
    row[usize::from(a + b)]
}

fn main() {}
