//! Maps over an input that never ends.
//!
//! ```text
//! cargo run --release --example lazy_map [START] [PRIMES]
//! ```
//!
//! Looks for the first PRIMES prime numbers from START on, in the order of the numbers, by a lazy map over all odd numbers
//! from there: only so many are under way at a time, and the map ends when its iterator is dropped. Prints each as it is
//! found, and how many numbers were taken. Then counts the steps of four walks, and prints them as they come: the longest
//! is started first, and does not hold up the others.

mod arguments;

use std::cell::Cell;

use parallel::prelude::*;

/// How many numbers may be under way.
const WINDOW: usize = 64;

/// Returns the number if it is prime.
#[parallel]
fn prime(number: u64) -> Option<u64> {
    let divisors = (3..).step_by(2).take_while(|divisor| divisor * divisor <= number);
    (number > 1 && number % 2 == 1 && divisors.into_iter().all(|divisor| !number.is_multiple_of(divisor)))
        .then_some(number)
}

/// Halves an even number, triples an odd one and adds one, until it is one; returns the number of steps, `times` over.
#[parallel]
fn steps_to_one(start: u64, times: u64) -> u64 {
    let walk = |start| {
        let path = std::iter::successors(Some(start), |&n| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 }));
        path.take_while(|&n| n != 1).count() as u64
    };
    (0..times).map(|_| walk(std::hint::black_box(start))).sum()
}

fn main() -> parallel::Result<()> {
    let [start, primes] = arguments::numbers([("START", 3..=1 << 60, 1_000_000_000_000), ("PRIMES", 0..=10_000, 10)]);

    let taken = Cell::new(0);
    let odd = ((start | 1)..).step_by(2).inspect(|_| taken.set(taken.get() + 1));
    let mut looked = 0;
    let mut found = Vec::new();
    let mut outcomes = prime.window(WINDOW).par_imap(odd);
    while found.len() < primes as usize {
        looked += 1;
        if let Some(number) = outcomes.next().expect("the input never ends")? {
            println!("{number}");
            found.push(number);
        }
    }
    drop(outcomes); // what is still under way is not waited for
    println!("{looked} numbers looked at, {} taken from an endless input\n", taken.get());
    assert!(taken.get() <= looked + WINDOW, "never further ahead than the window");
    assert!(((start | 1)..).step_by(2).filter_map(prime.as_fn()).take(found.len()).eq(found));

    let paths = [(837_799, 20_000), (27, 20_000), (8, 20_000), (1, 20_000)];
    let mut seen = [false; 4];
    for (place, outcome) in steps_to_one.chunk_size(1).par_imap_unordered(paths) {
        let ((start, times), steps) = (paths[place], outcome?);
        println!("from {start:>6} to 1 in {:>3} steps, walked {times} times", steps / times);
        assert_eq!(steps, steps_to_one(start, 1) * times);
        assert!(!std::mem::replace(&mut seen[place], true));
    }
    assert_eq!(seen, [true; 4]);
    Ok(())
}
