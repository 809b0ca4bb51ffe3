use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn half(x: u64) -> Result<u64, Vec<u8>> {
    if x > 1 { Ok(x / 2) } else { Err(vec![1]) }
}

fn main() {
    let _ = cube.try_par_map([1]);
    let _ = half.try_par_imap([1]);
}
