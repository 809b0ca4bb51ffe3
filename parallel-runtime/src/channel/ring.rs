//! The ring of a queue: messages one after the other in shared memory, behind two locks that somebody else holds.
//!
//! # Whole or not at all
//!
//! Who puts in holds the senders' lock and changes the *tail* alone; who takes out holds the receivers' lock and changes
//! the *head* alone. Either is one word, a [`Mark`]: where, and the how manieth message. A message is written first and
//! takes effect with the change of the tail; it is read first and is gone with that of the head. So a process that is
//! killed at any instruction leaves the ring as it was before its change, or as it is after; and those who put in and
//! those who take out do not wait for each other. Each side keeps a copy of the other's mark and reads it anew only when
//! the copy says full or empty: a copy lags behind, and what it shows is there for certain.
//!
//! # Room
//!
//! The region is address space; memory is taken as it is touched. The ring lives at one of several *levels*, each twice
//! as large as the one below it and at an address of its own, so that it moves up by copying to where nothing is. When it
//! has run empty above [`KEPT`] it moves down to the first again, and the memory is given back. What says where it lives
//! is a [`State`], of which there are two; one word says which of them holds. A move is written into the other, under
//! both locks, and takes effect with that one word.
//!
//! ```text
//! header page | level 0: FIRST | level 1: 2 × FIRST | level 2: 4 × FIRST | …
//! message     length u64 | handles u64 | bytes, padded to 8
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::sys::memory::Region;

/// The size of level 0, in bytes: stays in the second-level cache.
const FIRST: u64 = 256 << 10;
/// How many levels there are: a position at the highest, in units of 8 bytes, has 31 bits, so that 32 tell full from empty.
const LEVELS: u64 = 17;
/// Up to this level a ring that has run empty stays where it is: 2 MiB, so that a queue in steady use does not give
/// back pages only to take them again.
const KEPT: u64 = 3;
/// Where level 0 starts, in bytes.
const HEAD: u64 = 4096;
/// What a message costs beside its bytes.
const RECORD: u64 = 16;
/// How often the length is read at most until the head holds still for it.
const LOOKS_AT_LEN: usize = 64;
/// Positions and lengths are multiples of this, in bytes.
const ALIGNMENT: u64 = 8;

/// A position in the ring, and how many messages lie before it.
///
/// ```text
///  63                       32  31                          0
/// | messages since the birth  | 8 bytes since this level     |
/// ```
///
/// Both wrap around. There are never more than 2^31 units of 8 bytes, nor more than 2^30 messages, between two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u64);

const _: () = assert!((FIRST << (LEVELS - 1)) / ALIGNMENT <= 1 << 31);

impl Mark {
    fn new(messages: u32, units: u32) -> Self {
        Self(u64::from(messages) << 32 | u64::from(units))
    }

    fn messages(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn units(self) -> u32 {
        self.0 as u32
    }

    /// In bytes since the ring came to this level.
    fn position(self) -> u64 {
        u64::from(self.units()) * ALIGNMENT
    }

    /// The mark after one more message of so many bytes, its record included.
    fn after(self, need: u64) -> Self {
        Self::new(self.messages().wrapping_add(1), self.units().wrapping_add((need / ALIGNMENT) as u32))
    }

    /// How many messages there are from `head` to here.
    fn messages_since(self, head: Self) -> u32 {
        self.messages().wrapping_sub(head.messages())
    }

    /// How many bytes there are from `head` to here.
    fn bytes_since(self, head: Self) -> u64 {
        u64::from(self.units().wrapping_sub(head.units())) * ALIGNMENT
    }
}

/// One side's mark, and its copy of the other's. A cache line of its own (two, which processors fetch together), because
/// each side writes its own with every message.
#[repr(C, align(128))]
struct Side {
    own: AtomicU64,
    copy: AtomicU64,
}

impl Side {
    fn own(&self) -> Mark {
        Mark(self.own.load(SeqCst))
    }

    /// Lets the change hold that leads to `mark`. A swap, which costs less than a store and a fence: the pipe looks
    /// afterwards who waits, and they look here after they said so.
    fn commit(&self, mark: Mark) {
        self.own.swap(mark.0, SeqCst);
    }

