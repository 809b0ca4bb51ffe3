//! The marks of a ring: where its messages begin and end, and where in memory it is.
//!
//! # Whole or not at all
//!
//! A sender holds the senders' lock and changes the *tail* alone; a receiver holds the receivers' lock and changes the
//! *head* alone. Head and tail are one word each, a [`Mark`]: a position, and a count of messages. A sender writes its
//! message and then changes the tail, with which the message takes effect; a receiver reads a message and then changes the
//! head, with which the message is gone. So a process that is killed at any instruction leaves the ring as it was before
//! its change, or as it is after. Senders and receivers do not wait for each other. Each side keeps a copy of the other
//! side's mark, and reads that mark anew only when the copy says full or empty: a copy lags behind, so the room or the
//! message that it shows is there for certain.
//!
//! # Levels
//!
//! The ring lives at one of several *levels*, each twice as large as the one below. A [`RingState`] names the level. There
//! are two states, and one word says which of them holds. A [`Move`] is written into the other, under both locks, and takes
//! effect with that one word.

use super::platform::{AtomicU32, AtomicU64, Ordering};

/// Positions and lengths are multiples of this, in bytes.
pub(crate) const ALIGNMENT: u64 = 8;
/// How often `len` reads the marks at most until the head holds still meanwhile.
const LOOKS_AT_LEN: usize = 64;

/// A position in the ring, and how many messages lie before it.
///
/// ```text
///  63                       32  31                          0
/// | messages since the birth  | 8 bytes since this level     |
/// ```
///
/// Both wrap around. There are never more than 2^31 units of 8 bytes, nor as many messages, between two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn new(messages: u32, units: u32) -> Self {
        Self(u64::from(messages) << 32 | u64::from(units))
    }

    fn messages(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn units(self) -> u32 {
        self.0 as u32
    }

    /// In bytes since the ring came to this level.
    pub(crate) fn position(self) -> u64 {
        u64::from(self.units()) * ALIGNMENT
    }

    /// The mark after one more message of so many bytes, its record included.
    fn after(self, need: u64) -> Self {
        Self::new(self.messages().wrapping_add(1), self.units().wrapping_add((need / ALIGNMENT) as u32))
    }

    fn messages_since(self, head: Self) -> u32 {
        self.messages().wrapping_sub(head.messages())
    }

    fn bytes_since(self, head: Self) -> u64 {
        u64::from(self.units().wrapping_sub(head.units())) * ALIGNMENT
    }
}

/// One side's mark, and its copy of the other side's. On cache lines of its own (two, which processors fetch together),
/// because each side writes its mark with every message.
#[derive(Debug)]
#[repr(C, align(128))]
struct Side {
    own: AtomicU64,
    copy: AtomicU64,
}

impl Side {
    #[allow(dead_code, reason = "see `Marks::new`")]
    fn new() -> Self {
        Self { own: AtomicU64::new(0), copy: AtomicU64::new(0) }
    }

    #[inline]
    fn own(&self) -> Mark {
        Mark(self.own.load(Ordering::Acquire))
    }

    /// Makes a change take effect. Release: the other side sees the mark only after this side's message was written, or its
    /// room read out.
    #[inline]
    fn commit(&self, mark: Mark) {
        self.own.store(mark.0, Ordering::Release);
    }

    /// Acquire: the process that made the copy may have died holding the lock, which then orders nothing.
    #[inline]
    fn copy(&self) -> Mark {
        Mark(self.copy.load(Ordering::Acquire))
    }

    #[inline]
    fn look_at(&self, other: &Self) -> Mark {
        let mark = other.own();
        self.copy.store(mark.0, Ordering::Release);
        mark
    }
}

/// The level at which the ring is, and its marks there.
#[derive(Debug)]
#[repr(C)]
struct RingState {
    /// The tail; changed under the senders' lock.
    senders: Side,
    /// The head; changed under the receivers' lock.
    receivers: Side,
    level: AtomicU64,
}

/// The ring's words. `FIRST` is the size of level 0, in bytes.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Marks<const FIRST: u64> {
    /// Counts the moves; its lowest bit says which of the two states holds. Changed under both locks.
    moves: AtomicU32,
    states: [RingState; 2],
}

