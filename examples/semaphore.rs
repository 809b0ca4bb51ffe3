//! Five visitors, and a room for two.
//!
//! ```text
//! cargo run --example semaphore [VISITORS] [SEATS]
//! ```
//!
//! Prints who enters and who leaves, and how many are inside then: never more than the semaphore has permits. A visitor
//! leaves when its permit is dropped, also by a panic.

mod arguments;

use std::thread;
use std::time::Duration;

use parallel::prelude::*;

/// Waits for a seat, stays for a while, and returns how many were inside on arrival.
#[parallel]
fn visit(visitor: u64, room: Semaphore, inside: Value<u64>) -> u64 {
    let _permit = room.acquire().expect("a permit");
    let seen = enter_or_leave(&inside, |inside| {
        *inside += 1;
        println!("visitor {visitor} enters, {inside} inside");
    });
    thread::sleep(Duration::from_millis(100 + visitor % 3 * 50));
    enter_or_leave(&inside, |inside| {
        *inside -= 1;
        println!("visitor {visitor} leaves, {inside} inside");
    });
    seen
}

/// Changes the number while it is locked, so that the lines come in the order of the changes.
fn enter_or_leave(inside: &Value<u64>, change: impl FnOnce(&mut u64)) -> u64 {
    let mut inside = inside.lock().expect("nobody dies with the lock");
    change(&mut inside);
    *inside
}

fn main() -> parallel::Result<()> {
    let [visitors, seats] = arguments::numbers([("VISITORS", 0..=100, 5), ("SEATS", 1..=100, 2)]);

    let room = Semaphore::bounded(seats as usize)?;
    let inside = Value::new(0)?;
    let handles: Vec<_> = (1..=visitors).map(|visitor| visit.spawn(visitor, room.clone(), inside.clone())).collect();
    let seen = handles.into_iter().map(JoinHandle::join).collect::<parallel::Result<Vec<u64>>>()?;

    let most = seen.into_iter().max().unwrap_or(0);
    println!("{visitors} visitors, {seats} seats, at most {most} inside at a time");
    assert!(most <= seats);
    assert_eq!(inside.get()?, 0);
    let permits: Vec<_> = (0..seats).map(|_| room.try_acquire()).collect::<parallel::Result<_>>()?;
    assert!(permits.iter().all(Option::is_some), "every permit came back");
    Ok(())
}
