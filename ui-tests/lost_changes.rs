use parallel::prelude::*;
use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

type Total = AtomicU64;

#[parallel]
fn lock(total: &Mutex<u64>) {
    *total.lock().unwrap() += 1;
}

#[parallel]
fn alias(total: &Total) {
    let _ = total;
}

#[parallel]
fn cell(total: &RefCell<u64>) {
    *total.borrow_mut() += 1;
}

#[parallel]
fn boxed(total: Box<Cell<u64>>) {
    total.set(1);
}

#[parallel]
fn shared(pair: (u8, Arc<RwLock<u64>>)) {
    *pair.1.write().unwrap() += 1;
}

fn main() {}
