//! The words of locks and their kin: how processes that may die at any instruction take turns.
//!
//! A word may hold anything, because another process can write it: rubbish makes a lock useless, and breaks nothing
//! else. Nothing here knows what the words guard, or where they are. Limits: the processes are on one machine and see
//! each other's numbers (one pid namespace); a process that replaces itself by `exec` while it holds something still
//! holds it.

pub(crate) mod barrier;
pub(crate) mod condvar;
pub(crate) mod event;
pub(crate) mod lock;
pub(crate) mod platform;
pub(crate) mod reentrant;
pub(crate) mod semaphore;
