//! The ring of a queue: messages one after the other in shared memory, behind two locks that the pipe holds.
//!
//! What makes a message there or gone is in [`marks`](super::words::marks); here are the bytes.
//!
//! The region is a file that takes memory as it is touched, and address space as a process comes to use it. Each level of the
//! ring is a part of its own, so that the ring moves up by copying to where nothing is. When it has run empty at a high level
//! it moves down to the first again, and the memory is given back.
//!
//! ```text
//! header page | level 0: FIRST | level 1: 2 × FIRST | level 2: 4 × FIRST | …
//! message     handles: 24 bits, length: 40 bits | bytes, padded to 8
//! ```
//!
//! How many levels there are was chosen at birth ([`region_len`]) and shows in the size of the file, which is sealed.

use std::io;
use std::sync::Arc;

use super::words::marks::{ALIGNMENT, Gap, Marks, Move, RingError, Room};
use crate::sys::bytes::SharedBytes;
use crate::sys::memory::{Access, Region};
use crate::sys::parts;
use crate::tuning;

/// The size of level 0, in bytes.
const FIRST: u64 = tuning::RING as u64;
/// How many levels there are: a position at the highest, in units of 8 bytes, has 31 bits, so that 32 tell full from empty.
const LEVELS: u64 = 17;
/// Where level 0 starts, in bytes.
const HEAD: u64 = 4096;
/// What a message costs beside its bytes.
const RECORD: u64 = 8;
/// The bits of a record that are the length; those above are the number of handles.
const LEN_BITS: u32 = 40;

const _: () = assert!((FIRST << (LEVELS - 1)) / ALIGNMENT <= 1 << 31 && FIRST << LEVELS <= 1 << LEN_BITS);
// What every process maps at once is the first level, and each other level is a part.
const _: () = assert!(HEAD + FIRST == parts::HEAD as u64 && LEVELS as usize - 1 <= parts::MOST);
// So a record is never cut by the end of the ring.
const _: () = assert!(RECORD == ALIGNMENT && HEAD.is_multiple_of(ALIGNMENT) && FIRST.is_power_of_two());

/// The ring's words.
pub(super) type RingWords = Marks<FIRST>;

/// What was taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped {
    /// A message of just the length asked for, which is where it was asked for.
    Short,
    /// Any other message, which is in the `Vec`; and how many handles travel with it.
    Long { handles: u64 },
}

/// Why a message was not put in or taken out.
#[derive(Debug)]
pub(super) enum Trouble {
    Ring(RingError),
    /// This process cannot map the level at which the ring is, or is to be.
    NoAddressSpace(io::Error),
}

impl From<RingError> for Trouble {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

/// Whether a message can be put in.
#[derive(Debug)]
pub(super) enum Space<'a> {
    Enough(RingSlot<'a>),
    /// As many messages wait as may.
    Full,
    /// The ring has to grow first.
    Narrow,
}

/// Room for one message, under the senders' lock.
#[derive(Debug)]
pub(super) struct RingSlot<'a> {
    gap: Gap<'a>,
    level: Level<'a>,
}

impl RingSlot<'_> {
    /// Puts a message in, in two parts, where room was found for both.
    #[inline]
    pub(super) fn fill(self, head: &[u8], bytes: &[u8], handles: u64) {
        let Self { gap, level } = self;
        let position = gap.position();
        let len = (head.len() + bytes.len()) as u64;
        level.write(position, &(handles << LEN_BITS | len).to_le_bytes());
        if !head.is_empty() {
            level.write(position + RECORD, head);
        }
        level.write(position + RECORD + head.len() as u64, bytes);
        gap.commit();
    }

    /// What a sender does that is killed before its last store.
    #[cfg(test)]
    pub(super) fn fill_in_vain(self, bytes: &[u8]) {
        self.level.write(self.gap.position() + RECORD, bytes);
    }
}

