use parallel::prelude::*;

#[parallel]
fn run() -> Jobb {
    todo!()
}

fn main() {}
