//! A library that uses `parallel` and does not show it.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> (u64, u32) {
    (x * x * x, std::process::id())
}

/// Cubes the numbers below `end`, in other processes; each with the process that did it.
///
/// # Panics
///
/// When a call fails.
///
/// # Examples
///
/// ```
/// let cubes = parallel_starting_library::cubes(3);
/// assert_eq!(cubes.iter().map(|cube| cube.0).collect::<Vec<_>>(), [0, 1, 8]);
/// assert!(cubes.iter().all(|cube| cube.1 != std::process::id()));
/// ```
///
/// In a doc test of its own program:
///
/// ```standalone_crate
/// let cubes = parallel_starting_library::spawned(3);
/// assert_eq!(cubes.0, 27);
/// assert_ne!(cubes.1, std::process::id());
/// ```
pub fn cubes(end: u64) -> Vec<(u64, u32)> {
    cube.par_map(0..end).expect("the map fails")
}

#[parallel]
fn half(x: u64) -> u64 {
    assert!(x.is_multiple_of(2), "{x} is odd");
    x / 2
}

/// Tells what becomes of half of seven, in a process of its own and in a pool, and of half of eight after that.
///
/// # Panics
///
/// When half of seven is found.
pub fn halves_of_seven_and_eight() -> [String; 3] {
    let spawned = half.spawn(7).join().expect_err("seven is odd").to_string();
    let pooled = half.submit(7).join().expect_err("seven is odd").to_string();
    [spawned, pooled, half.submit(8).join().map_or_else(|error| error.to_string(), |four| four.to_string())]
}

/// Cubes one number in a process of its own, and tells which.
///
/// # Panics
///
/// When the call fails.
pub fn spawned(x: u64) -> (u64, u32) {
    cube.spawn(x).join().expect("the call fails")
}
