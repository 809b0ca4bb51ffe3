//! The words of a semaphore.
//!
//! To take and to give back a permit is one compare-and-swap, and a system call only where somebody may be asleep. As in
//! the lock's word, [`WAITERS`] stays set until a release finds nobody asleep, so that a waiter that was woken and then
//! timed out or died has taken nothing from the others.
//!
//! A process that takes a permit says so in a note, which counts how many it has. A process that finds no permit looks
//! there for processes that are gone, and gives their permits back. The count is raised after a permit is taken, and
//! lowered before it is given back: a process killed in these few instructions takes its permit along. The other order
//! could make two permits of one, which is worse. A permit for which there is no note left goes back at once.

use super::platform::{
    self, AtomicU32, AtomicU64, Beginning, Deadline, Ordering, PID_BITS, SLICE, is_gone, own_identity,
};

/// Somebody may be asleep.
const WAITERS: u32 = 1 << 31;
/// The most permits there can be at a time.
pub(crate) const MOST: u32 = WAITERS - 1;

/// The bits of a note that count. Those of an identity that lie between the process's number and its start are 0.
const COUNT: u64 = u32::MAX as u64 & !(ONE - 1);
/// One permit more in a note.
const ONE: u64 = 1 << PID_BITS;

/// How many permits are free, and whether somebody waits. Memory of zeros is a semaphore without permits.
///
/// | word | bits | |
/// |---|---|---|
/// | `word` | 31 | WAITERS |
/// | `word` | 0 to 30 | free permits |
/// | `used` | | so many notes may be in use; those behind them were never touched |
///
/// Beside them is a table of notes, at first of zeros:
///
/// | bits of a note | |
/// |---|---|
/// | 0 to 21, 32 to 63 | the identity of a process that has permits |
/// | 22 to 31 | how many, at least 1; a process with more has another note |
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SemaphoreWords {
    word: AtomicU32,
    used: AtomicU32,
}

/// A semaphore with its table of notes, of whose permits never more than `bound` are free.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permits<'a> {
    pub(crate) words: &'a SemaphoreWords,
    pub(crate) notes: &'a [AtomicU64],
    pub(crate) bound: u32,
}

/// A permit that was taken: the place of its note.
#[derive(Debug)]
pub(crate) struct Held(usize);

/// More permits than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A permit was free, and no note: as many other processes have permits as there are notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoNote;

impl SemaphoreWords {
    /// A semaphore without permits.
    #[allow(dead_code, reason = "for the models; semaphores of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), used: AtomicU32::new(0) }
    }
}

