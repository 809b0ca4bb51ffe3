//! Processes of the program's by which a thread can tell whether it is confined more than the reactor's: it may not look at them.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::standing::look_at;

/// A process that the reactor's thread has started, until it is reaped: until then its number is not used again.
pub(super) struct Shown(AtomicU32);

/// The worker that was started last.
pub(super) static LATEST: Shown = Shown::nobody();
/// What copies are forked from.
pub(super) static ORIGINAL: Shown = Shown::nobody();

impl Shown {
    const fn nobody() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(super) fn has_started(&self, pid: u32) {
        self.0.store(pid, Ordering::Release);
    }

    /// It has ended, and is about to be reaped.
    pub(super) fn is_to_be_reaped(&self, pid: u32) {
        let _ = self.0.compare_exchange(pid, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whether the calling thread may look at it.
    fn shows_itself(&self) -> bool {
        let pid = self.0.load(Ordering::Acquire);
        pid != 0 && look_at(pid) && self.0.load(Ordering::Acquire) == pid
    }
}

/// Whether the calling thread may look at a process that the reactor's thread has started.
pub(super) fn one_shows_itself() -> bool {
    ORIGINAL.shows_itself() || LATEST.shows_itself()
}
