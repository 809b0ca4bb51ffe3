use parallel::prelude::*;

#[parallel]
mod geometry {}

fn main() {}