    fn copy(&self) -> Mark {
        Mark(self.copy.load(Acquire))
    }

    /// Copies the mark of the other side.
    fn look_at(&self, other: &Self) -> Mark {
        let mark = other.own();
        self.copy.store(mark.0, Release);
        mark
    }
}

/// Where the ring is; see the module's head.
#[repr(C)]
struct State {
    /// The tail; changed under the senders' lock.
    senders: Side,
    /// The head; changed under the receivers' lock.
    receivers: Side,
    level: AtomicU64,
}

/// The ring's words.
#[repr(C, align(128))]
pub(super) struct RingWords {
    /// Counts the moves; its lowest bit says which of the two states holds. Changed under both locks.
    moves: AtomicU32,
    states: [State; 2],
}

/// Why a message was not put in or taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RingError {
    /// It is larger than the ring can ever be.
    TooLarge,
    /// The words make no sense: some process wrote over them.
    Spoilt,
}

/// Whether a message can be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// As many messages wait as may.
    Full,
    /// The ring has to grow first.
    Narrow,
}

/// The ring in a region.
#[derive(Debug)]
pub(super) struct Ring {
    region: Arc<Region>,
    /// Where the words are, in bytes from the start of the region.
    words: usize,
}

impl Ring {
    /// Finds the ring in `region`, whose words are `words` bytes from its start; memory of zeros is an empty ring.
    pub(super) fn new(region: Arc<Region>, words: usize) -> Self {
        assert!(words % align_of::<RingWords>() == 0 && words + size_of::<RingWords>() <= HEAD as usize);
        assert!(region.len() as u64 >= end_of(0));
        Self { region, words }
    }

    fn words(&self) -> &RingWords {
        // SAFETY: inside the region's first page (checked at birth).
        let words = unsafe { self.region.as_ptr().add(self.words) };
        // SAFETY: aligned (checked at birth), alive as long as `self`; the words are atomic and hold any bits.
        unsafe { &*words.cast::<RingWords>() }
    }

    /// The state that holds, and its level, if that makes sense. Under either lock.
    fn now(&self) -> Result<(&State, u64), RingError> {
        let words = self.words();
        let state = &words.states[(words.moves.load(Acquire) & 1) as usize];
        let level = state.level.load(Relaxed);
        if self.has_level(level) { Ok((state, level)) } else { Err(RingError::Spoilt) }
    }

    fn has_level(&self, level: u64) -> bool {
        level < LEVELS && end_of(level) <= self.region.len() as u64
    }

    /// Lets the ring be at `level` from now on, with these marks; under both locks.
    fn move_to(&self, level: u64, head: Mark, tail: Mark) {
        let words = self.words();
        let next = words.moves.load(Relaxed).wrapping_add(1);
        let state = &words.states[(next & 1) as usize];
        state.level.store(level, Relaxed);
        for (side, own, other) in [(&state.senders, tail, head), (&state.receivers, head, tail)] {
            side.own.store(own.0, Relaxed);
            side.copy.store(other.0, Relaxed);
        }
        words.moves.store(next, Release);
    }

    /// How many messages there are. Needs no lock; while others put in and take out all the time, about how many.
    pub(super) fn len(&self) -> usize {
        let words = self.words();
        let mut about = 0;
        for _ in 0..LOOKS_AT_LEN {
            let moves = words.moves.load(Acquire);
            let state = &words.states[(moves & 1) as usize];
            let head = state.receivers.own();
            let tail = state.senders.own();
            about = tail.messages_since(head) as usize;
            // A mark of another state, or a head from before the tail's rounds, would make no sense together.
            if words.moves.load(Relaxed) == moves && state.receivers.own() == head {
                break;
            }
        }
        about
    }

