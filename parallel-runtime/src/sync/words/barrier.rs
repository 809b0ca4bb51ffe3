//! The word of a barrier.
//!
//! Rounds follow each other. A round is complete when all parties have come. It is broken when a party waited beyond its
//! deadline, or `abort` was called, or `reset` was called while parties waited. A party learns how its own round ended up
//! to [`REMEMBERED`] rounds later; a party that looks later still is told that its round was complete.

use super::platform::{self, AtomicU64, Ordering, SLICE, WaitDeadline};

/// The most parties there can be.
pub(crate) const MOST: u32 = (1 << COME_BITS) - 1;
const COME_BITS: u32 = 20;
/// How many past rounds the word remembers the end of.
const REMEMBERED: u32 = 12;

/// One party, in the count of those that came.
const PARTY: u64 = 1 << 32;
/// Bit 0 of the lower half.
const BROKEN: u32 = 1;

/// The number of the round, how many parties have come, and how earlier rounds ended.
///
/// ```text
///  63       52 51                32 31       1 0
/// | complete? | parties that came  |  round   | BROKEN |
/// ```
///
/// | from | BROKEN | when | to |
/// |---|---|---|---|
/// | round n, some came | 0 | another comes | one more came |
/// | round n, all but one came | 0 | the last one comes | round n + 1, none came; n was complete |
/// | round n | 0 | deadline, or abort | round n, BROKEN |
/// | round n | 1 | reset | round n + 1, none came; n was not complete |
/// | round n, some came | 0 | reset | round n + 1, none came; n was not complete |
///
/// Bit 52 is set if round n - 1 was complete, bit 53 if round n - 2 was, and so on.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct BarrierWord(AtomicU64);

/// How a round ended, for one of its parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundEnd {
    /// All came, this party last.
    Leader,
    Follower,
    /// Not all came.
    Broken,
}

fn round(word: u64) -> u32 {
    (word as u32) >> 1
}

fn is_broken(word: u64) -> bool {
    word as u32 & BROKEN != 0
}

fn come(word: u64) -> u32 {
    (word >> 32) as u32 & MOST
}

/// The first word of the round after the one in `word`.
fn next(word: u64, complete: bool) -> u64 {
    let history = (word >> (32 + COME_BITS)) << 1 | u64::from(complete);
    let lower = (word as u32 & !BROKEN).wrapping_add(2);
    history << (32 + COME_BITS) | u64::from(lower)
}

/// Whether round `mine` was complete, as a word of a later round tells.
fn was_complete(word: u64, mine: u32) -> bool {
    // Rounds are counted in 31 bits.
    let ago = round(word).wrapping_sub(mine) & (u32::MAX >> 1);
    ago > REMEMBERED || word >> (32 + COME_BITS + ago - 1) & 1 != 0
}

impl BarrierWord {
    /// A barrier to which no party has come; memory of zeros is one, too.
    #[allow(dead_code, reason = "for the models; barriers of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn is_broken(&self) -> bool {
        is_broken(self.0.load(Ordering::Acquire))
    }

    /// Comes, and waits until `parties` have come; breaks the barrier when the deadline passes first.
    pub(crate) fn wait_until(&self, parties: u32, deadline: WaitDeadline) -> RoundEnd {
        let mut word = self.0.load(Ordering::Relaxed);
        let mine = loop {
            if is_broken(word) {
                return RoundEnd::Broken;
            }
            let last = come(word) + 1 >= parties;
            let after = if last { next(word, true) } else { word + PARTY };
            // Acquire and release: every party sees what the others did before they came.
            match self.0.compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if last => {
                    self.wake_all();
                    return RoundEnd::Leader;
                }
                Ok(_) => break round(word),
                Err(now) => word = now,
            }
        };
        loop {
            let word = self.0.load(Ordering::Acquire);
            if round(word) != mine {
                return if was_complete(word, mine) { RoundEnd::Follower } else { RoundEnd::Broken };
            }
            if is_broken(word) {
                return RoundEnd::Broken;
            }
            if deadline.has_passed() {
                // Fails if the last party came at this moment; the next round of the loop sees that.
                self.change(word, word | u64::from(BROKEN));
                continue;
            }
            platform::sleep_low_half(&self.0, word as u32, deadline.within(SLICE));
        }
    }

    /// Breaks the barrier for waiting and coming parties, until `reset`.
    pub(crate) fn abort(&self) {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if is_broken(word) || self.change(word, word | u64::from(BROKEN)) {
                return;
            }
        }
    }

    /// Makes the barrier whole and empty. Waiting parties find their round broken.
    pub(crate) fn reset(&self) {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if (!is_broken(word) && come(word) == 0) || self.change(word, next(word, false)) {
                return;
            }
        }
    }

    /// Changes the word and wakes all waiters, unless the word changed first.
    fn change(&self, from: u64, to: u64) -> bool {
        let changed = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if changed {
            self.wake_all();
        }
        changed
    }

    fn wake_all(&self) {
        platform::wake_low_half(&self.0, u32::MAX);
    }
}
