//! Ten processes that sleep for a second, all at the same time.
//!
//! ```text
//! cargo run --example sleepers [PROCESSES] [MILLISECONDS]
//! ```
//!
//! Prints each sleeper as it wakes up, and then the time that all of them took together: about that of one.

mod arguments;

use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Sleeps, and returns for how long it really did.
#[parallel]
fn sleep(duration: Duration) -> Duration {
    let start = Instant::now();
    thread::sleep(duration);
    start.elapsed()
}

fn main() -> parallel::Result<()> {
    let [processes, milliseconds] =
        arguments::numbers([("PROCESSES", 1..=1_000, 10), ("MILLISECONDS", 0..=60_000, 1_000)]);
    let duration = Duration::from_millis(milliseconds);

    let start = Instant::now();
    let handles: Vec<_> = (0..processes).map(|_| sleep.spawn(duration)).collect();
    println!("{processes} processes asked for after {:.1?}", start.elapsed());

    let mut slept = Duration::ZERO;
    for (number, outcome) in parallel::as_completed(handles) {
        let time = outcome?;
        assert!(time >= duration);
        println!("  sleeper {number:>3} woke up after {:>6.3} s", start.elapsed().as_secs_f64());
        slept += time;
    }

    let elapsed = start.elapsed();
    println!("slept {:.2} s in {:.2} s", slept.as_secs_f64(), elapsed.as_secs_f64());
    if processes >= 10 && duration >= Duration::from_secs(1) {
        assert!(elapsed < slept, "one after the other would not have taken longer");
    }
    Ok(())
}
