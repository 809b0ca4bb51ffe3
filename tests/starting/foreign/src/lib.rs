//! A shared library that uses `parallel`, for a C program to load.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

/// Tries every way to start a process, and prints what becomes of it.
// SAFETY: no other library of the program has a function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn call() -> i32 {
    let outcomes = [
        cube.spawn(3).join().map(drop),
        cube.submit(3).join().map(drop),
        cube.par_map(0..3).map(drop),
        Pool::with_workers(1).map(drop),
        cube.par_imap(0..3).next().expect("one outcome").map(drop),
    ];
    for outcome in outcomes {
        match outcome {
            Ok(()) => println!("a process was started"),
            Err(error) if matches!(error.kind(), ErrorKind::NotParallel) => println!("NotParallel: {error}"),
            Err(error) => println!("another error: {error}"),
        }
    }
    println!("here: {}", cube(3));
    0
}