    /// Whether there is room for a message of `len` bytes, where at most `bound` may wait. Under the senders' lock.
    pub(super) fn room(&self, len: usize, bound: usize) -> Result<Room, RingError> {
        let (state, level) = self.now()?;
        let tail = state.senders.own();
        let room = |head| {
            let used = tail.bytes_since(head);
            if tail.messages_since(head) as usize >= bound {
                Room::Full
            } else if used.saturating_add(need_of(len)) > size_of_level(level) {
                Room::Narrow
            } else {
                Room::Enough
            }
        };
        match room(state.senders.copy()) {
            Room::Enough => Ok(Room::Enough),
            _ => Ok(room(state.senders.look_at(&state.receivers))),
        }
    }

    /// Puts a message in, for which there is [`Room::Enough`], in two parts. Under the senders' lock.
    pub(super) fn push(&self, ids: &[u8], bytes: &[u8], handles: u64) -> Result<(), RingError> {
        let (state, level) = self.now()?;
        let tail = state.senders.own();
        let len = ids.len() + bytes.len();
        let need = need_of(len);
        if tail.bytes_since(state.senders.copy()).saturating_add(need) > size_of_level(level) {
            return Err(RingError::Spoilt);
        }
        let mut record = [0; RECORD as usize];
        record[..8].copy_from_slice(&(len as u64).to_le_bytes());
        record[8..].copy_from_slice(&handles.to_le_bytes());
        self.write(level, tail.position(), &record);
        self.write(level, tail.position() + RECORD, ids);
        self.write(level, tail.position() + RECORD + ids.len() as u64, bytes);
        state.senders.commit(tail.after(need));
        Ok(())
    }

    /// Takes the first message out, into `bytes`; returns how many handles travel with it, or `None` when there is no
    /// message. Under the receivers' lock.
    pub(super) fn pop(&self, bytes: &mut Vec<u8>) -> Result<Option<u64>, RingError> {
        let (state, level) = self.now()?;
        let head = state.receivers.own();
        let mut tail = state.receivers.copy();
        if tail.messages_since(head) == 0 {
            tail = state.receivers.look_at(&state.senders);
            if tail.messages_since(head) == 0 {
                return Ok(None);
            }
        }
        let used = tail.bytes_since(head);
        if used > size_of_level(level) || used < RECORD {
            return Err(RingError::Spoilt);
        }
        let [len, handles] = self.record(level, head.position());
        let need = len.checked_next_multiple_of(ALIGNMENT).and_then(|len| len.checked_add(RECORD));
        let need = need.filter(|&need| need <= used).ok_or(RingError::Spoilt)?;
        let len = usize::try_from(len).map_err(|_| RingError::Spoilt)?;
        bytes.clear();
        self.read(level, head.position() + RECORD, len, bytes);
        state.receivers.commit(head.after(need));
        Ok(Some(handles))
    }

    /// Whether the ring is empty and may give memory back; under the receivers' lock.
    pub(super) fn may_shrink(&self) -> bool {
        let Ok((state, level)) = self.now() else { return false };
        level > KEPT && state.senders.own().messages_since(state.receivers.own()) == 0
    }

    /// Moves an empty ring down to the first level; under both locks.
    pub(super) fn shrink(&self) {
        let Ok((state, level)) = self.now() else { return };
        let (head, tail) = (state.receivers.own(), state.senders.own());
        if tail.messages_since(head) == 0 && level > 0 {
            let mark = Mark::new(tail.messages(), 0);
            self.move_to(0, mark, mark);
            self.release(level);
        }
    }

    /// Moves up to a level that has room for a message of `len` bytes more; under both locks.
    pub(super) fn grow(&self, len: usize) -> Result<(), RingError> {
        let (state, before) = self.now()?;
        let (head, tail) = (state.senders.look_at(&state.receivers), state.senders.own());
        let used = tail.bytes_since(head);
        if used > size_of_level(before) {
            return Err(RingError::Spoilt);
        }
        let enough = used.saturating_add(need_of(len));
        let level = (before..LEVELS).find(|&level| size_of_level(level) >= enough).ok_or(RingError::TooLarge)?;
        if level == before {
            return Ok(());
        }
        if !self.has_level(level) {
            return Err(RingError::TooLarge);
        }
        let mut moved = Vec::new();
        self.read(before, head.position(), usize::try_from(used).map_err(|_| RingError::TooLarge)?, &mut moved);
        self.write(level, 0, &moved);
        self.move_to(level, Mark::new(head.messages(), 0), Mark::new(tail.messages(), (used / ALIGNMENT) as u32));
        if before > 0 {
            self.release(before);
        }
        Ok(())
    }

