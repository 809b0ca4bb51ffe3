//! Locks and signals between processes: what [`std::sync`] is to threads.
//!
//! Each is a handle to a few words in anonymous shared memory. Clones are the same lock; hand them to other processes as
//! arguments, results or queue messages of `#[parallel]` calls. The memory goes with the last handle in any process.
//!
//! | here | in Python's `multiprocessing` | |
//! |---|---|---|
//! | [`Mutex`] | `Lock` | guards a value |
//! | [`ReentrantMutex`] | `RLock` | its holder may lock it again |
//! | [`Semaphore`] | `Semaphore`, `BoundedSemaphore` | lets a number of holders in |
//! | [`Event`] | `Event` | set or not |
//! | [`Condvar`] | `Condition` | waits for a change of what a lock guards |
//! | [`Barrier`] | `Barrier` | lets all parties go on together |
//!
//! # When a process dies
//!
//! A lock whose holder died, by whatever signal, exit or panic, gives [`OwnerDied`](crate::ErrorKind::OwnerDied) to
//! every later caller, because what it guards may be half written. Look at the data, mend them, and call `recover`. A
//! process that dies while it waits takes nothing from the others; at a barrier it counts as having come.
//!
//! # Waiting
//!
//! A waiting thread sleeps, and uses no processor time but for a check every 50 ms whether the holder lives. Waits with a
//! timeout take any [`Duration`](std::time::Duration), are never early, and are not cut short by signals.
//!
//! # Limits
//!
//! All processes must see each other under the same numbers, as a program and its workers do. Each object takes one
//! descriptor and at least one page in each process that has a handle to it. A process that replaces itself by `exec` keeps
//! the locks and permits that it holds.

pub(crate) mod guard;
pub(crate) mod object;
pub(crate) mod plain;
pub(crate) mod single;
pub(crate) mod words;

mod barrier;
mod condvar;
mod event;
mod mutex;
mod reentrant;
mod semaphore;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use guard::Guard;
pub use mutex::Mutex;
pub use reentrant::{ReentrantGuard, ReentrantMutex};
pub use semaphore::{Permit, Semaphore};
