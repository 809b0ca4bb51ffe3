//! What the types of this crate may be used across: threads, and `catch_unwind`.

use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};

use parallel::prelude::*;
use parallel::shared::Plain;
use parallel::sync::{Barrier, Condvar, Mutex};

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

const fn crosses<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

/// Those that hold plain data, whatever it is.
const fn of<T: Plain + Send>() {
    crosses::<Value<T>>();
    crosses::<Array<T>>();
    crosses::<Mutex<T>>();
}

#[test]
fn threads_and_unwinding_leave_them_whole() {
    const {
        crosses::<Pool>();
        crosses::<JoinHandle<u64>>();
        crosses::<parallel::Failure>();
        crosses::<Queue<String>>();
        crosses::<Sender<String>>();
        crosses::<Receiver<String>>();
        crosses::<Duplex<String, u8>>();
        crosses::<ReentrantMutex<u8>>();
        crosses::<Semaphore>();
        crosses::<Event>();
        crosses::<Condvar>();
        crosses::<Barrier>();
        crosses::<parallel::PoolStats>();
        crosses::<Frozen<f64>>();
        of::<u64>();
    }
    let pool = Pool::with_workers(1).unwrap();
    let total = Value::new(0_u64).unwrap();
    let caught = catch_unwind(|| {
        total.set(cube.on(&pool).submit(3).join().unwrap()).unwrap();
        panic!("meant");
    });
    assert!(caught.is_err());
    assert_eq!(total.get().unwrap(), 27);
}
