//! In a worker: the way in before `main`, the loop over what its parent asks for, and the way out.

pub(crate) mod entry;
mod mailbox;
mod outlet;
mod parcel;
mod serve;

use std::sync::atomic::{AtomicU32, Ordering};

/// The number of this process, a worker.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Whether this process is no worker but a fork that a task has made, in which the task returned. It has a copy of the channel,
/// and must not send on it: it ends as programs do.
pub(super) fn is_forked_by_task() -> bool {
    PROCESS.load(Ordering::Relaxed) != std::process::id()
}
