//! A fast producer, slow consumers, and a bounded queue that makes the one wait for the others.
//!
//! ```text
//! cargo run --example producer_consumer [ITEMS] [BOUND] [CONSUMERS]
//! ```
//!
//! Shows on one line of stderr how far it is while it works: items made, items waiting, items used. The queue has room
//! for BOUND items (8 by default): when it is full the producer waits, and is never further ahead than that. Then prints
//! how many items found the queue full, and what each consumer did.

mod arguments;

use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Makes the items, and returns how many of them had to wait for room.
#[parallel]
fn produce(items: u64, queue: Queue<u64>, made: Value<u64>) -> u64 {
    let mut waits = 0;
    for item in 1..=items {
        if let Some(item) = queue.try_send(item).expect("the queue is open") {
            waits += 1;
            queue.send(item).expect("the queue is open");
        }
        made.set(item).expect("nobody dies with the lock");
    }
    waits
}

/// Uses items until there are no more, and returns their number and their sum.
#[parallel]
fn consume(queue: Queue<u64>, used: Value<u64>) -> (u64, u64) {
    let (mut number, mut sum) = (0, 0);
    for item in &queue {
        thread::sleep(Duration::from_millis(5));
        used.update(|used| *used += 1).expect("nobody dies with the lock");
        number += 1;
        sum += item;
    }
    (number, sum)
}

fn main() -> parallel::Result<()> {
    let [items, bound, consumers] =
        arguments::numbers([("ITEMS", 0..=1_000_000, 300), ("BOUND", 1..=1_000_000, 8), ("CONSUMERS", 1..=100, 2)]);

    let queue = Queue::bounded(bound as usize)?;
    let (made, used) = (Value::new(0)?, Value::new(0)?);
    let start = Instant::now();
    let handles: Vec<_> = (0..consumers).map(|_| consume.spawn(queue.clone(), used.clone())).collect();
    let mut producer = produce.spawn(items, queue.clone(), made.clone());

    let waits = loop {
        let (made, waiting, used) = (made.get()?, queue.len() as u64, used.get()?);
        eprint!("\rmade {made:>6}  waiting {waiting:>6}  used {used:>6}");
        assert!(waiting <= bound, "no more wait than there is room for");
        assert!(made <= used + bound + consumers, "what is not used yet waits, or a consumer has it");
        if let Some(waits) = producer.join_timeout(Duration::from_millis(50))? {
            break waits;
        }
        if handles.iter().any(JoinHandle::is_finished) {
            break 0; // one failed, and `join` says how; without consumers the producer would wait for ever
        }
    };
    queue.close(); // what is in it still arrives; then the consumers end
    let shares = handles.into_iter().map(JoinHandle::join).collect::<parallel::Result<Vec<_>>>()?;
    eprintln!("\rmade {:>6}  waiting {:>6}  used {:>6}", made.get()?, queue.len(), used.get()?);

    println!("{items} items in {:.1?}, {waits} of them had to wait for room", start.elapsed());
    for (consumer, (number, sum)) in shares.iter().enumerate() {
        println!("consumer {consumer} used {number:>6}, their sum is {sum}");
    }
    assert_eq!(shares.iter().map(|share| share.0).sum::<u64>(), items);
    assert_eq!(shares.iter().map(|share| share.1).sum::<u64>(), items * (items + 1) / 2);
    Ok(())
}