/// Why a message was not put in or taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RingError {
    /// The message is larger than the ring can ever be.
    TooLarge,
    /// The words make no sense: some process wrote over them.
    Spoilt,
}

/// Whether a message can be put in.
#[derive(Debug)]
pub(crate) enum Room<'a> {
    Enough(Gap<'a>),
    /// The bound is reached: so many messages wait.
    Full,
    /// The ring has to grow first.
    Narrow,
}

/// Room for one message, under the senders' lock.
#[derive(Debug)]
pub(crate) struct Gap<'a> {
    side: &'a Side,
    tail: Mark,
    need: u64,
    pub(crate) level: u64,
}

impl Gap<'_> {
    /// Where the message goes, in bytes since the ring came to this level.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.tail.position()
    }

    /// The message is written: makes it take effect.
    #[inline]
    pub(crate) fn commit(self) {
        self.side.commit(self.tail.after(self.need));
    }
}

/// The first message, under the receivers' lock.
#[derive(Debug)]
pub(crate) struct First<'a> {
    side: &'a Side,
    head: Mark,
    /// How many bytes wait in all.
    pub(crate) used: u64,
    pub(crate) level: u64,
}

impl First<'_> {
    /// Where the message is, in bytes since the ring came to this level.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.head.position()
    }

    /// The message, of `need` bytes with its record, has been read: takes it away.
    #[inline]
    pub(crate) fn commit(self, need: u64) {
        self.side.commit(self.head.after(need));
    }
}

/// A move to another level, under both locks. The caller copies what waits before it commits the move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Where the waiting messages begin at level `from`; at level `to` they begin at 0.
    pub(crate) position: u64,
    /// How many bytes wait.
    pub(crate) used: u64,
    head: Mark,
    tail: Mark,
}

