//! Processes that print one at a time, because they share a lock.
//!
//! ```text
//! cargo run --example lock_and_print [PROCESSES]
//! ```
//!
//! Each of ten processes (or PROCESSES) prints a verse of three numbered lines. The lock keeps the verses whole: without
//! it lines of several processes would mix. In which order the verses come is for the system to say.

mod arguments;

use parallel::prelude::*;
use parallel::sync::Mutex;

const LINES: u64 = 3;

/// Prints a verse, and returns the number of its first line. `printed` counts the lines of all.
#[parallel]
fn print(process: u64, printed: Mutex<u64>) -> u64 {
    let mut printed = printed.lock().expect("nobody dies with the lock");
    let first = *printed;
    for _ in 0..LINES {
        println!("{:>4}  hello from process {process}", *printed);
        *printed += 1;
    }
    first
}

fn main() -> parallel::Result<()> {
    let [processes] = arguments::numbers([("PROCESSES", 0..=1_000, 10)]);

    let printed = Mutex::new(0)?;
    let handles: Vec<_> = (0..processes).map(|process| print.spawn(process, printed.clone())).collect();
    let mut firsts = handles.into_iter().map(JoinHandle::join).collect::<parallel::Result<Vec<u64>>>()?;

    firsts.sort_unstable();
    assert!((0..processes).map(|verse| verse * LINES).eq(firsts), "every verse is whole");
    assert_eq!(*printed.lock()?, processes * LINES);
    Ok(())
}
