//! The three ways to share: one value, many values, and messages.
//!
//! ```text
//! cargo run --example value_array_queue
//! ```
//!
//! Prints a `Value`, an `Array` and a `Queue` before and after another process changed them. All three are handles: a
//! clone, and what arrives as an argument, is the same value, array or queue.

mod arguments;

use std::f64::consts::PI;

use parallel::prelude::*;

type Message = (u32, Option<bool>, String);

#[parallel]
fn change(number: Value<f64>, integers: Array<i32>, messages: Queue<Message>) {
    number.set(PI).expect("the lock is whole");
    for integer in integers.lock().expect("the lock is whole").iter_mut() {
        *integer = -*integer;
    }
    messages.send((42, None, "hello".to_string())).expect("the queue is open");
}

fn main() -> parallel::Result<()> {
    let [] = arguments::numbers([]);

    let number = Value::new(0.0)?;
    let integers = Array::from_iter(0..10)?;
    let messages = Queue::new()?;
    println!("before: {}, {:?}, {} messages", number.get()?, integers.to_vec()?, messages.len());

    change.spawn(number.clone(), integers.clone(), messages.clone()).join()?;
    println!("after:  {}, {:?}, {} message", number.get()?, integers.to_vec()?, messages.len());
    assert_eq!(number.get()?, PI);
    assert_eq!(integers.to_vec()?, [0, -1, -2, -3, -4, -5, -6, -7, -8, -9]);

    let message = messages.recv()?;
    println!("the message: {message:?}");
    assert_eq!(message, (42, None, "hello".to_string()));
    assert!(messages.is_empty());
    Ok(())
}