    /// Gives back the memory of a level at which the ring no longer is.
    fn release(&self, level: u64) {
        self.region.release(start_of(level) as usize, size_of_level(level) as usize);
    }

    /// Copies bytes to a position of a level, around its end if need be.
    fn write(&self, level: u64, position: u64, bytes: &[u8]) {
        for (offset, part) in spans(level, position, bytes.len()) {
            let bytes = &bytes[part];
            // SAFETY: `spans` stays inside the level, which is inside the region (`now` and `grow` look).
            let target = unsafe { self.region.as_ptr().add(offset) };
            // SAFETY: as above; `bytes` is this process's own memory. The lock keeps others that keep to it away.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        }
    }

    /// Appends `len` bytes from a position of a level to `bytes`.
    fn read(&self, level: u64, position: u64, len: usize, bytes: &mut Vec<u8>) {
        for (offset, part) in spans(level, position, len) {
            let len = part.len();
            bytes.reserve(len);
            // SAFETY: `spans` stays inside the level, which is inside the region.
            let source = unsafe { self.region.as_ptr().add(offset) };
            let target = bytes.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: as above, and `reserve` made room. Should another process scribble, the copy holds some bytes or others.
            unsafe { std::ptr::copy_nonoverlapping(source, target, len) };
            // SAFETY: these bytes were just written.
            unsafe { bytes.set_len(bytes.len() + len) };
        }
    }

    /// Reads the two words in front of a message.
    fn record(&self, level: u64, position: u64) -> [u64; 2] {
        let mut record = [0; RECORD as usize];
        for (offset, part) in spans(level, position, record.len()) {
            let record = &mut record[part];
            // SAFETY: `spans` stays inside the level, which is inside the region.
            let source = unsafe { self.region.as_ptr().add(offset) };
            // SAFETY: as above. Should another process scribble, the copy holds some bytes or others.
            unsafe { std::ptr::copy_nonoverlapping(source, record.as_mut_ptr(), record.len()) };
        }
        let word = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap_or_default());
        [word(0), word(8)]
    }
}

