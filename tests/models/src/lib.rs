//! The words of locks and their kin, of queues, and of lanes, tried by [loom](https://docs.rs/loom) in the orders in which threads can take turns.
//!
//! The files are the runtime's own; only what they stand on, `platform`, is another. A thread here is a process there.
//! loom fails a model in which all threads sleep, so each model also shows that no wake-up is lost; slices, which heal
//! what a death loses, do not end here unless a model says so.
//!
//! `cargo test --release -p parallel-models` runs them, and takes no features or flags. Turns are tried as far as
//! `PREEMPTIONS` interruptions go; `LOOM_MAX_PREEMPTIONS` sets another number.

#![cfg(test)]
// The models use a part of each file.
#![allow(dead_code, reason = "the runtime uses the rest")]

#[path = "../../../parallel-runtime/src/sync/words/barrier.rs"]
mod barrier;
#[path = "../../../parallel-runtime/src/channel/words/bell.rs"]
mod bell;
#[path = "../../../parallel-runtime/src/sync/words/condvar.rs"]
mod condvar;
#[path = "../../../parallel-runtime/src/lane/words/door.rs"]
mod door;
#[path = "../../../parallel-runtime/src/sync/words/event.rs"]
mod event;
#[path = "../../../parallel-runtime/src/lane/words/limit.rs"]
mod limit;
#[path = "../../../parallel-runtime/src/sync/words/lock.rs"]
mod lock;
#[path = "../../../parallel-runtime/src/channel/words/marks.rs"]
mod marks;
mod platform;
#[path = "../../../parallel-runtime/src/lane/words/bell.rs"]
mod pool_bell;
#[path = "../../../parallel-runtime/src/sync/words/reentrant.rs"]
mod reentrant;
#[path = "../../../parallel-runtime/src/sync/words/semaphore.rs"]
mod semaphore;
#[path = "../../../parallel-runtime/src/channel/words/side_lock.rs"]
mod side_lock;
#[path = "../../../parallel-runtime/src/lane/words/slot.rs"]
mod slot;

mod lanes;
mod models;
mod queues;
mod reentrants;
