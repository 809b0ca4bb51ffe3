//! Registers two functions under one key, as only a defect could.
use parallel::__private::{Call, Entry, FUNCTIONS, linkme};
use parallel::prelude::*;

fn nothing(_: &mut Call<'_>) {}

#[linkme::distributed_slice(FUNCTIONS)]
#[linkme(crate = linkme)]
static ONE: Entry = Entry::new("twin at here.rs:1:1 fn()", "twin", nothing);

#[linkme::distributed_slice(FUNCTIONS)]
#[linkme(crate = linkme)]
static OTHER: Entry = Entry::new("twin at here.rs:1:1 fn()", "twin", nothing);

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn tell<T>(outcome: Result<T, Error>) {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::Start(_)) => println!("{error}"),
        Err(error) => println!("another error: {error}"),
        Ok(_) => println!("no error"),
    }
}

fn main() {
    tell(cube.spawn(3).join());
    tell(cube.submit(3).join());
    tell(cube.par_map(0..3));
    tell(Pool::with_workers(1));
    println!("here: {}", cube(3));
}
