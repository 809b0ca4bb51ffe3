//! Processes that take turns: each waits until what is shared says that it is next.
//!
//! ```text
//! cargo run --example take_turns [PROCESSES] [NUMBERS]
//! ```
//!
//! Three processes count to twelve together, each says every third number. The lock guards the number that comes next;
//! the condition variable wakes those who wait for a change of it. Prints who says what: the numbers are in order,
//! though nobody gives the word to anybody.

mod arguments;

use parallel::prelude::*;
use parallel::sync::{Condvar, Mutex};

/// Says the numbers that fall to this process, and returns how many.
#[parallel]
fn say(process: u64, processes: u64, last: u64, next: Mutex<u64>, changed: Condvar) -> u64 {
    let mut said = 0;
    loop {
        let next = next.lock().expect("nobody dies with the lock");
        // Gives the lock away while it waits, and has it again when the condition no longer holds.
        let mut next = changed
            .wait_while(next, |next| *next <= last && *next % processes != process)
            .expect("nobody dies with the lock");
        if *next > last {
            return said;
        }
        println!("{:indent$}{}", "", *next, indent = process as usize * 8);
        *next += 1;
        said += 1;
        drop(next);
        changed.notify_all();
    }
}

fn main() -> parallel::Result<()> {
    let [processes, numbers] = arguments::numbers([("PROCESSES", 1..=100, 3), ("NUMBERS", 0..=1_000_000, 12)]);

    let (next, changed) = (Mutex::new(1)?, Condvar::new()?);
    let calls: Vec<_> =
        (0..processes).map(|process| say.spawn(process, processes, numbers, next.clone(), changed.clone())).collect();
    // In the order in which they end: if one fails, the others would wait for its turn for ever.
    for (process, said) in parallel::as_completed(calls) {
        let expected = (1..=numbers).filter(|number| number % processes == process as u64).count() as u64;
        assert_eq!(said?, expected, "each says what falls to it");
    }
    assert_eq!(*next.lock()?, numbers + 1);
    println!("{numbers} numbers, {processes} processes, in turn");
    Ok(())
}
