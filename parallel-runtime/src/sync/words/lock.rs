//! The word of a lock.
//!
//! To take and to leave a lock for which nobody waits is one compare-and-swap each. Whoever waits sleeps in slices; after
//! each it looks whether the holder lives. The three-state mutex of Drepper's "Futexes Are Tricky" is the starting
//! point; what differs:
//!
//! - [`WAITERS`] stays set until an unlock finds nobody asleep. So a waiter that was woken and then timed out or died has
//!   taken nothing from the others: the next unlock wakes again.
//! - A waiter that has waited long asks: it fills the counter [`ASKED`]. While that is above 0 a free lock goes only to
//!   those who slept for it, in the order in which the kernel wakes them, which is that of their coming. Each who takes it
//!   counts down, and one who had asked itself empties it; so one that died after it asked cannot slow the others for
//!   long. Who comes new and finds a free lock that is promised sleeps for [`PROMISE`](platform::PROMISE), and then
//!   counts as one who slept: so the promise falls back when those it was made to are gone.
//! - The holder is named in the word itself, number and start, so there is no moment at which a lock is held by nobody
//!   known.

use super::platform::{
    self, AtomicU64, Beginning, Deadline, Ordering, PID_BITS, SLICE, SPINS, is_gone, own_identity, spin_loop,
};

/// The holder's number, or 0: free.
const HOLDER: u64 = (1 << PID_BITS) - 1;
/// How many more times the lock goes to those who slept for it.
const ASKED: u64 = 0xff << PID_BITS;
/// One of [`ASKED`].
const ASKED_ONE: u64 = 1 << PID_BITS;
/// A holder died, or panicked, and nobody has called `recover`.
const DIED: u64 = 1 << 30;
/// Somebody may be asleep.
const WAITERS: u64 = 1 << 31;
/// Where the start of the holder begins, or the number of the process that died.
const UPPER: u32 = 32;

/// Who holds a lock, and who waits for it.
///
/// ```text
///  63            32  31     30    29    22 21       0
/// | start | or dead | WAITERS | DIED | ASKED | HOLDER |
/// ```
///
/// | HOLDER | DIED | upper half | the lock is | next |
/// |---|---|---|---|---|
/// | 0 | 0 | 0 | free | whoever swaps its identity in holds it |
/// | pid | 0 | its start | held | its holder frees it; or it is gone, and who waits sets DIED |
/// | 0 | 1 | pid of the dead | refused | `recover` frees it; `lock_anyway` holds it |
/// | pid | 1 | its start | held by one who looks anyway | back to refused, or free if `recover` came meanwhile |
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct LockWord(AtomicU64);

/// Why there is no lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The process of this number died or panicked while it held the lock.
    OwnerDied(u32),
    /// The deadline has passed.
    TimedOut,
}

/// What a holder has to know when it frees the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The data are whole.
    Whole,
    /// They may not be: this process is to blame.
    Panicked,
    /// They may not have been when the lock was taken: this process is to blame.
    AsBefore(u32),
}

/// Whether a lock whose holder died is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Died {
    Refuse,
    Ignore,
}

fn is_free(word: u64) -> bool {
    word & HOLDER == 0
}

/// Who holds the lock.
fn holder(word: u64) -> u64 {
    word & (u64::from(u32::MAX) << UPPER | HOLDER)
}

/// The word of a lock whose holder died.
fn refused(flags: u64, pid: u32) -> u64 {
    flags & (WAITERS | ASKED) | DIED | u64::from(pid) << UPPER
}

fn dead(word: u64) -> u32 {
    (word >> UPPER) as u32
}

