//! The words of a condition variable.
//!
//! A notification is a token that a waiter takes only when it has the lock again. So one that dies on its way leaves the
//! token to another waiter, which finds it at the end of its slice, or leaves a lock that says who died; one that times
//! out takes a token that is there, and has then not timed out; and who comes later than a notification cannot take its
//! token. It follows the condition variable of glibc before 2.25, which counts in the same way, with two differences: a
//! token is taken after locking, and one that timed out is taken out of the count rather than notified.
//!
//! A waiter that died stays in the count: one later notification may make a token for nobody, and so may wake one more
//! than it should. Waking for nothing is allowed; losing a notification is not.

use super::lock::{Left, LockWord, Refused};
use super::platform::{self, AtomicU32, AtomicU64, Deadline, Ordering, SLICE};

/// One waiter more.
const WAITER: u64 = 1 << 32;

/// Who waits, and what was given to them.
///
/// | word | bits | |
/// |---|---|---|
/// | `state` | 32 to 63 | how many wait and were not notified |
/// | `state` | 0 to 31 | how many tokens were ever made; waiters sleep on it |
/// | `taken` | | how many of the tokens were taken; at most as many as were made |
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CondvarWords {
    state: AtomicU64,
    taken: AtomicU32,
}

/// One who waits: how many tokens had been made when it came.
#[derive(Clone, Copy, Debug)]
struct Ticket(u32);

fn waiting(state: u64) -> u32 {
    (state >> 32) as u32
}

fn made(state: u64) -> u32 {
    state as u32
}

impl CondvarWords {
    /// Nobody waits; memory of zeros says the same.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(0), taken: AtomicU32::new(0) }
    }

    /// Frees `lock`, which this thread holds, waits for a notification until the deadline, and takes it again. Returns
    /// whether there was a notification.
    ///
    /// # Errors
    ///
    /// What the lock says; then it is not held.
    pub(crate) fn wait_until(&self, lock: &LockWord, deadline: Deadline) -> Result<bool, Refused> {
        // With the lock held: whoever changes what it guards after this, and notifies, counts this one as waiting.
        let ticket = Ticket(made(self.state.fetch_add(WAITER, Ordering::Relaxed)));
        loop {
            lock.unlock(Left::Whole);
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
    fn sleep_until(&self, ticket: Ticket, deadline: Deadline) {
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

    /// Takes a token, if there is one for this waiter. Call it with the lock held again.
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

    /// Counts this waiter out, which took no token. Where all who waited were notified meanwhile, there is nothing to
    /// count out: the tokens stay, for those who are on their way.
    fn leave(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while waiting(state) > 0 {
            match self.state.compare_exchange(state, state - WAITER, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    /// Makes tokens for `count` of those who wait, for all if they are fewer.
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