/// The ring in a region.
#[derive(Debug)]
pub(super) struct Ring {
    region: Arc<Region>,
    /// Where the words are, in bytes from the start of the region.
    words: usize,
    /// How many levels the region has.
    levels: u64,
}

impl Ring {
    /// Finds the ring in `region`, whose words are `words` bytes from its start; memory of zeros is an empty ring.
    pub(super) fn new(region: Arc<Region>, words: usize) -> Self {
        assert!(words.is_multiple_of(align_of::<RingWords>()) && words + size_of::<RingWords>() <= HEAD as usize);
        assert!(region.access() == Access::InParts);
        let levels = (0..LEVELS).take_while(|&level| end_of(level) <= region.len() as u64).count() as u64;
        assert!(levels > 0);
        Self { region, words, levels }
    }

    fn words(&self) -> &RingWords {
        // SAFETY: inside the region's first page (checked at birth).
        let words = unsafe { self.region.as_ptr().add(self.words) };
        // SAFETY: aligned (checked at birth), alive as long as `self`; the words are atomic and hold any bits.
        unsafe { &*words.cast::<RingWords>() }
    }

    /// How many messages there are. Needs no lock; while others put in and take out all the time, about how many.
    pub(super) fn len(&self) -> usize {
        self.words().len()
    }

    /// A level, which this process maps when it comes to it.
    #[inline(always)]
    fn level(&self, level: u64) -> Result<Level<'_>, Trouble> {
        let bytes = match level.checked_sub(1) {
            None => self.region.bytes().range(HEAD as usize, (HEAD + FIRST) as usize),
            Some(part) => match self.region.part(part as usize) {
                Some(bytes) => bytes,
                None => self.open(level)?,
            },
        };
        Ok(Level(bytes))
    }

    #[cold]
    fn open(&self, level: u64) -> Result<SharedBytes<'_>, Trouble> {
        let (offset, len) = (start_of(level) as usize, RingWords::size(level) as usize);
        self.region.open_part(level as usize - 1, offset, len).map_err(Trouble::NoAddressSpace)
    }

    /// Looks for room for a message of `len` bytes, where at most `bound` may wait. Under the senders' lock.
    #[inline]
    pub(super) fn room(&self, len: usize, bound: usize) -> Result<Space<'_>, Trouble> {
        Ok(match self.words().room(self.levels, need_of(len), bound)? {
            Room::Enough(gap) => {
                let level = self.level(gap.level)?;
                Space::Enough(RingSlot { gap, level })
            }
            Room::Full => Space::Full,
            Room::Narrow => Space::Narrow,
        })
    }

    /// Takes the first message out: into `short` if it has no handles and just that length, into `bytes` otherwise. `None`:
    /// there is none. Under the receivers' lock.
    #[inline]
    pub(super) fn pop(&self, short: &mut [u8], bytes: &mut Vec<u8>) -> Result<Option<Popped>, Trouble> {
        let Some(first) = self.words().first(self.levels)? else { return Ok(None) };
        let (level, position) = (self.level(first.level)?, first.position());
        let mut record = [0; RECORD as usize];
        level.copy_out(position, &mut record);
        let record = u64::from_le_bytes(record);
        let len = (record & ((1 << LEN_BITS) - 1)) as usize;
        let handles = record >> LEN_BITS;
        let need = need_of(len);
        if need > first.used {
            return Err(RingError::Spoilt.into());
        }
        let popped = if handles == 0 && len == short.len() {
            level.copy_out(position + RECORD, short);
            Popped::Short
        } else {
            bytes.clear();
            level.append(position + RECORD, len, bytes);
            Popped::Long { handles }
        };
        first.commit(need);
        Ok(Some(popped))
    }

    /// Whether the ring is empty and may give memory back; under the receivers' lock.
    #[inline]
    pub(super) fn may_shrink(&self) -> bool {
        self.words().may_shrink(self.levels, tuning::KEPT_LEVEL)
    }

    /// Moves an empty ring down to the first level; under both locks.
    pub(super) fn shrink(&self) {
        if let Some(down) = self.words().shrinkage(self.levels) {
            self.words().commit(down);
            // All of them: a process that was killed in a move has left memory at a level where the ring never was.
            self.release(1, self.levels - 1);
        }
    }

    /// Moves up to a level that has room for a message of `len` bytes more; under both locks.
    pub(super) fn grow(&self, len: usize) -> Result<(), Trouble> {
        let Some(up) = self.words().growth(self.levels, need_of(len))? else { return Ok(()) };
        let Move { from, to, position, used, .. } = up;
        let (source, target) = (self.level(from)?, self.level(to)?);
        source.copy_to_start_of(target, position, usize::try_from(used).map_err(|_| RingError::TooLarge)?);
        self.words().commit(up);
        if from > 0 {
            self.release(from, from);
        }
        Ok(())
    }

    /// Gives back the memory of levels at which the ring no longer is.
    fn release(&self, first: u64, last: u64) {
        let (start, end) = (start_of(first), end_of(last));
        self.region.release(start as usize, (end - start) as usize);
    }

    /// How many bytes may wait at most, with what each message costs beside its own.
    pub(super) fn most(&self) -> u64 {
        RingWords::size(self.levels - 1)
    }

    /// Whether it has fewer levels than there are.
    pub(super) fn is_cut_short(&self) -> bool {
        self.levels < LEVELS
    }
}

