//! The worker's end of a lane.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::bell::look;
use super::memory::{LANE, LaneMemory, MAGIC, crowd, slot_of};
use super::reply::ReplyWriter;
use super::step::{Phase, Step};
use super::words::slot::{Found, State};
use crate::sys::BorrowedDescriptor;
use crate::sys::memory::Mapping;
use crate::sys::wait;
use crate::tuning;

/// The worker's end.
#[derive(Debug)]
pub(crate) struct WorkerLane {
    memory: LaneMemory,
    taken: u64,
    /// How much mail was read.
    mail: u32,
    /// How long the latest parcel ran.
    ran: Duration,
    /// A reply was longer than usual ones since the reply areas were narrowed.
    wide: bool,
}

/// What a worker is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    /// A parcel of `len` bytes, which are here, or in a block on the control channel.
    Parcel { number: u64, len: usize, in_block: bool },
    /// A parcel that was taken back. Its slot is empty again, which the parent does not know; a block that goes with it is
    /// still on the control channel.
    Revoked { number: u64, in_block: bool },
    /// Look into the control channel.
    Mail,
    /// Nothing, for as long as the worker would wait.
    Nothing,
    /// End, in at most `within`; `None`: the lane's words are spoilt, so that no parcel would ever be found.
    Stop { within: Option<Duration> },
}

impl WorkerLane {
    /// The mapping of its words and areas.
    pub(crate) fn mapping(&mut self) -> &mut Mapping {
        self.memory.mapping()
    }

