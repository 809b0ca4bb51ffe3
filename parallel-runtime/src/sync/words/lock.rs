//! The word of a lock.
//!
//! Without waiters, locking and unlocking are one compare-and-swap each. A waiter sleeps in slices; after each slice it
//! checks whether the holder lives. The three-state mutex of Drepper's "Futexes Are Tricky" is the starting point; what
//! differs:
//!
//! - [`WAITERS`] stays set until an unlock finds no sleeper. So a waiter that was woken and then timed out or died costs
//!   the other waiters no wake-up: the next unlock wakes again.
//! - A waiter that has waited long fills the counter [`HANDOFFS`]. While the counter is above 0, a free lock is reserved
//!   for waiters that have slept; the kernel chooses which wakes (futex(2) promises no order). Each waiter that takes the
//!   lock lowers the counter, and a waiter that filled it clears it, so requests of dead waiters do not last. A newcomer
//!   that finds the lock reserved sleeps for [`HANDOFF_WAIT`](platform::HANDOFF_WAIT) and then counts as having slept, in
//!   case all others are dead. `try_lock`, and waiters past their deadline, ignore the reservation.
//! - The word itself names the holder, by number and start. So there is no moment at which the lock is held and the
//!   holder unknown.

use super::platform::{
    self, AtomicU64, Beginning, Ordering, PID_BITS, SLICE, SPINS, WaitDeadline, is_gone, own_identity, spin_loop,
};

/// The holder's number, or 0: free.
const HOLDER: u64 = (1 << PID_BITS) - 1;
/// How many more times the lock is reserved for waiters that have slept.
const HANDOFFS: u64 = 0xff << PID_BITS;
/// One hand-off, in [`HANDOFFS`].
const ONE_HANDOFF: u64 = 1 << PID_BITS;
/// A holder died or panicked, and `recover` was not called since.
const DIED: u64 = 1 << 30;
/// Waiters may be asleep.
const WAITERS: u64 = 1 << 31;
/// The lowest bit of the holder's start, or of the dead holder's number.
const UPPER: u32 = 32;

/// The holder of a lock, and whether it has waiters.
///
/// ```text
///  63            32     31      30   29      22 21      0
/// | start, or dead  | WAITERS | DIED | HANDOFFS | HOLDER |
/// ```
///
/// | HOLDER | DIED | upper half | the lock is | next |
/// |---|---|---|---|---|
/// | 0 | 0 | 0 | free | held by the process that swaps its identity in |
/// | pid | 0 | its start | held | freed by its holder; or the holder dies, and a waiter sets DIED |
/// | 0 | 1 | pid of the dead | refused | freed by `recover`; held by `lock_anyway` |
/// | pid | 1 | its start | held by `lock_anyway` | refused again; free if `recover` came meanwhile |
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct LockWord(AtomicU64);

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    /// The process of this number died or panicked while it held the lock.
    OwnerDied(u32),
    /// The deadline has passed.
    TimedOut,
}

/// The state in which a holder leaves the data when it frees the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    Whole,
    /// Perhaps half written: this process panicked.
    Panicked,
    /// Perhaps half written by the process of this number, before this holder took the lock.
    BrokenBefore(u32),
}

/// What a waiter does with a lock whose holder died.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeadHolder {
    Refuse,
    Ignore,
}

/// How far a waiter for the lock has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiter {
    New,
    /// A reserved lock may go to this waiter.
    Slept,
    /// This waiter has slept, and filled [`HANDOFFS`].
    Asked,
}

fn is_free(word: u64) -> bool {
    word & HOLDER == 0
}

/// The identity of the holder; 0: the lock is free.
fn holder(word: u64) -> u64 {
    word & (u64::from(u32::MAX) << UPPER | HOLDER)
}

