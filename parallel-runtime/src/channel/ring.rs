//! The ring of a queue: messages one after the other in shared memory, behind a lock that somebody else holds.
//!
//! # Whole or not at all
//!
//! What the ring is stands in a [`State`], of which there are two; one word says which of them holds. A change is written
//! into the other and takes effect with that one word. So a process that is killed at any instruction leaves the ring as
//! it was before its change, or as it is after.
//!
//! # Room
//!
//! The region is address space; memory is taken as it is touched. The ring lives at one of several *levels*, each twice
//! as large as the one below it and at an address of its own, so that it moves up by copying to where nothing is. When it
//! has run empty it moves down to the first again, and the memory is given back.
//!
//! ```text
//! header page | level 0: FIRST | level 1: 2 × FIRST | level 2: 4 × FIRST | …
//! message     length u64 | handles u64 | bytes, padded to 8
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::sys::memory::Region;

/// The size of level 0, in bytes: stays in the second-level cache.
const FIRST: u64 = 256 << 10;
/// Where level 0 starts, in bytes.
const HEAD: u64 = 4096;
/// What a message costs beside its bytes.
const RECORD: u64 = 16;

/// What the ring is; see the module's head.
#[repr(C)]
pub(super) struct State {
    level: AtomicU64,
    /// The position of the first message, in bytes since the ring came to this level.
    head: AtomicU64,
    /// The position after the last.
    tail: AtomicU64,
    /// How many messages there are.
    count: AtomicU64,
}

/// The ring's words; all are changed under the lock.
#[repr(C, align(64))]
pub(super) struct RingWords {
    /// Which of the two states holds: 0 or 1.
    current: AtomicU32,
    states: [State; 2],
}

/// A copy of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Now {
    level: u64,
    head: u64,
    tail: u64,
    count: u64,
}

/// Why a message was not put in or taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RingError {
    /// It is larger than the ring can ever be.
    TooLarge,
    /// The words make no sense: some process wrote over them.
    Spoilt,
}

