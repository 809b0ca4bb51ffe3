use parallel::prelude::*;

#[parallel]
fn main() {}
