//! The words of a semaphore.
//!
//! Taking a permit and giving it back change the word by one compare-and-swap each; a system call is made only where a
//! waiter may be asleep. As in the lock's word, [`WAITERS`] stays set until a release finds no sleeper, so that a waiter
//! that was woken and then timed out or died costs the other waiters no wake-up.
//!
//! Each process counts the permits that it has in a note. A process that finds no free permit searches the notes for dead
//! processes, and gives their permits back. The note is raised after the permit is taken, and lowered before the permit
//! is given back: a process killed between the two steps takes its permit along. The other order could make two permits
//! of one, which is worse. A permit for which there is no note goes back at once.

use super::platform::{
    self, AtomicU32, AtomicU64, Beginning, Ordering, PID_BITS, SLICE, WaitDeadline, is_gone, own_identity,
};

/// Waiters may be asleep.
const WAITERS: u32 = 1 << 31;
/// The most permits there can be at a time.
pub(crate) const MOST: u32 = WAITERS - 1;

/// The bits of a note that hold the count: an identity has zeros there, between the process's number and its start.
const COUNT: u64 = u32::MAX as u64 & !(ONE - 1);
/// One permit more in a note.
const ONE: u64 = 1 << PID_BITS;

/// How many permits are free, and whether there are waiters. Memory of zeros is a semaphore without permits.
///
/// | word | bits | |
/// |---|---|---|
/// | `word` | 31 | WAITERS |
/// | `word` | 0 to 30 | free permits |
/// | `used` | | how many notes, from the first on, may be in use; the others were never touched |
///
/// Beside the words stands a table of notes, zeros at first:
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

/// A semaphore with its table of notes. At most `bound` permits are free at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permits<'a> {
    pub(crate) words: &'a SemaphoreWords,
    pub(crate) notes: &'a [AtomicU64],
    pub(crate) bound: u32,
}

/// The index of the note that counts a permit which was taken.
#[derive(Debug)]
pub(crate) struct PermitNote(usize);

/// More permits than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A permit was free and no note: all notes count permits of other processes, or are full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoNote;

impl SemaphoreWords {
    #[allow(dead_code, reason = "for the models; semaphores of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), used: AtomicU32::new(0) }
    }
}

impl Permits<'_> {
    /// Takes a permit if one is free, or belonged to a process that is dead.
    pub(crate) fn try_acquire(self) -> Result<Option<PermitNote>, NoNote> {
        match self.acquire_free()? {
            None if self.reclaim() => self.acquire_free(),
            taken => Ok(taken),
        }
    }

    pub(crate) fn acquire_free(self) -> Result<Option<PermitNote>, NoNote> {
        let mut word = self.words.word.load(Ordering::Relaxed);
        while word & MOST > 0 {
            match self.words.word.compare_exchange(word, word - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return self.write_note().map(Some),
                Err(now) => word = now,
            }
        }
        Ok(None)
    }

    /// Waits for a permit until the deadline; takes a free one however late it is.
    pub(crate) fn acquire_until(self, deadline: WaitDeadline) -> Result<Option<PermitNote>, NoNote> {
        let free = &self.words.word;
        let mut slept = false;
        let mut looked = None;
        loop {
            let word = free.load(Ordering::Relaxed);
            if word & MOST > 0 {
                // Other waiters may still be asleep.
                let taken = (word - 1) | if slept { WAITERS } else { 0 };
                if free.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return self.write_note().map(Some);
                }
                continue;
            }
            // Set also if this waiter was woken and is about to give up: the next release then wakes another.
            if word != WAITERS && free.compare_exchange(word, WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                continue;
            }
            let late = deadline.has_passed();
            if (looked.get_or_insert_with(Beginning::now).slice_has_passed() || late) && self.reclaim() {
                continue;
            }
            if late {
                return Ok(None);
            }
            platform::sleep(free, WAITERS, deadline.within(SLICE));
            slept = true;
        }
    }

    /// Notes that this process has taken a permit; gives the permit back if there is no note for it.
    fn write_note(self) -> Result<PermitNote, NoNote> {
        // Reclaiming clears the notes of dead processes.
        let place = self.find_note().or_else(|| if self.reclaim() { self.find_note() } else { None });
        place.map(PermitNote).ok_or_else(|| {
            let _ = self.release(1);
            NoNote
        })
    }

    fn find_note(self) -> Option<usize> {
        let me = own_identity();
        (0..self.notes.len()).find(|at| self.counts_in(*at, me))
    }

    /// Counts a permit of process `me` in the note at this index; `false`: the note is full or of another process.
    fn counts_in(self, at: usize, me: u64) -> bool {
        let note = &self.notes[at];
        let mut now = note.load(Ordering::Relaxed);
        loop {
            let after = match now {
                0 => {
                    self.mark_used(at);
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

    /// Raises `used` above this index, before the note is written: permits in a note beyond `used` are never reclaimed.
    fn mark_used(self, at: usize) {
        let used = u32::try_from(at + 1).unwrap_or(u32::MAX);
        if self.words.used.load(Ordering::Relaxed) < used {
            self.words.used.fetch_max(used, Ordering::Relaxed);
        }
    }

    /// Removes a permit from its note; `false` if the note is not of this process, as in a child forked meanwhile.
    pub(crate) fn forget(self, held: &PermitNote) -> bool {
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

    /// Gives a permit back. Where another release has filled the semaphore up to `bound` meanwhile, none is added.
    pub(crate) fn give_back(self, held: &PermitNote) {
        if self.forget(held) {
            let _ = self.release(1);
        }
    }

    /// Gives the permits of dead processes back; returns whether any permit was added.
    #[cold]
    fn reclaim(self) -> bool {
        let used = self.words.used.load(Ordering::Relaxed) as usize;
        let mut any = false;
        // Reading a note beyond `used` would give it memory.
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
            // Acquire too: a waiter that takes one releaser's permit also sees what earlier releasers wrote.
            match free.compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break after,
                Err(now) => word = now,
            }
        };
        if after & WAITERS != 0 && platform::wake(free, count) == 0 {
            // No sleeper: later releases need no system call. Fails if the word changed meanwhile; a later release tries
            // again.
            let _ = free.compare_exchange(after, after & MOST, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(())
    }
}
