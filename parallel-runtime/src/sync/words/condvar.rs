//! The words of a condition variable.
//!
//! A notification is a token that a waiter takes only when it holds the lock again. A waiter that dies before that leaves
//! the token to another waiter, which finds it at the end of its slice; a waiter that dies later leaves a lock that names
//! it. A waiter that times out takes a token if there is one, and then counts as notified. A waiter that comes after a
//! notification cannot take its token. The count is that of glibc's condition variable before version 2.25 (commit
//! ed19993b5b0d of glibc replaced it), with two differences: a token is taken after locking, and a waiter that times out
//! leaves the count rather than being notified.
//!
//! A waiter that died stays in the count, so a later notification may make a token too many, and wake one waiter more
//! than it should. Waking for nothing is allowed; losing a notification is not.

use super::lock::{Consistency, LockError, LockWord};
use super::platform::{self, AtomicU32, AtomicU64, Ordering, SLICE, WaitDeadline};

/// One waiter, in the upper half of `state`.
const WAITER: u64 = 1 << 32;

/// How many waiters there are, and how many tokens were made and taken.
///
/// | word | bits | |
/// |---|---|---|
/// | `state` | 32 to 63 | how many waiters were not notified |
/// | `state` | 0 to 31 | how many tokens were ever made; waiters sleep on it |
/// | `taken` | | how many of the tokens were taken; at most as many as were made |
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CondvarWords {
    state: AtomicU64,
    taken: AtomicU32,
}

/// How many tokens had been made when a waiter came.
#[derive(Clone, Copy, Debug)]
struct Ticket(u32);

fn waiting(state: u64) -> u32 {
    (state >> 32) as u32
}

fn made(state: u64) -> u32 {
    state as u32
}

impl CondvarWords {
    /// A condition variable without waiters; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(0), taken: AtomicU32::new(0) }
    }

    /// Frees `lock`, which this thread holds, waits for a notification until the deadline, and takes `lock` again.
    /// Returns whether there was a notification.
    ///
    /// # Errors
    ///
    /// As for [`LockWord::lock`]; `lock` is not held then.
    pub(crate) fn wait_until(&self, lock: &LockWord, deadline: WaitDeadline) -> Result<bool, LockError> {
        // The lock is held: a thread that changes the data later, and notifies, finds this waiter in the count.
        let ticket = Ticket(made(self.state.fetch_add(WAITER, Ordering::Relaxed)));
        loop {
            lock.unlock(Consistency::Whole);
            self.sleep_until(ticket, deadline);
            if let Err(refused) = lock.lock() {
                self.leave();
                return Err(refused);
            }
            if self.take(ticket) {
                return Ok(true);
            }
            if deadline.has_passed() {
                self.leave();
                return Ok(false);
            }
        }
    }

    /// Sleeps until there may be a token for this waiter, or the deadline has passed.
    fn sleep_until(&self, ticket: Ticket, deadline: WaitDeadline) {
        loop {
            let made = made(self.state.load(Ordering::Relaxed));
            if self.is_token_for(ticket, made) || deadline.has_passed() {
                return;
            }
            platform::sleep_low_half(&self.state, made, deadline.within(SLICE));
        }
    }

    fn is_token_for(&self, ticket: Ticket, made: u32) -> bool {
        made != ticket.0 && made != self.taken.load(Ordering::Relaxed)
    }

    /// Takes a token, if there is one for this waiter. The caller holds the lock.
    fn take(&self, ticket: Ticket) -> bool {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let made = made(self.state.load(Ordering::Relaxed));
            if made == ticket.0 || made == taken {
                return false;
            }
            match self.taken.compare_exchange(taken, taken.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => taken = now,
            }
        }
    }

    /// Counts out this waiter, which took no token. If all waiters were notified meanwhile the count is 0 already; the
    /// tokens stay for the waiters that have yet to take them.
    fn leave(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while waiting(state) > 0 {
            match self.state.compare_exchange(state, state - WAITER, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    /// Makes tokens for `count` waiters, or for all if they are fewer.
    pub(crate) fn notify(&self, count: u32) {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let count = count.min(waiting(state));
            if count == 0 {
                return;
            }
            let upper = u64::from(waiting(state) - count) << 32;
            let after = upper | u64::from(made(state).wrapping_add(count));
            match self.state.compare_exchange(state, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    platform::wake_low_half(&self.state, count);
                    return;
                }
                Err(now) => state = now,
            }
        }
    }
}
