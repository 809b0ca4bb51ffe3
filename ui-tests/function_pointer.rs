use parallel::prelude::*;

#[parallel]
fn apply(f: fn(u8) -> u8) -> u8 {
    f(3)
}

fn main() {
    let _ = apply(|x| x);
}
