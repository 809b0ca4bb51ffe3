//! The word of a semaphore.
//!
//! To take and to give back a permit is one compare-and-swap, and a system call only where somebody may be asleep. As in
//! the lock's word, [`WAITERS`] stays set until a release finds nobody asleep, so that a waiter that was woken and then
//! timed out or died has taken nothing from the others.
//!
//! Who takes a permit notes its process in a place of a table. One who finds no permit looks there for processes that are
//! gone, and gives their permits back. The note is made after the permit is taken, and removed before it is given back:
//! a process killed in these few instructions takes its permit along. The other order could make two permits of one,
//! which is worse. When the table is full, permits are taken without a note.

use super::platform::{
    self, AtomicU32, AtomicU64, Beginning, Deadline, HOLDERS, Ordering, SLICE, is_gone, own_identity,
};

/// Somebody may be asleep.
const WAITERS: u32 = 1 << 31;
/// The most permits there can be at a time.
pub(crate) const MOST: u32 = WAITERS - 1;

/// How many permits are free, whether somebody waits, and who has the others.
///
/// | word | bits | |
/// |---|---|---|
/// | `word` | 31 | WAITERS |
/// | `word` | 0 to 30 | free permits |
/// | `holders` | | the identity of a process that has a permit, or 0; one that has several is there several times |
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SemaphoreWords {
    word: AtomicU32,
    holders: [AtomicU64; HOLDERS],
}

/// A permit that was taken: its place in the table, or [`HOLDERS`].
#[derive(Debug)]
pub(crate) struct Held(usize);

/// More permits than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl SemaphoreWords {
    /// A semaphore without permits; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; semaphores of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), holders: [(); HOLDERS].map(|()| AtomicU64::new(0)) }
    }

    /// Takes a permit if one is free, or was that of a process which is gone. Never more than `bound` are free.
    pub(crate) fn try_acquire(&self, bound: u32) -> Option<Held> {
        self.acquire_free().or_else(|| if self.take_back(bound) { self.acquire_free() } else { None })
    }

    /// Takes a permit if one is free.
    pub(crate) fn acquire_free(&self) -> Option<Held> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & MOST > 0 {
            match self.word.compare_exchange(word, word - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(self.note()),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Waits for a permit until the deadline; takes a free one however late it is.
    pub(crate) fn acquire_until(&self, deadline: Deadline, bound: u32) -> Option<Held> {
        let mut slept = false;
        let mut looked = None;
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & MOST > 0 {
                // Who slept may not have been the only one.
                let taken = (word - 1) | if slept { WAITERS } else { 0 };
                if self.word.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return Some(self.note());
                }
                continue;
            }
            // Also for one that gives up, having been woken in vain: the next release wakes another.
            if word != WAITERS
                && self.word.compare_exchange(word, WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            let late = deadline.has_passed();
            if (looked.get_or_insert_with(Beginning::now).slice_has_passed() || late) && self.take_back(bound) {
                continue;
            }
            if late {
                return None;
            }
            platform::sleep(&self.word, WAITERS, deadline.within(SLICE));
            slept = true;
        }
    }

    /// Notes that this process has a permit.
    fn note(&self) -> Held {
        let me = own_identity();
        let place = self.holders.iter().position(|holder| {
            holder.load(Ordering::Relaxed) == 0
                && holder.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        });
        Held(place.unwrap_or(HOLDERS))
    }

    /// Removes the note of a permit; `false` where it is not this process's own, as in one that was forked meanwhile.
    pub(crate) fn forget(&self, held: &Held) -> bool {
        self.holders.get(held.0).is_none_or(|holder| {
            holder.compare_exchange(own_identity(), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        })
    }

    /// Gives a permit back. Adds none where somebody released in its place meanwhile, so that `bound` are free.
    pub(crate) fn give_back(&self, held: &Held, bound: u32) {
        if self.forget(held) {
            let _ = self.release(1, bound);
        }
    }

    /// Gives the permits of processes that are gone back; returns whether there were any.
    #[cold]
    fn take_back(&self, bound: u32) -> bool {
        let mut any = false;
        for holder in &self.holders {
            let identity = holder.load(Ordering::Relaxed);
            if identity != 0
                && is_gone(identity)
                && holder.compare_exchange(identity, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                any |= self.release(1, bound).is_ok();
            }
        }
        any
    }

    /// Adds `count` permits.
    ///
    /// # Errors
    ///
    /// When there would be more than `bound` free ones; then none is added.
    pub(crate) fn release(&self, count: u32, bound: u32) -> Result<(), TooMany> {
        let mut word = self.word.load(Ordering::Relaxed);
        let after = loop {
            let free = (word & MOST).checked_add(count).filter(|free| *free <= bound.min(MOST)).ok_or(TooMany)?;
            let after = word & WAITERS | free;
            // Acquire too: what one releaser did is seen by who takes the permit of the next.
            match self.word.compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break after,
                Err(now) => word = now,
            }
        };
        if after & WAITERS != 0 && platform::wake(&self.word, count) == 0 {
            // Nobody was asleep: later releases need not look. Fails if a permit was taken or added meanwhile; then it is
            // looked at again.
            let _ = self.word.compare_exchange(after, after & MOST, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(())
    }
}
