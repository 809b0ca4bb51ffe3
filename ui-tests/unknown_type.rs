use parallel::prelude::*;

#[parallel]
fn run(job: Jobb, name: &str) -> u32 {
    0
}

fn main() {}
