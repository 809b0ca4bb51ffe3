//! What travels although something of the kind does not: it is the type that counts, and not its name or what is written in it.

mod engines;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use parallel::prelude::*;
use serde::{Deserialize, Serialize};

/// Has the name of a type that does not travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct File(String);

/// Has the name of one whose changes would be lost.
mod mine {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Mutex<T>(pub(super) T);
}

/// Names a type that does not travel, and travels itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tracked<T> {
    number: u64,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

type Locked = parallel::sync::Mutex<u64>;

#[parallel]
fn names(file: &File, mutex: &mine::Mutex<u8>, tracked: Tracked<std::fs::File>) -> (String, u8, u64) {
    (file.0.clone(), mutex.0, tracked.number)
}

#[parallel]
#[allow(clippy::boxed_local, reason = "what is in a box is looked at, too")]
fn add(total: &Locked, boxed: Box<Value<u64>>) {
    *total.lock().unwrap() += 1;
    boxed.update(|boxed| *boxed += 2).unwrap();
}

/// By value, a copy is what was asked for.
#[parallel]
fn by_value(count: AtomicU64, cell: std::cell::Cell<u8>) -> std::sync::Mutex<u64> {
    std::sync::Mutex::new(count.load(Ordering::Relaxed) + u64::from(cell.get()))
}

#[parallel]
fn long(row: [f64; 64], other: &[u8; 100]) -> [f64; 65] {
    let mut longer = [f64::from(other[99]); 65];
    longer[..64].copy_from_slice(&row);
    longer
}

#[test]
fn a_type_is_told_by_itself_and_not_by_its_name() {
    let tracked = Tracked { number: 3, of: PhantomData };
    let outcome = names.spawn(&File("a".to_string()), &mine::Mutex(2), tracked).join();
    assert_eq!(outcome.unwrap(), ("a".to_string(), 2, 3));
}

#[test]
fn what_processes_share_is_changed_behind_a_borrow_and_in_a_box() {
    let (total, boxed) = (Locked::new(1).unwrap(), Value::new(1).unwrap());
    add.spawn(&total, Box::new(boxed.clone())).join().unwrap();
    assert_eq!((*total.lock().unwrap(), boxed.get().unwrap()), (2, 3));
}

#[test]
fn a_cell_travels_by_value_and_as_a_result() {
    let sum = by_value.spawn(AtomicU64::new(40), std::cell::Cell::new(2)).join().unwrap();
    assert_eq!(sum.into_inner().unwrap(), 42);
}

#[test]
fn arrays_of_any_length_travel() {
    let mut row = [0.5; 64];
    row[63] = 1.5;
    let longer = long.submit(row, &[7; 100]).join().unwrap();
    assert_eq!((longer[62], longer[63], longer[64]), (0.5, 1.5, 7.0));
    assert_eq!(long.par_map([(row, [9; 100])]).unwrap()[0][64], 9.0);
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