    /// Finds the lane behind a descriptor.
    pub(crate) fn open(descriptor: BorrowedDescriptor<'_>) -> io::Result<Self> {
        let memory = LaneMemory::new(Mapping::shared(descriptor, LANE)?);
        if memory.header().magic.load(Acquire) != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the lane's layout is another version's"));
        }
        memory.header().divisible.store(u32::from(wait::is_ordered()), Release);
        Ok(Self { memory, taken: 0, mail: 0, ran: Duration::ZERO, wide: false })
    }

    /// Waits for something to do, at most for `patience`; calls `sleeps` before it sleeps, once the parent can see that it
    /// does.
    pub(crate) fn take(&mut self, patience: Option<Duration>, sleeps: impl Fn()) -> Work {
        let mut waited = false;
        loop {
            let door = &self.memory.header().door;
            let knocks = door.knocks.count();
            // Read before the slot: a parent that posts a parcel and then stops the worker has filled the slot by then.
            let stop = door.stop.load(Acquire);
            let mail = door.mail.load(Acquire);
            let index = slot_of(self.taken);
            let word = &self.memory.slot(index).order.state;
            // Parcels come in turn: a parcel in the slot after this one, and none in this one, means spoilt words.
            let ahead = self.memory.slot(slot_of(self.taken + 1)).order.state.state() == State::Filled;
            match word.take() {
                Found::Parcel => return self.open_slot(index).unwrap_or(Work::Stop { within: None }),
                Found::Revoked => {
                    let in_block = self.memory.slot(index).order.in_block.load(Relaxed) != 0;
                    word.pass();
                    self.taken += 1;
                    return Work::Revoked { number: self.taken - 1, in_block };
                }
                Found::Nothing if ahead => return Work::Stop { within: None },
                Found::Nothing if mail != self.mail => {
                    self.mail = mail;
                    return Work::Mail;
                }
                Found::Nothing => {
                    if stop != 0 {
                        return Work::Stop { within: Some(Duration::from_millis(stop.into())) };
                    }
                    if waited && patience.is_some() {
                        return Work::Nothing;
                    }
                    self.wait(knocks, patience, &sleeps);
                    waited = true;
                }
                Found::Spoilt => return Work::Stop { within: None },
            }
        }
    }

    /// Whether the parent has taken in what was replied to parcel `number`, an earlier one.
    pub(crate) fn is_taken_in(&self, number: u64) -> bool {
        let order = &self.memory.slot(slot_of(number)).order;
        order.number.load(Acquire) != number || order.state.state() == State::Empty
    }

    /// `None` where the slot holds another parcel than the next: its words are spoilt.
    fn open_slot(&mut self, index: usize) -> Option<Work> {
        let order = &self.memory.slot(index).order;
        let len = usize::try_from(order.len.load(Relaxed)).unwrap_or(usize::MAX);
        let in_block = order.in_block.load(Relaxed) != 0;
        let number = self.taken;
        if order.number.load(Relaxed) != number {
            return None;
        }
        self.taken += 1;
        let progress = &self.memory.slot(index).progress;
        progress.core.store(wait::core(), Relaxed);
        progress.begun_at.store(wait::monotonic_nanos(), Release);
        Some(Work::Parcel { number, len, in_block })
    }

    /// The bytes of parcel `number`, which was taken and has not ended, of this length.
    pub(crate) fn parcel(&self, number: u64, len: usize) -> &[u8] {
        // SAFETY: only the parent writes here, and only while the slot is empty. It is running until `end`, which takes
        // `&mut self`, so not while the bytes are borrowed.
        unsafe { self.memory.arguments(slot_of(number), len).still() }
    }

    /// Starts the reply to parcel `number`; with the start of each item noted, if they are `timed`.
    pub(crate) fn reply(&self, number: u64, timed: bool) -> ReplyWriter<'_> {
        ReplyWriter::new(&self.memory, slot_of(number), number, timed)
    }

    /// Waits until the parent knocks again after `knocks`, at most so long.
    fn wait(&self, knocks: u32, patience: Option<Duration>, sleeps: impl Fn()) {
        let door = &self.memory.header().door;
        // A parent that knocked from this very core may be waiting for it: yield while looking.
        let is_shared = self.ran >= tuning::WORTH_A_SWITCH && door.core.load(Relaxed) == wait::core();
        let shared = if is_shared { crowd::CROWD } else { crowd::ROOM };
        if look(door.knocks.word(), knocks, door.crowd.load(Relaxed).max(shared)) {
            return;
        }
        door.knocks.sleep(knocks, patience, sleeps);
    }

    /// Whether the parent wants no further item of parcel `number`.
    pub(crate) fn is_cancelled(&self, number: u64) -> bool {
        self.memory.slot(slot_of(number)).order.limit.is_cancelled()
    }

    /// Publishes that an item of parcel `number` that is to be merged, or a merge, is being worked on, behind `before`
    /// others.
    pub(crate) fn begin_merged(&self, number: u64, before: u32, timed: bool) {
        let progress = &self.memory.slot(slot_of(number)).progress;
        if timed {
            progress.started_at.store(wait::monotonic_nanos(), Release);
        }
        progress.step.publish(Step::new(Phase::Merging, before + 1, 0));
    }

    /// Whether long replies have taken memory.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide
    }

    /// Gives back the memory that long replies have taken, while no parcel runs.
    pub(crate) fn narrow(&mut self) {
        self.wide = false;
        for slot in 0..tuning::SLOTS {
            // Only this process writes replies; the parent reads those of a slot that is not empty.
            if self.memory.slot(slot).order.state.state() == State::Empty {
                self.memory.narrow_reply(slot);
            } else {
                self.wide = true;
            }
        }
    }

    /// Ends parcel `number`.
    pub(crate) fn end(&mut self, number: u64) {
        let slot = self.memory.slot(slot_of(number));
        let elapsed = wait::monotonic_nanos().saturating_sub(slot.progress.begun_at.load(Relaxed));
        self.ran = Duration::from_nanos(elapsed);
        self.wide |= slot.progress.step.read().filled() > tuning::USUAL_AREA;
        slot.progress.elapsed.store(elapsed, Relaxed);
        slot.order.state.end();
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::lane::parent::Lane;
    use crate::sys::AsDescriptor;

    #[test]
    fn the_worker_hears_of_a_parcel_that_was_taken_back_and_of_its_block() {
        let (mut lane, descriptor) = Lane::create().unwrap();
        let mut worker = WorkerLane::open(descriptor.as_descriptor()).unwrap();
        assert!(lane.post(b"in ", b"the lane"));
        lane.announce(1 << 20);
        for (number, in_a_block) in [(0, false), (1, true)] {
            assert!(lane.revoke(number));
            assert!(!lane.revoke(number));
            let taken = worker.take(None, || ());
            assert!(
                matches!(taken, Work::Revoked { number: n, in_block } if (n, in_block) == (number, in_a_block)),
                "{taken:?}"
            );
        }
        assert!(lane.post(b"the ", b"next"));
        assert!(matches!(worker.take(None, || ()), Work::Parcel { number: 2, len: 8, in_block: false }));
        assert_eq!(worker.parcel(2, 8), b"the next");
    }
}
