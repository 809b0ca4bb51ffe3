//! What tells submitted calls apart, where they wait, and what is held against one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
pub(crate) struct Place(u32);

impl Place {
    pub(crate) const NOWHERE: Self = Self(u32::MAX);

    /// # Panics
    ///
    /// When that many places do not fit 32 bits.
    pub(crate) fn new(index: usize) -> Self {
        Self(
            u32::try_from(index).ok().filter(|&index| index < u32::MAX).expect("fewer batches wait than 32 bits count"),
        )
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The place where something waits, to be read and changed by several threads.
#[derive(Debug)]
pub(crate) struct SharedPlace(AtomicU32);

impl SharedPlace {
    pub(crate) const fn nowhere() -> Self {
        Self(AtomicU32::new(Place::NOWHERE.0))
    }

    pub(crate) fn set(&self, place: Place) {
        self.0.store(place.0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Place> {
        Some(Place(self.0.load(Ordering::Relaxed))).filter(|&place| place != Place::NOWHERE)
    }
}