/// The word of a lock whose holder died.
fn refused(flags: u64, pid: u32) -> u64 {
    flags & (WAITERS | HANDOFFS) | DIED | u64::from(pid) << UPPER
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

    #[inline]
    pub(crate) fn lock(&self) -> Result<(), LockError> {
        if self.lock_at_once() { Ok(()) } else { self.lock_slow(WaitDeadline::NEVER, DeadHolder::Refuse).map(drop) }
    }

    /// Takes the lock if it is free and has no waiters: the fast path of the other methods.
    #[inline]
    pub(crate) fn lock_at_once(&self) -> bool {
        self.0.compare_exchange(0, own_identity(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Waits for the lock until the deadline. After the deadline too, a free lock is taken, and a dead holder is reported
    /// rather than the timeout.
    pub(crate) fn lock_until(&self, deadline: WaitDeadline) -> Result<(), LockError> {
        self.lock_slow(deadline, DeadHolder::Refuse).map(drop)
    }

    /// Takes the lock if it is free; `false`: a live process holds it.
    pub(crate) fn try_lock(&self) -> Result<bool, LockError> {
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
                return Err(LockError::OwnerDied(dead(word)));
            } else {
                // Also a reserved lock: a caller in a loop may never see it free and unreserved.
                let taken = word & (WAITERS | HANDOFFS) | me;
                match self.0.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return Ok(true),
                    Err(now) => word = now,
                }
            }
        }
    }

    /// Waits for the lock, also where a holder died. Returns what to pass to `unlock`.
    pub(crate) fn lock_anyway(&self) -> Consistency {
        if self.lock_at_once() {
            return Consistency::Whole;
        }
        match self.lock_slow(WaitDeadline::NEVER, DeadHolder::Ignore) {
            Ok(Some(dead)) => Consistency::BrokenBefore(dead),
            _ => Consistency::Whole,
        }
    }

    pub(crate) fn is_held_here(&self) -> bool {
        holder(self.0.load(Ordering::Relaxed)) == own_identity()
    }

    /// Frees the lock. Does nothing if this process does not hold it, as when another wrote over the word.
    #[inline]
    pub(crate) fn unlock(&self, left: Consistency) {
        let me = own_identity();
        if left == Consistency::Whole && self.0.compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
        self.unlock_slow(me, left);
    }

    /// Makes a lock whose holder died usable again. Does nothing to any other lock.
    pub(crate) fn recover(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let whole = if is_free(word) {
                if word & DIED == 0 {
                    return;
                }
                word & (WAITERS | HANDOFFS)
            } else if word & DIED != 0 && !is_gone(holder(word)) {
                // Held by `lock_anyway`, and freed by that holder.
                word & !DIED
            } else if is_gone(holder(word)) {
                word & (WAITERS | HANDOFFS)
            } else {
                return;
            };
            // Acquire and release: the next holder sees what was written before `recover`.
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

    /// Waits for the lock. Returns the number of the dead holder if the lock was taken with [`DIED`] set.
    #[cold]
    fn lock_slow(&self, deadline: WaitDeadline, died: DeadHolder) -> Result<Option<u32>, LockError> {
        let me = own_identity();
        let mut spins = SPINS;
        let mut waiter = Waiter::New;
        let mut began = None;
        let mut looked = None;
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if is_free(word) {
                let to_blame = (word & DIED != 0).then(|| dead(word));
                if let (Some(pid), DeadHolder::Refuse) = (to_blame, died) {
                    return Err(LockError::OwnerDied(pid));
                }
                if word & HANDOFFS == 0 || waiter != Waiter::New || deadline.has_passed() {
                    let mut flags = word & (WAITERS | DIED | HANDOFFS);
                    if waiter != Waiter::New {
                        // Other waiters may still be asleep.
                        flags |= WAITERS;
                    }
                    if waiter == Waiter::Asked {
                        flags &= !HANDOFFS;
                    } else if flags & HANDOFFS != 0 {
                        flags -= ONE_HANDOFF;
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

            // Held, or reserved for waiters that have slept.
            let began = *began.get_or_insert_with(Beginning::now);
            let looked = looked.get_or_insert(began);
            let mut waited_for = word | WAITERS;
            if waiter != Waiter::New && !is_free(word) && began.is_long_ago() {
                waited_for |= HANDOFFS;
                waiter = Waiter::Asked;
            }
            if waited_for != word
                && self.0.compare_exchange(word, waited_for, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            // `WAITERS` is set from here on. If this waiter was woken and now gives up, the next unlock wakes another.
            if !is_free(word) && (looked.slice_has_passed() || deadline.has_passed()) && is_gone(holder(word)) {
                self.mark_died(waited_for);
                continue;
            }
            if deadline.has_passed() {
                // Free but reserved: after the deadline, the next round takes it.
                if is_free(word) {
                    continue;
                }
                return Err(LockError::TimedOut);
            }
            let slice = if is_free(word) { platform::HANDOFF_WAIT } else { SLICE };
            platform::sleep_low_half(&self.0, waited_for as u32, deadline.within(slice));
            if waiter == Waiter::New {
                waiter = Waiter::Slept;
            }
        }
    }

    /// Marks the holder in `word` as dead, unless the word has changed, and wakes all waiters.
    fn mark_died(&self, word: u64) {
        let pid = (word & HOLDER) as u32;
        let died = refused(0, pid);
        // Acquire: `lock_anyway` sees what the dead holder wrote.
        if self.0.compare_exchange(word, died, Ordering::AcqRel, Ordering::Relaxed).is_ok() && word & WAITERS != 0 {
            platform::wake_low_half(&self.0, u32::MAX);
        }
    }

    #[cold]
    fn unlock_slow(&self, me: u64, left: Consistency) {
        let mut word = self.0.load(Ordering::Relaxed);
        let free = loop {
            if holder(word) != me {
                return;
            }
            let free = match left {
                Consistency::Panicked => refused(0, me as u32 & HOLDER as u32),
                // Without `DIED`, `recover` was called meanwhile.
                Consistency::BrokenBefore(pid) if word & DIED != 0 => refused(word, pid),
                _ => word & (WAITERS | HANDOFFS),
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
            // No sleeper: later unlocks need no system call. Fails if the lock was taken meanwhile; its unlock then tries.
            let quiet = self.0.compare_exchange(free, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if quiet && free & HANDOFFS != 0 {
                // A newcomer may have gone to sleep on the reservation since.
                platform::wake_low_half(&self.0, u32::MAX);
            }
        }
    }
}