/// What a message of `len` bytes takes, in bytes.
fn need_of(len: usize) -> u64 {
    (len as u64).saturating_add(RECORD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

fn size_of_level(level: u64) -> u64 {
    FIRST << level
}

/// Where a level starts in the region.
fn start_of(level: u64) -> u64 {
    HEAD + FIRST * ((1 << level) - 1)
}

fn end_of(level: u64) -> u64 {
    start_of(level) + size_of_level(level)
}

/// The one or two places in the region of `len` bytes at a position of a level, with the part of the bytes that goes
/// there. `len` is at most the level's size.
fn spans(level: u64, position: u64, len: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let size = size_of_level(level) as usize;
    let start = start_of(level) as usize;
    let at = (position % size_of_level(level)) as usize;
    let first = len.min(size - at);
    [(start + at, 0..first), (start, first..len.min(size))].into_iter().filter(|(_, part)| !part.is_empty())
}

/// How large a region to ask for so that the ring can hold `bytes`, in bytes.
pub(super) fn region_len(bytes: u64) -> usize {
    let mut level = 0;
    while size_of_level(level) < bytes {
        level += 1;
    }
    end_of(level) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(bytes: u64) -> Ring {
        Ring::new(Region::zeroed(region_len(bytes)).unwrap(), 0)
    }

    /// Puts a message in, as a sender does.
    fn push(ring: &Ring, bytes: &[u8], handles: u64) -> Result<(), RingError> {
        if ring.room(bytes.len(), usize::MAX)? == Room::Narrow {
            ring.grow(bytes.len())?;
        }
        ring.push(&[], bytes, handles)
    }

    /// Takes a message out, as a receiver does.
    fn pop(ring: &Ring) -> Result<Option<(Vec<u8>, u64)>, RingError> {
        let mut bytes = vec![7];
        let popped = ring.pop(&mut bytes)?;
        if ring.may_shrink() {
            ring.shrink();
        }
        Ok(popped.map(|handles| (bytes, handles)))
    }

    /// Bytes that tell their place and their message, eight at a time: this is unoptimized in a test.
    fn message(number: u64, len: usize) -> Vec<u8> {
        let words: Vec<u64> = (0..len.div_ceil(8) as u64).map(|at| (number << 32) ^ (at * 0x0101_0101_0101)).collect();
        bytemuck::cast_slice(&words)[..len].to_vec()
    }

    #[test]
    fn messages_come_out_as_they_went_in_across_the_end_and_all_levels() {
        let ring = ring(64 << 20);
        let lens = [0, 1, 7, 8, 4096, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 3 << 20];
        let (mut put, mut got) = (0_u64, 0_u64);
        for round in 0..100 {
            for _ in 0..=round % 5 {
                push(&ring, &message(put, lens[put as usize % lens.len()]), put % 3).unwrap();
                put += 1;
            }
            while ring.len() > round % 7 {
                let message_out = pop(&ring).unwrap().unwrap();
                let expected = message(got, lens[got as usize % lens.len()]);
                assert_eq!(message_out, (expected, got % 3));
                got += 1;
            }
        }
        assert_eq!(ring.len() as u64, put - got);
    }

    #[test]
    fn an_empty_ring_gives_nothing() {
        assert_eq!(pop(&ring(1)), Ok(None));
    }

    #[test]
    fn a_message_larger_than_the_ring_is_refused_and_changes_nothing() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        assert_eq!(push(&ring, &vec![0; 2 << 20], 0), Err(RingError::TooLarge));
        assert_eq!(pop(&ring).unwrap().unwrap().0, b"first");
    }

    #[test]
    fn a_change_that_was_not_committed_never_was() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        // What a sender does that is killed before its last store: in a message, and in a move.
        let (state, level) = ring.now().unwrap();
        ring.write(level, state.senders.own().position(), &[0xff; 100]);
        let other = &ring.words().states[(ring.words().moves.load(Relaxed) ^ 1) as usize & 1];
        for word in [&other.senders.own, &other.senders.copy, &other.receivers.own, &other.level] {
            word.store(u64::MAX, Relaxed);
        }
        assert_eq!(pop(&ring).unwrap().unwrap().0, b"first");
        assert_eq!(pop(&ring), Ok(None));
    }

    #[test]
    fn a_full_ring_has_room_again_when_one_was_taken_out() {
        let ring = ring(1);
        for number in 0..1000 {
            assert_eq!(ring.room(8, 2), Ok(Room::Enough));
            push(&ring, &message(number, 8), 0).unwrap();
            if number > 0 {
                assert_eq!((ring.room(8, 2), ring.len()), (Ok(Room::Full), 2));
                assert_eq!(pop(&ring).unwrap().unwrap().0, message(number - 1, 8));
            }
        }
    }

    #[test]
    fn marks_count_on_where_they_wrap_around() {
        let ring = ring(1);
        let mark = Mark::new(u32::MAX - 1, u32::MAX - 6);
        ring.move_to(0, mark, mark);
        for number in 0..5 {
            push(&ring, &message(number, 20), number).unwrap();
        }
        assert_eq!(ring.len(), 5);
        for number in 0..5 {
            assert_eq!(pop(&ring).unwrap().unwrap(), (message(number, 20), number));
        }
        assert_eq!((pop(&ring), ring.len()), (Ok(None), 0));
    }

    #[test]
    fn rubbish_in_the_words_is_found_out() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        for word in 0..5 {
            let state = &ring.words().states[(ring.words().moves.load(Relaxed) & 1) as usize];
            let (senders, receivers) = (&state.senders, &state.receivers);
            let words = [&state.level, &senders.own, &senders.copy, &receivers.own, &receivers.copy];
            let before = words[word].load(Relaxed);
            for rubbish in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 31] {
                words[word].store(rubbish, Relaxed);
                let _ = push(&ring, b"x", 0);
                let _ = pop(&ring);
            }
            words[word].store(before, Relaxed);
        }
    }
}