/// A level, where it is mapped in this process; its size is a power of two. Used under a lock of the ring, which a process that
/// scribbles ignores: what is copied out of it is some bytes or others.
#[derive(Debug, Clone, Copy)]
struct Level<'a>(SharedBytes<'a>);

impl<'a> Level<'a> {
    /// Copies bytes to a position of a level, around its end if need be.
    #[inline]
    fn write(self, position: u64, bytes: &[u8]) {
        let (first, second) = self.place(position, bytes.len());
        let (head, tail) = bytes.split_at(first.len());
        first.copy_from(head);
        if !tail.is_empty() {
            second.copy_from(tail);
        }
    }

    /// Fills `bytes` from a position of a level.
    #[inline]
    fn copy_out(self, position: u64, bytes: &mut [u8]) {
        let (first, second) = self.place(position, bytes.len());
        let (head, tail) = bytes.split_at_mut(first.len());
        first.copy_to(head);
        if !tail.is_empty() {
            second.copy_to(tail);
        }
    }

    /// Appends `len` bytes from a position of a level to `bytes`.
    fn append(self, position: u64, len: usize, bytes: &mut Vec<u8>) {
        bytes.reserve(len);
        let (first, second) = self.place(position, len);
        first.append_to(bytes);
        second.append_to(bytes);
    }

    /// Copies `len` bytes from a position to the start of another level, which is no smaller.
    fn copy_to_start_of(self, target: Level<'_>, position: u64, len: usize) {
        let (first, second) = self.place(position, len);
        target.0.range(0, first.len()).copy_from_shared(first);
        target.0.range(first.len(), len).copy_from_shared(second);
    }

    /// The `len` bytes from a position on: those before the level's end, and the others, which are at its start.
    ///
    /// # Panics
    ///
    /// When the level is smaller than that.
    #[inline]
    fn place(self, position: u64, len: usize) -> (SharedBytes<'a>, SharedBytes<'a>) {
        let size = self.0.len();
        assert!(len <= size, "a message larger than the ring");
        // The size is a power of two.
        let at = position as usize & (size - 1);
        let first = len.min(size - at);
        (self.0.range(at, at + first), self.0.range(0, len - first))
    }
}

