//! One item panics, one hangs, one returns an `Err` of its own: the others arrive.
//!
//! ```text
//! cargo run --example errors_and_timeouts
//! ```
//!
//! Prints what became of each item. `par_map_results` gives every item its own outcome; the timeout of a second kills
//! the worker that hangs and refills its place. At the end a `par_map`, which stops at the first failure, and the line
//! that this failure prints.

use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Divides 100 by the text, with a bug for each kind of failure.
#[parallel]
fn divide(text: &str) -> Result<u32, String> {
    if text == "forever" {
        loop {
            thread::park();
        }
    }
    let divisor: u32 = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    Ok(100 / divisor)
}

fn main() -> parallel::Result<()> {
    let divide_in_time = divide.timeout(Duration::from_secs(1));
    let items = ["1", "7", "0", "ten", "20", "forever", "50"];

    let start = Instant::now();
    let outcomes = divide_in_time.par_map_results(items);
    for (item, outcome) in items.iter().zip(&outcomes) {
        match outcome {
            Ok(Ok(quotient)) => println!("{item:>8}  {quotient}"),
            Ok(Err(message)) => println!("{item:>8}  its own error: {message}"),
            Err(error) => match error.kind() {
                ErrorKind::Panicked(report) => {
                    println!("{item:>8}  panic: {}, at {}", report.message(), report.location())
                }
                ErrorKind::TimedOut { after } => println!("{item:>8}  timeout: killed after {after:?}"),
                _ => println!("{item:>8}  {error}"),
            },
        }
    }
    println!("all of it in {:.2?}", start.elapsed());

    for (item, outcome) in items.iter().zip(&outcomes) {
        match *item {
            "0" => assert!(matches!(outcome.as_ref().unwrap_err().kind(), ErrorKind::Panicked(_))),
            "forever" => assert!(matches!(outcome.as_ref().unwrap_err().kind(), ErrorKind::TimedOut { .. })),
            "ten" => assert!(matches!(outcome, Ok(Err(_)))),
            number => assert_eq!(outcome.as_ref().unwrap(), &Ok(100 / number.parse::<u32>().unwrap())),
        }
    }

    let error = divide_in_time.par_map(["1", "0", "2"]).unwrap_err();
    println!("\nand as one result:\n  {error}");
    assert_eq!((error.function(), error.index()), (Some("divide"), Some(1)));
    Ok(())
}