impl Permits<'_> {
    /// Takes a permit if one is free, or was that of a process which is gone.
    pub(crate) fn try_acquire(self) -> Result<Option<Held>, NoNote> {
        match self.acquire_free()? {
            None if self.take_back() => self.acquire_free(),
            taken => Ok(taken),
        }
    }

    /// Takes a permit if one is free.
    pub(crate) fn acquire_free(self) -> Result<Option<Held>, NoNote> {
        let mut word = self.words.word.load(Ordering::Relaxed);
        while word & MOST > 0 {
            match self.words.word.compare_exchange(word, word - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return self.note().map(Some),
                Err(now) => word = now,
            }
        }
        Ok(None)
    }

    /// Waits for a permit until the deadline; takes a free one however late it is.
    pub(crate) fn acquire_until(self, deadline: Deadline) -> Result<Option<Held>, NoNote> {
        let free = &self.words.word;
        let mut slept = false;
        let mut looked = None;
        loop {
            let word = free.load(Ordering::Relaxed);
            if word & MOST > 0 {
                // Who slept may not have been the only one.
                let taken = (word - 1) | if slept { WAITERS } else { 0 };
                if free.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return self.note().map(Some);
                }
                continue;
            }
            // Also for one that gives up, having been woken in vain: the next release wakes another.
            if word != WAITERS && free.compare_exchange(word, WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                continue;
            }
            let late = deadline.has_passed();
            if (looked.get_or_insert_with(Beginning::now).slice_has_passed() || late) && self.take_back() {
                continue;
            }
            if late {
                return Ok(None);
            }
            platform::sleep(free, WAITERS, deadline.within(SLICE));
            slept = true;
        }
    }

    /// Notes that this process has taken a permit; gives it back where that cannot be noted.
    fn note(self) -> Result<Held, NoNote> {
        // Processes that are gone have notes, too.
        let place = self.find_note().or_else(|| if self.take_back() { self.find_note() } else { None });
        place.map(Held).ok_or_else(|| {
            let _ = self.release(1);
            NoNote
        })
    }

    fn find_note(self) -> Option<usize> {
        let me = own_identity();
        (0..self.notes.len()).find(|at| self.counts_in(*at, me))
    }

    /// Counts a permit of process `me` in the note at this place; false when it is another's, or full.
    fn counts_in(self, at: usize, me: u64) -> bool {
        let note = &self.notes[at];
        let mut now = note.load(Ordering::Relaxed);
        loop {
            let after = match now {
                0 => {
                    self.uses(at);
                    me | ONE
                }
                _ if now & !COUNT == me && now & COUNT < COUNT => now + ONE,
                _ => return false,
            };
            match note.compare_exchange(now, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    /// Says that the note at this place may be in use, before it is: one that nobody looks at would keep its permits.
    fn uses(self, at: usize) {
        let used = u32::try_from(at + 1).unwrap_or(u32::MAX);
        if self.words.used.load(Ordering::Relaxed) < used {
            self.words.used.fetch_max(used, Ordering::Relaxed);
        }
    }

    /// Removes a permit from its note; `false` where that is not this process's own, as in one that was forked meanwhile.
    pub(crate) fn forget(self, held: &Held) -> bool {
        let (note, me) = (&self.notes[held.0], own_identity());
        let mut now = note.load(Ordering::Relaxed);
        while now & !COUNT == me && now & COUNT > 0 {
            let after = if now & COUNT == ONE { 0 } else { now - ONE };
            match note.compare_exchange(now, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Gives a permit back. Adds none where somebody released in its place meanwhile, so that `bound` are free.
    pub(crate) fn give_back(self, held: &Held) {
        if self.forget(held) {
            let _ = self.release(1);
        }
    }

    /// Gives the permits of processes that are gone back; returns whether there were any.
    #[cold]
    fn take_back(self) -> bool {
        let used = self.words.used.load(Ordering::Relaxed) as usize;
        let mut any = false;
        // A note that was never touched has no memory yet.
        for note in self.notes.iter().take(used) {
            let now = note.load(Ordering::Relaxed);
            if now != 0
                && is_gone(now & !COUNT)
                && note.compare_exchange(now, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                let count = (now & COUNT) >> PID_BITS;
                // As many as the bound allows.
                any |= (1..=count as u32).rev().any(|count| self.release(count).is_ok());
            }
        }
        any
    }

    /// Adds `count` permits.
    ///
    /// # Errors
    ///
    /// When there would be more than `bound` free ones; then none is added.
    pub(crate) fn release(self, count: u32) -> Result<(), TooMany> {
        let free = &self.words.word;
        let mut word = free.load(Ordering::Relaxed);
        let after = loop {
            let more = (word & MOST).checked_add(count).filter(|more| *more <= self.bound.min(MOST)).ok_or(TooMany)?;
            let after = word & WAITERS | more;
            // Acquire too: what one releaser did is seen by who takes the permit of the next.
            match free.compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break after,
                Err(now) => word = now,
            }
        };
        if after & WAITERS != 0 && platform::wake(free, count) == 0 {
            // Nobody was asleep: later releases need not look. Fails if a permit was taken or added meanwhile; then it is
            // looked at again.
            let _ = free.compare_exchange(after, after & MOST, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(())
    }
}