/// What a message of `len` bytes takes, in bytes.
#[inline]
fn need_of(len: usize) -> u64 {
    (len as u64).saturating_add(RECORD + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// Where a level starts in the region.
#[inline]
fn start_of(level: u64) -> u64 {
    HEAD + FIRST * ((1 << level) - 1)
}

fn end_of(level: u64) -> u64 {
    start_of(level) + RingWords::size(level)
}

/// How large a region to ask for, in bytes: its levels are those that `bound` messages of `width` bytes each can need, or all
/// of them where either is not known; and no more than a file of `most` bytes can hold, but one at least.
pub(super) fn region_len(bound: usize, width: Option<usize>, most: u64) -> usize {
    let needed = width.and_then(|width| need_of(width).checked_mul(bound as u64)).unwrap_or(u64::MAX);
    let is_enough = |level: u64| RingWords::size(level) >= needed || level + 1 == LEVELS || end_of(level + 1) > most;
    let highest = (0..LEVELS).find(|&level| is_enough(level)).unwrap_or(0);
    end_of(highest) as usize
}

/// Puts messages into a ring, and takes some out, whose words and bytes are anything.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_ring(data: &[u8]) {
    use std::sync::atomic::Ordering::Relaxed;

    thread_local! {
        static RING: Ring = {
            let len = region_len(1, Some(2 << 20), u64::MAX);
            Ring::new(Region::in_parts(len).expect("memory for a ring"), 0)
        };
    }
    let (head, bytes) = data.split_at(data.len().min(48));
    RING.with(|ring| {
        let first = ring.level(0).expect("the first level is mapped");
        first.write(0, &bytes[..bytes.len().min(RingWords::size(0) as usize)]);
        let (which, words) = head.split_at(head.len().min(2));
        for (at, word) in words.chunks_exact(8).enumerate() {
            let word = word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            ring.words().raw(which[0] & 1 == 0)[at % 5].store(word, Relaxed);
        }
        let mut message = Vec::new();
        for step in which.iter().flat_map(|byte| (0..4).map(move |at| byte >> (2 * at) & 3)) {
            match step {
                0 => drop(ring.pop(&mut [0; 8], &mut message)),
                1 => {
                    if let Ok(Space::Enough(slot)) = ring.room(bytes.len(), usize::MAX) {
                        slot.fill(&[], bytes, 0);
                    }
                }
                2 => drop(ring.grow(bytes.len())),
                _ if ring.may_shrink() => ring.shrink(),
                _ => drop(ring.pop(&mut [], &mut message)),
            }
        }
        // As if it were new, so that each run is the same.
        for holds in [true, false] {
            ring.words().raw(holds).iter().for_each(|word| word.store(0, Relaxed));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::words::marks::Mark;
    use std::sync::atomic::Ordering::Relaxed;

    /// A ring whose highest level has room for so many bytes.
    fn ring(bytes: usize) -> Ring {
        Ring::new(Region::in_parts(region_len(1, Some(bytes - RECORD as usize), u64::MAX)).unwrap(), 0)
    }

    fn refusal<T>(outcome: Result<T, Trouble>) -> Option<RingError> {
        match outcome {
            Err(Trouble::Ring(error)) => Some(error),
            _ => None,
        }
    }

    /// Puts a message in, as a sender does.
    fn push(ring: &Ring, bytes: &[u8], handles: u64) -> Result<(), Trouble> {
        loop {
            match ring.room(bytes.len(), usize::MAX)? {
                Space::Enough(slot) => {
                    slot.fill(&[], bytes, handles);
                    return Ok(());
                }
                _ => ring.grow(bytes.len())?,
            }
        }
    }

    /// Takes a message out, as a receiver does.
    fn pop(ring: &Ring) -> Result<Option<(Vec<u8>, u64)>, Trouble> {
        let (mut short, mut bytes) = ([0; 8], vec![7]);
        let popped = ring.pop(&mut short, &mut bytes)?;
        if ring.may_shrink() {
            ring.shrink();
        }
        Ok(popped.map(|popped| match popped {
            Popped::Short => (short.to_vec(), 0),
            Popped::Long { handles } => (bytes, handles),
        }))
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
        assert_eq!(pop(&ring(64)).unwrap(), None);
    }

    #[test]
    fn a_message_larger_than_the_ring_is_refused_and_changes_nothing() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        assert_eq!(refusal(push(&ring, &vec![0; 2 << 20], 0)), Some(RingError::TooLarge));
        assert_eq!(pop(&ring).unwrap().unwrap().0, b"first");
    }

    #[test]
    fn a_change_that_was_not_committed_never_was() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        // What a sender does that is killed before its last store: in a message, and in a move.
        let Ok(Space::Enough(slot)) = ring.room(100, 2) else { panic!("there is room") };
        slot.level.write(slot.gap.position(), &[0xff; 100]);
        for word in ring.words().raw(false) {
            word.store(u64::MAX, Relaxed);
        }
        assert_eq!(pop(&ring).unwrap().unwrap().0, b"first");
        assert_eq!(pop(&ring).unwrap(), None);
    }

    #[test]
    fn a_full_ring_has_room_again_when_one_was_taken_out() {
        let ring = ring(64);
        for number in 0..1000 {
            assert!(matches!(ring.room(8, 2), Ok(Space::Enough(_))));
            push(&ring, &message(number, 8), 0).unwrap();
            if number > 0 {
                assert!(matches!(ring.room(8, 2), Ok(Space::Full)));
                assert_eq!(ring.len(), 2);
                assert_eq!(pop(&ring).unwrap().unwrap().0, message(number - 1, 8));
            }
        }
    }

    #[test]
    fn marks_count_on_where_they_wrap_around() {
        let ring = ring(64);
        ring.words().begin_at(Mark::new(u32::MAX - 1, u32::MAX - 6));
        for number in 0..5 {
            push(&ring, &message(number, 20), number).unwrap();
        }
        assert_eq!(ring.len(), 5);
        for number in 0..5 {
            assert_eq!(pop(&ring).unwrap().unwrap(), (message(number, 20), number));
        }
        assert_eq!((pop(&ring).unwrap(), ring.len()), (None, 0));
    }

    #[test]
    fn a_ring_has_the_levels_that_its_messages_can_need_and_a_file_can_hold() {
        let all = end_of(LEVELS - 1) as usize;
        for (bound, width, most, len) in [
            (usize::MAX, None, u64::MAX, all),
            (1, None, u64::MAX, all),
            (usize::MAX, Some(8), u64::MAX, all),
            (1, Some(8), u64::MAX, end_of(0) as usize),
            // 16 bytes a message: 256 KiB, and one more.
            (16 << 10, Some(8), u64::MAX, end_of(0) as usize),
            ((16 << 10) + 1, Some(1), u64::MAX, end_of(1) as usize),
            (1 << 20, Some(8), u64::MAX, end_of(6) as usize),
            (1 << 20, Some(8), end_of(3), end_of(3) as usize),
            (usize::MAX, None, end_of(5) - 1, end_of(4) as usize),
            (usize::MAX, None, end_of(5), end_of(5) as usize),
            // Less than a queue can be: to make it is refused.
            (usize::MAX, None, 0, end_of(0) as usize),
        ] {
            assert_eq!(region_len(bound, width, most), len, "{bound} of {width:?} in {most}");
        }
    }

    #[test]
    fn rubbish_in_the_words_is_found_out() {
        let ring = ring(1 << 20);
        push(&ring, b"first", 0).unwrap();
        for word in 0..5 {
            for holds in [true, false] {
                let words = || ring.words().raw(holds)[word];
                let before = words().load(Relaxed);
                for rubbish in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 31] {
                    words().store(rubbish, Relaxed);
                    let _ = push(&ring, b"x", 0);
                    let _ = pop(&ring);
                }
                words().store(before, Relaxed);
            }
        }
    }
}
