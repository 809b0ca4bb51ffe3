//! The state of a slot: where the parcel in it is.
//!
//! ```text
//!        fill             take               end           release
//! EMPTY ------> FILLED ---------> RUNNING --------> DONE ----------> EMPTY
//!                  |                  the parent fills, revokes and releases;
//!                  | revoke     take  the worker takes and ends
//!                  +------> REVOKED ----> EMPTY
//! ```
//!
//! Taking a parcel up and taking it back are decided by one compare-and-swap of the same word: one of them wins.

use super::platform::{AtomicU32, Ordering};

const EMPTY: u32 = 0;
const FILLED: u32 = 1;
const RUNNING: u32 = 2;
const DONE: u32 = 3;
const REVOKED: u32 = 4;

/// Where a slot's parcel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Filled,
    Running,
    Done,
    /// Taken back by the parent, and not passed by.
    Revoked,
    /// A task has overwritten the word.
    Spoilt,
}

/// What a worker finds in the slot that is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A parcel, which is taken up now.
    Parcel,
    /// A parcel that the parent has taken back: the worker passes it by.
    Revoked,
    Nothing,
    Spoilt,
}

/// The word.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct SlotWord(AtomicU32);

impl SlotWord {
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(EMPTY))
    }

    pub(crate) fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            EMPTY => State::Empty,
            FILLED => State::Filled,
            RUNNING => State::Running,
            DONE => State::Done,
            REVOKED => State::Revoked,
            _ => State::Spoilt,
        }
    }

    /// The parent has put a parcel into the slot, which was empty.
    pub(crate) fn fill(&self) {
        self.0.store(FILLED, Ordering::Release);
    }

    /// The parent takes the parcel back; false where the worker has taken it up.
    pub(crate) fn revoke(&self) -> bool {
        self.0.compare_exchange(FILLED, REVOKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The worker takes up what is there.
    pub(crate) fn take(&self) -> Found {
        match self.0.compare_exchange(FILLED, RUNNING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Found::Parcel,
            Err(REVOKED) => Found::Revoked,
            Err(EMPTY | DONE) => Found::Nothing,
            Err(_) => Found::Spoilt,
        }
    }

    /// The worker passes by what was revoked: the parent may fill the slot.
    pub(crate) fn pass(&self) {
        self.0.store(EMPTY, Ordering::Release);
    }

    /// The worker has ended the parcel, whose reply is written.
    pub(crate) fn end(&self) {
        self.0.store(DONE, Ordering::Release);
    }

    /// The parent has read the reply.
    pub(crate) fn release(&self) {
        self.0.store(EMPTY, Ordering::Release);
    }
}