impl LockWord {
    /// A free lock; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; locks of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock(&self) -> Result<(), Refused> {
        if self.lock_at_once() { Ok(()) } else { self.lock_slow(Deadline::NEVER, Died::Refuse).map(drop) }
    }

    /// Takes the lock if nobody has it or wants it: the short way that all others begin with.
    #[inline]
    pub(crate) fn lock_at_once(&self) -> bool {
        self.0.compare_exchange(0, own_identity(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Waits for the lock until the deadline. Takes what is free, however late it is, and says who died in place of that
    /// it is late.
    pub(crate) fn lock_until(&self, deadline: Deadline) -> Result<(), Refused> {
        self.lock_slow(deadline, Died::Refuse).map(drop)
    }

    /// Takes the lock if it is free; `false`: it is not.
    pub(crate) fn try_lock(&self) -> Result<bool, Refused> {
        let me = own_identity();
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if !is_free(word) {
                let owner = holder(word);
                if !is_gone(owner) {
                    return Ok(false);
                }
                self.mark_died(word);
                word = self.0.load(Ordering::Relaxed);
            } else if word & DIED != 0 {
                return Err(Refused::OwnerDied(dead(word)));
            } else {
                // Promised or not: one that tries again and again may find the lock free only in such moments.
                let taken = word & (WAITERS | ASKED) | me;
                match self.0.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return Ok(true),
                    Err(now) => word = now,
                }
            }
        }
    }

    /// Waits for the lock, also where a holder died. Returns what to free it with.
    pub(crate) fn lock_anyway(&self) -> Left {
        if self.lock_at_once() {
            return Left::Whole;
        }
        match self.lock_slow(Deadline::NEVER, Died::Ignore) {
            Ok(Some(dead)) => Left::AsBefore(dead),
            _ => Left::Whole,
        }
    }

    /// Whether this process holds it.
    pub(crate) fn is_held_here(&self) -> bool {
        holder(self.0.load(Ordering::Relaxed)) == own_identity()
    }

    /// Frees the lock. Does nothing if this process does not hold it (somebody scribbled).
    #[inline]
    pub(crate) fn unlock(&self, left: Left) {
        let me = own_identity();
        if left == Left::Whole && self.0.compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
        self.unlock_slow(me, left);
    }

    /// Makes a lock whole whose holder died. Does nothing to any other.
    pub(crate) fn recover(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let whole = if is_free(word) {
                if word & DIED == 0 {
                    return;
                }
                word & (WAITERS | ASKED)
            } else if word & DIED != 0 && !is_gone(holder(word)) {
                // Its holder only looks, and frees it afterwards.
                word & !DIED
            } else if is_gone(holder(word)) {
                word & (WAITERS | ASKED)
            } else {
                return;
            };
            // Acquire and release: what was written before `recover` is seen by who holds it next.
            match self.0.compare_exchange(word, whole, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    if whole & WAITERS != 0 && is_free(whole) {
                        platform::wake_low_half(&self.0, 1);
                    }
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Returns the process to blame, where the lock was refused to others and is now held all the same.
    #[cold]
    fn lock_slow(&self, deadline: Deadline, died: Died) -> Result<Option<u32>, Refused> {
        let me = own_identity();
        let mut spins = SPINS;
        let mut slept = false;
        let mut asked = false;
        let mut began = None;
        let mut looked = None;
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if is_free(word) {
                let to_blame = (word & DIED != 0).then(|| dead(word));
                if let (Some(pid), Died::Refuse) = (to_blame, died) {
                    return Err(Refused::OwnerDied(pid));
                }
                if word & ASKED == 0 || slept || deadline.has_passed() {
                    let mut flags = word & (WAITERS | DIED | ASKED);
                    if slept {
                        // Others may sleep still.
                        flags |= WAITERS;
                    }
                    if asked {
                        flags &= !ASKED;
                    } else if flags & ASKED != 0 {
                        flags -= ASKED_ONE;
                    }
                    if self.0.compare_exchange(word, me | flags, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return Ok(to_blame);
                    }
                    continue;
                }
            } else if spins > 0 && word & WAITERS == 0 {
                spins -= 1;
                spin_loop();
                continue;
            }

            // It is held, or promised to others: sleep.
            let began = *began.get_or_insert_with(Beginning::now);
            let looked = looked.get_or_insert(began);
            let mut waited_for = word | WAITERS;
            if slept && !is_free(word) && began.is_long_ago() {
                waited_for |= ASKED;
                asked = true;
            }
            if waited_for != word
                && self.0.compare_exchange(word, waited_for, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            // From here on `WAITERS` is set: should this waiter give up, having been woken in vain, the next unlock wakes
            // another.
            if !is_free(word) && (looked.slice_has_passed() || deadline.has_passed()) && is_gone(holder(word)) {
                self.mark_died(waited_for);
                continue;
            }
            if deadline.has_passed() {
                // Free and promised: the turn above takes it.
                if is_free(word) {
                    continue;
                }
                return Err(Refused::TimedOut);
            }
            let slice = if is_free(word) { platform::PROMISE } else { SLICE };
            platform::sleep_low_half(&self.0, waited_for as u32, deadline.within(slice));
            slept = true;
        }
    }

    /// Says that the holder in `word` is gone, if the word is still that, and tells all who wait.
    fn mark_died(&self, word: u64) {
        let pid = (word & HOLDER) as u32;
        let died = refused(0, pid);
        // Acquire: what the dead one wrote is what `lock_anyway` sees.
        if self.0.compare_exchange(word, died, Ordering::AcqRel, Ordering::Relaxed).is_ok() && word & WAITERS != 0 {
            platform::wake_low_half(&self.0, u32::MAX);
        }
    }

    #[cold]
    fn unlock_slow(&self, me: u64, left: Left) {
        let mut word = self.0.load(Ordering::Relaxed);
        let free = loop {
            if holder(word) != me {
                return;
            }
            let free = match left {
                Left::Panicked => refused(0, me as u32 & HOLDER as u32),
                // Unless somebody called `recover` meanwhile.
                Left::AsBefore(pid) if word & DIED != 0 => refused(word, pid),
                _ => word & (WAITERS | ASKED),
            };
            match self.0.compare_exchange(word, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break free,
                Err(now) => word = now,
            }
        };
        if word & WAITERS == 0 {
            return;
        }
        if free & DIED != 0 {
            platform::wake_low_half(&self.0, u32::MAX);
        } else if platform::wake_low_half(&self.0, 1) == 0 {
            // Nobody was asleep: later unlocks need not look. Fails if somebody took the lock meanwhile, who then looks.
            let quiet = self.0.compare_exchange(free, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if quiet && free & ASKED != 0 {
                // One who came new may have slept on the promise since.
                platform::wake_low_half(&self.0, u32::MAX);
            }
        }
    }
}
