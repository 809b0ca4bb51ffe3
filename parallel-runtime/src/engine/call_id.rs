//! What tells submitted calls apart, where they wait, and what is held against one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tells a submitted call from all others of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

impl CallId {
    /// An id that no other call of this process has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is held against the first item of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct History {
    /// How often it was started and its process died.
    pub(crate) attempts: u32,
    /// How often a worker died with the batch before it had started anything of it.
    pub(crate) deaths: u32,
}

/// Where a batch waits in the queue of its engine. A place that is left goes to another batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) usize);