/// A message that was taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// How many handles travel with it.
    pub(super) handles: u64,
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

    /// Reads the state that holds, if it makes sense.
    fn now(&self) -> Result<Now, RingError> {
        let words = self.words();
        let state = &words.states[(words.current.load(Acquire) & 1) as usize];
        let now = Now {
            level: state.level.load(Relaxed),
            head: state.head.load(Relaxed),
            tail: state.tail.load(Relaxed),
            count: state.count.load(Relaxed),
        };
        let fits = now.level < 40 && end_of(now.level) <= self.region.len() as u64;
        let used = now.tail.checked_sub(now.head);
        if fits && used.is_some_and(|used| used <= size_of_level(now.level)) { Ok(now) } else { Err(RingError::Spoilt) }
    }

    /// Lets `next` hold from now on.
    fn commit(&self, next: Now) {
        let words = self.words();
        let other = (words.current.load(Relaxed) & 1) ^ 1;
        let state = &words.states[other as usize];
        state.level.store(next.level, Relaxed);
        state.head.store(next.head, Relaxed);
        state.tail.store(next.tail, Relaxed);
        state.count.store(next.count, Relaxed);
        words.current.store(other, Release);
    }

    /// How many messages there are. Needs no lock; 0 where the words make no sense.
    pub(super) fn len(&self) -> usize {
        self.now().map_or(0, |now| usize::try_from(now.count).unwrap_or(usize::MAX))
    }

    /// Puts a message in.
    pub(super) fn push(&self, bytes: &[u8], handles: u64) -> Result<(), RingError> {
        let mut now = self.now()?;
        let need = RECORD + (bytes.len() as u64).next_multiple_of(8);
        if now.tail - now.head + need > size_of_level(now.level) {
            now = self.grow(now, need)?;
        }
        self.write(now.level, now.tail, &(bytes.len() as u64).to_le_bytes());
        self.write(now.level, now.tail.wrapping_add(8), &handles.to_le_bytes());
        self.write(now.level, now.tail.wrapping_add(RECORD), bytes);
        self.commit(Now { tail: now.tail.wrapping_add(need), count: now.count.wrapping_add(1), ..now });
        Ok(())
    }

    /// Takes the first message out; `None` when there is none.
    pub(super) fn pop(&self) -> Result<Option<Message>, RingError> {
        let now = self.now()?;
        if now.count == 0 {
            return Ok(None);
        }
        let used = now.tail - now.head;
        let mut word = [0; 8];
        self.read(now.level, now.head, &mut word);
        let len = u64::from_le_bytes(word);
        self.read(now.level, now.head.wrapping_add(8), &mut word);
        let handles = u64::from_le_bytes(word);
        let need = len.checked_next_multiple_of(8).and_then(|len| len.checked_add(RECORD));
        let need = need.filter(|&need| need <= used).ok_or(RingError::Spoilt)?;
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| RingError::Spoilt)?];
        self.read(now.level, now.head.wrapping_add(RECORD), &mut bytes);
        let next = Now { head: now.head.wrapping_add(need), count: now.count - 1, ..now };
        if next.count == 0 && now.level > 0 {
            self.commit(Now { level: 0, head: 0, tail: 0, ..next });
            self.region.release(start_of(now.level) as usize, size_of_level(now.level) as usize);
        } else {
            self.commit(next);
        }
        Ok(Some(Message { bytes, handles }))
    }

    /// Moves up to a level that has room for `need` more bytes.
    fn grow(&self, now: Now, need: u64) -> Result<Now, RingError> {
        let used = now.tail - now.head;
        let mut level = now.level;
        while size_of_level(level) < used.saturating_add(need) {
            level += 1;
            if level >= 40 || end_of(level) > self.region.len() as u64 {
                return Err(RingError::TooLarge);
            }
        }
        let mut moved = vec![0; usize::try_from(used).map_err(|_| RingError::TooLarge)?];
        self.read(now.level, now.head, &mut moved);
        self.write(level, 0, &moved);
        let next = Now { level, head: 0, tail: used, ..now };
        self.commit(next);
        if now.level > 0 {
            self.region.release(start_of(now.level) as usize, size_of_level(now.level) as usize);
        }
        Ok(next)
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

    /// Copies bytes from a position of a level.
    fn read(&self, level: u64, position: u64, bytes: &mut [u8]) {
        for (offset, part) in spans(level, position, bytes.len()) {
            let bytes = &mut bytes[part];
            // SAFETY: `spans` stays inside the level, which is inside the region.
            let source = unsafe { self.region.as_ptr().add(offset) };
            // SAFETY: as above. Should another process scribble, the copy holds some bytes or others.
            unsafe { std::ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) };
        }
    }
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
                ring.push(&message(put, lens[put as usize % lens.len()]), put % 3).unwrap();
                put += 1;
            }
            while ring.len() > round % 7 {
                let message_out = ring.pop().unwrap().unwrap();
                let expected = message(got, lens[got as usize % lens.len()]);
                assert_eq!(message_out, Message { bytes: expected, handles: got % 3 });
                got += 1;
            }
        }
        assert_eq!(ring.len() as u64, put - got);
    }

    #[test]
    fn an_empty_ring_gives_nothing() {
        assert_eq!(ring(1).pop(), Ok(None));
    }

    #[test]
    fn a_message_larger_than_the_ring_is_refused_and_changes_nothing() {
        let ring = ring(1 << 20);
        ring.push(b"first", 0).unwrap();
        assert_eq!(ring.push(&vec![0; 2 << 20], 0), Err(RingError::TooLarge));
        assert_eq!(ring.pop().unwrap().unwrap().bytes, b"first");
    }

    #[test]
    fn a_change_that_was_not_committed_never_was() {
        let ring = ring(1 << 20);
        ring.push(b"first", 0).unwrap();
        let now = ring.now().unwrap();
        // What a sender does that is killed before its last store.
        ring.write(now.level, now.tail, &[0xff; 100]);
        let state = &ring.words().states[(ring.words().current.load(Relaxed) ^ 1) as usize];
        state.tail.store(u64::MAX, Relaxed);
        assert_eq!(ring.pop().unwrap().unwrap().bytes, b"first");
        assert_eq!(ring.pop(), Ok(None));
    }

    #[test]
    fn rubbish_in_the_words_is_found_out() {
        let ring = ring(1 << 20);
        ring.push(b"first", 0).unwrap();
        for word in 0..4 {
            let state = &ring.words().states[(ring.words().current.load(Relaxed) & 1) as usize];
            let words = [&state.level, &state.head, &state.tail, &state.count];
            let before = words[word].load(Relaxed);
            for rubbish in [u64::MAX, u64::MAX / 2, 1 << 40] {
                words[word].store(rubbish, Relaxed);
                let _ = ring.push(b"x", 0);
                let _ = ring.pop();
            }
            words[word].store(before, Relaxed);
        }
    }
}