impl<const FIRST: u64> Marks<FIRST> {
    /// The marks of an empty ring; memory of zeros is that, too.
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        let state = || RingState { senders: Side::new(), receivers: Side::new(), level: AtomicU64::new(0) };
        Self { moves: AtomicU32::new(0), states: [state(), state()] }
    }

    /// The size of a level, in bytes.
    #[inline]
    pub(crate) const fn size(level: u64) -> u64 {
        FIRST << level
    }

    /// The state that holds, and its level, which is one of the first `levels`. Under either lock.
    #[inline]
    fn now(&self, levels: u64) -> Result<(&RingState, u64), RingError> {
        let state = self.state(self.moves.load(Ordering::Acquire));
        let level = state.level.load(Ordering::Relaxed);
        if level < levels { Ok((state, level)) } else { Err(RingError::Spoilt) }
    }

    #[inline]
    fn state(&self, moves: u32) -> &RingState {
        &self.states[(moves & 1) as usize]
    }

    /// How many messages there are. Needs no lock. An estimate, while messages come and go all the time.
    pub(crate) fn len(&self) -> usize {
        let mut about = 0;
        for _ in 0..LOOKS_AT_LEN {
            let moves = self.moves.load(Ordering::Acquire);
            let state = self.state(moves);
            let head = state.receivers.own();
            let tail = state.senders.own();
            about = tail.messages_since(head) as usize;
            // Head and tail belong together only if neither head nor state changed while the tail was read.
            if state.receivers.own() == head && self.moves.load(Ordering::Relaxed) == moves {
                break;
            }
        }
        about
    }

    /// Looks for room for a message that takes `need` bytes, where at most `bound` messages may wait. Under the senders'
    /// lock.
    #[inline]
    pub(crate) fn room(&self, levels: u64, need: u64, bound: usize) -> Result<Room<'_>, RingError> {
        let (state, level) = self.now(levels)?;
        let tail = state.senders.own();
        let is_enough = |head| {
            let used = tail.bytes_since(head).saturating_add(need);
            (tail.messages_since(head) as usize) < bound && used <= Self::size(level)
        };
        if !is_enough(state.senders.copy()) {
            let head = state.senders.look_at(&state.receivers);
            if !is_enough(head) {
                let is_full = tail.messages_since(head) as usize >= bound;
                return Ok(if is_full { Room::Full } else { Room::Narrow });
            }
        }
        Ok(Room::Enough(Gap { side: &state.senders, tail, need, level }))
    }

    /// Finds the first message. Under the receivers' lock.
    #[inline]
    pub(crate) fn first(&self, levels: u64) -> Result<Option<First<'_>>, RingError> {
        let (state, level) = self.now(levels)?;
        let head = state.receivers.own();
        let mut tail = state.receivers.copy();
        if tail.messages_since(head) == 0 {
            tail = state.receivers.look_at(&state.senders);
            if tail.messages_since(head) == 0 {
                return Ok(None);
            }
        }
        let used = tail.bytes_since(head);
        if used > Self::size(level) {
            return Err(RingError::Spoilt);
        }
        Ok(Some(First { side: &state.receivers, head, used, level }))
    }

    /// The move to a level that has room for `need` bytes more; `None`: the present level has. Under both locks.
    pub(crate) fn growth(&self, levels: u64, need: u64) -> Result<Option<Move>, RingError> {
        let (state, from) = self.now(levels)?;
        let (head, tail) = (state.senders.look_at(&state.receivers), state.senders.own());
        let used = tail.bytes_since(head);
        if used > Self::size(from) {
            return Err(RingError::Spoilt);
        }
        let enough = used.saturating_add(need);
        let to = (from..levels).find(|&level| Self::size(level) >= enough).ok_or(RingError::TooLarge)?;
        let (position, units) = (head.position(), (used / ALIGNMENT) as u32);
        let (head, tail) = (Mark::new(head.messages(), 0), Mark::new(tail.messages(), units));
        Ok((to != from).then_some(Move { from, to, position, used, head, tail }))
    }

    /// Whether the ring is empty and may give memory back. Under the receivers' lock.
    #[inline]
    pub(crate) fn may_shrink(&self, levels: u64, kept: u64) -> bool {
        let Ok((state, level)) = self.now(levels) else { return false };
        level > kept && state.senders.own().messages_since(state.receivers.own()) == 0
    }

    /// The move of an empty ring to the first level; `None`: it has messages, or is there already. Under both locks.
    pub(crate) fn shrinkage(&self, levels: u64) -> Option<Move> {
        let (state, from) = self.now(levels).ok()?;
        let (head, tail) = (state.receivers.own(), state.senders.own());
        let mark = Mark::new(tail.messages(), 0);
        let shrinks = tail.messages_since(head) == 0 && from > 0;
        shrinks.then_some(Move { from, to: 0, position: 0, used: 0, head: mark, tail: mark })
    }

    /// Makes a move take effect, after what waits was copied. Under both locks.
    pub(crate) fn commit(&self, to: Move) {
        for (word, value) in self.aside(to) {
            // Release: `len` runs without a lock. If it sees this value it sees the move before, too, and counts anew.
            word.store(value, Ordering::Release);
        }
        // Release, for `len`, and for processes that take over the locks of a dead one.
        self.moves.store(self.moves.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// The words of the state that does not hold, and the values that a move writes there.
    pub(crate) fn aside(&self, to: Move) -> [(&AtomicU64, u64); 5] {
        let RingState { senders, receivers, level } = self.state(self.moves.load(Ordering::Relaxed).wrapping_add(1));
        let (head, tail) = (to.head.0, to.tail.0);
        let senders = [(&senders.own, tail), (&senders.copy, head)];
        let receivers = [(&receivers.own, head), (&receivers.copy, tail)];
        [(level, to.to), senders[0], senders[1], receivers[0], receivers[1]]
    }

    #[cfg(test)]
    pub(crate) fn begin_at(&self, mark: Mark) {
        self.commit(Move { from: 0, to: 0, position: 0, used: 0, head: mark, tail: mark });
    }

    /// The words of the state that holds, or of the other.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn raw(&self, holds: bool) -> [&AtomicU64; 5] {
        let moves = self.moves.load(Ordering::Relaxed);
        let RingState { senders, receivers, level } = self.state(if holds { moves } else { moves.wrapping_add(1) });
        [level, &senders.own, &senders.copy, &receivers.own, &receivers.copy]
    }
}
