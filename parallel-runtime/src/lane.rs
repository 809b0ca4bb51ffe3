//! The lane: the two-way path between a parent and one worker.
//!
//! # Protocol
//!
//! Parcels go round the two slots in turn, at both ends. The parent fills an empty slot, then knocks; the worker ends a parcel,
//! then rings the [bell](crate::bell). A parcel that runs can be divided. What each word of that means, and why none is lost, stands
//! in [`memory::words`](crate::memory::words).
//!
//! The worker publishes that it starts an item before it touches it, and that it is done after its reply is written, at the
//! latest when it starts the next, so that a death shows which item it died of, and the replies before it are whole
//! ([`memory::reply`](crate::memory::reply) does both).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use crate::bell::look;
use crate::config;
use crate::memory::layout::{LANE, LaneMemory, MAGIC, SLOTS, SharedBytes, crowd};
use crate::memory::reply::{self, ReplyWriter};
use crate::memory::step::{Phase, Step};
use crate::memory::words::slot::{Found, State};
use crate::sys::memory::{self, Mapping};
use crate::sys::wait;

/// The parent's end.
#[derive(Debug)]
pub(crate) struct Lane {
    memory: LaneMemory,
    posted: u64,
}

/// How far a worker has come with a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Whether the worker has taken it up.
    pub(crate) taken: bool,
    pub(crate) ended: bool,
    pub(crate) started: usize,
    pub(crate) done: usize,
    /// The monotonic clock at the start of the latest item, in nanoseconds.
    pub(crate) started_at: u64,
}

impl Lane {
    /// Makes a lane, and the descriptor by which a worker finds it.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let descriptor = memory::create(LANE)?;
        let memory = LaneMemory::new(Mapping::shared(descriptor.as_fd(), LANE)?);
        memory.header().magic.store(MAGIC, Release);
        Ok((Self { memory, posted: 0 }, descriptor))
    }

    /// The number that the next parcel gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.posted
    }

    /// Tells the worker how many others are at work, on so many cores.
    pub(crate) fn tell_crowd(&self, others: usize, cores: usize) {
        let crowd = match others / cores.max(1) {
            0 => crowd::ROOM,
            1..crowd::MANY => crowd::CROWD,
            _ => crowd::THRONG,
        };
        self.memory.header().door.crowd.store(crowd, Relaxed);
    }

    /// Posts a parcel, its head and its items, into the next slot, which is empty; false, and nothing is posted, when it does not
    /// fit.
    pub(crate) fn post(&mut self, head: &[u8], items: &[u8]) -> bool {
        let slot = slot_of(self.posted);
        let fits = self.memory.write_arguments(slot, head.len(), items) && self.memory.write_arguments(slot, 0, head);
        if fits {
            self.fill(head.len() + items.len(), false);
        }
        fits
    }

    /// Posts a parcel of `len` bytes that is in a block on the control channel.
    pub(crate) fn announce(&mut self, len: usize) {
        self.fill(len, true);
    }

    fn fill(&mut self, len: usize, in_block: bool) {
        let index = slot_of(self.posted);
        let slot = self.memory.slot(index);
        slot.progress.step.clear();
        slot.progress.begun_at.store(0, Relaxed);
        slot.progress.beside.store(0, Relaxed);
        slot.order.in_block.store(u32::from(in_block), Relaxed);
        slot.order.number.store(self.posted, Release);
        slot.order.len.store(len as u64, Relaxed);
        slot.order.limit.open();
        slot.order.state.fill();
        self.posted += 1;
        self.knock();
    }

    /// Whether the worker sleeps, or is about to.
    pub(crate) fn is_asleep(&self) -> bool {
        self.memory.header().door.knocks.is_asleep()
    }

    /// Whether the worker, when it was last seen, ran on this very core, or has yet to be given one: the system does not
    /// always see that another is free.
    pub(crate) fn may_share_core(&self) -> bool {
        let latest = slot_of(self.posted.saturating_sub(1));
        self.is_asleep() || self.memory.slot(latest).progress.core.load(Relaxed) == wait::core()
    }

    fn knock(&self) {
        let door = &self.memory.header().door;
        door.core.store(wait::core(), Relaxed);
        door.knocks.knock();
    }

    /// How far parcel `number`, one of the latest two, has come.
    pub(crate) fn progress(&self, number: u64) -> Progress {
        let slot = self.memory.slot(slot_of(number));
        let state = slot.order.state.state();
        let step = slot.progress.step.read();
        Progress {
            taken: matches!(state, State::Running | State::Done),
            ended: state == State::Done,
            started: step.started(),
            done: step.done(),
            started_at: slot.progress.started_at.load(Acquire),
        }
    }

    /// Whether the worker has passed by all parcels that were revoked; these are `in_hand`.
    pub(crate) fn has_passed(&self, in_hand: impl Iterator<Item = u64> + Clone) -> bool {
        let is_held = |index: usize| in_hand.clone().any(|number| slot_of(number) == index);
        let mut others = (0..SLOTS).filter(|&index| !is_held(index));
        others.all(|index| self.memory.slot(index).order.state.state() == State::Empty)
    }

    /// Whether the worker needs nothing more of parcel `number`.
    pub(crate) fn is_over(&self, number: u64) -> bool {
        let order = &self.memory.slot(slot_of(number)).order;
        order.number.load(Acquire) != number || order.state.state() == State::Empty
    }

    /// Whether the worker has taken parcel `number` up, and whether it has ended. Looks at no word that the worker writes while it
    /// runs the parcel: each such look takes the word's line of the cache from it.
    pub(crate) fn is_taken(&self, number: u64) -> (bool, bool) {
        let state = self.memory.slot(slot_of(number)).order.state.state();
        (matches!(state, State::Running | State::Done), state == State::Done)
    }

    /// When the worker took parcel `number` up, by the monotonic clock in nanoseconds; 0 before.
    pub(crate) fn begun_at(&self, number: u64) -> u64 {
        self.memory.slot(slot_of(number)).progress.begun_at.load(Acquire)
    }

    /// Whether parcel `number` has ended.
    pub(crate) fn is_done(&self, number: u64) -> bool {
        self.memory.slot(slot_of(number)).order.state.state() == State::Done
    }

    /// What has been replied to parcel `number`, which has ended; `None`: what is there is no reply to it, because somebody
    /// wrote over the words that say so.
    pub(crate) fn reply(&self, number: u64) -> Option<SharedBytes<'_>> {
        reply::read(&self.memory, slot_of(number), number)
    }

    /// The same of one that may be running, or have died.
    pub(crate) fn reply_so_far(&self, number: u64) -> Option<Vec<u8>> {
        reply::read_so_far(&self.memory, slot_of(number), number)
    }

    /// Whether some of the reply to parcel `number` travels beside the lane.
    pub(crate) fn replies_beside(&self, number: u64) -> bool {
        self.memory.slot(slot_of(number)).progress.beside.load(Acquire) != 0
    }

    /// How long parcel `number`, which has ended, ran.
    pub(crate) fn elapsed(&self, number: u64) -> Duration {
        Duration::from_nanos(self.memory.slot(slot_of(number)).progress.elapsed.load(Acquire))
    }

    /// Gives the slot of parcel `number`, which has ended, to the next.
    pub(crate) fn release(&self, number: u64) {
        self.memory.slot(slot_of(number)).order.state.release();
    }

    /// Whether the words of the protocol were overwritten, as far as that shows: `in_hand` are the parcels that the worker
    /// holds.
    pub(crate) fn is_spoilt(&self, mut in_hand: impl Iterator<Item = u64> + Clone) -> bool {
        let whole = (0..SLOTS).all(|index| {
            let held = in_hand.clone().any(|number| slot_of(number) == index);
            let state = self.memory.slot(index).order.state.state();
            if held {
                matches!(state, State::Filled | State::Running | State::Done)
            } else {
                matches!(state, State::Empty | State::Revoked)
            }
        });
        let numbers = in_hand.all(|number| self.memory.slot(slot_of(number)).order.number.load(Relaxed) == number);
        !(whole && numbers && self.memory.header().magic.load(Relaxed) == MAGIC)
    }

    /// Takes parcel `number` back; false when the worker has taken it up. A block that goes with it lies in the control
    /// channel already: the worker drops it as it passes the slot by.
    pub(crate) fn revoke(&self, number: u64) -> bool {
        self.memory.slot(slot_of(number)).order.state.revoke()
    }

    /// Tells the worker to end parcel `number` after the item it is on.
    pub(crate) fn cancel(&self, number: u64) {
        self.memory.slot(slot_of(number)).order.limit.cancel();
    }

    /// Whether parcels that run can be divided.
    pub(crate) fn is_divisible(&self) -> bool {
        self.memory.header().divisible.load(Acquire) != 0
    }

    /// Tells the worker to run only the first `keep` items of parcel `number`. Returns how many it runs at most: the first
    /// that are not among them are certainly not started. `None`: it cannot be told.
    pub(crate) fn divide(&self, number: u64, keep: usize) -> Option<usize> {
        if !self.is_divisible() {
            return None;
        }
        let slot = self.memory.slot(slot_of(number));
        slot.order.limit.lower(u32::try_from(keep).ok()?, || slot.progress.step.read().started())
    }

    /// As if the worker had taken parcel `number` up and been stopped right there, where parcels cannot be divided.
    #[cfg(test)]
    pub(crate) fn pretend_taken(&self, number: u64) {
        assert_eq!(self.memory.slot(slot_of(number)).order.state.take(), Found::Parcel);
        self.memory.header().divisible.store(0, Release);
    }

    /// As if somebody had written over its words.
    #[cfg(test)]
    pub(crate) fn spoil(&self) {
        self.memory.header().magic.store(0, Release);
    }

    /// Tells the worker to look into the control channel.
    pub(crate) fn announce_mail(&self) {
        self.memory.header().door.mail.fetch_add(1, Release);
        self.knock();
    }

    /// Tells the worker to end once nothing is left for it, and to take no longer than this for it.
    pub(crate) fn stop(&self, within: Duration) {
        let within = u32::try_from(within.as_millis()).unwrap_or(u32::MAX).max(1);
        self.memory.header().door.stop.store(within, Release);
        self.knock();
    }
}

fn slot_of(number: u64) -> usize {
    // The remainder is smaller than the number of slots.
    (number % SLOTS as u64) as usize
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct WorkerLane {
    memory: LaneMemory,
    taken: u64,
    /// How much mail was read.
    mail: u32,
    /// How long the latest parcel ran.
    ran: Duration,
}

/// What a worker is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    /// A parcel of `len` bytes, which are here, or in a block on the control channel.
    Parcel { number: u64, len: usize, in_block: bool },
    /// A parcel that was taken back. The slot has room again, which the parent does not know; and a block that goes with
    /// it is still on the control channel.
    Revoked { number: u64, in_block: bool },
    /// Look into the control channel.
    Mail,
    /// Nothing, for as long as the worker would wait.
    Nothing,
    /// Told to stop, and take no longer than this for it; `None`: the words are spoilt so that nothing would ever be found.
    Stop { within: Option<Duration> },
}

impl WorkerLane {
    /// The mapping of its words and areas.
    pub(crate) fn mapping(&mut self) -> &mut Mapping {
        self.memory.mapping()
    }

    /// Finds the lane behind a descriptor.
    pub(crate) fn open(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let memory = LaneMemory::new(Mapping::shared(descriptor, LANE)?);
        if memory.header().magic.load(Acquire) != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the lane's layout is another version's"));
        }
        memory.header().divisible.store(u32::from(wait::is_ordered()), Release);
        Ok(Self { memory, taken: 0, mail: 0, ran: Duration::ZERO })
    }

    /// Waits for something to do, at most so long; calls `sleeps` before it does, once it has said so.
    pub(crate) fn take(&mut self, patience: Option<Duration>, sleeps: impl Fn()) -> Work {
        let mut waited = false;
        loop {
            let door = &self.memory.header().door;
            let knocks = door.knocks.count();
            // Before the slot: whoever posts and then stops has posted by then.
            let stop = door.stop.load(Acquire);
            let mail = door.mail.load(Acquire);
            let index = slot_of(self.taken);
            let word = &self.memory.slot(index).order.state;
            // Parcels come in turn: where the next one but one is there, the next one is, too.
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
        // SAFETY: only the parent writes there, and only where the slot is empty; this one is taken, and `end` needs this
        // very lane for itself.
        unsafe { self.memory.arguments(slot_of(number), len) }
    }

    /// Starts the reply to parcel `number`; with the start of each item noted, if they are `timed`.
    pub(crate) fn reply(&self, number: u64, timed: bool) -> ReplyWriter<'_> {
        ReplyWriter::new(&self.memory, slot_of(number), number, timed)
    }

    /// Waits until the parent knocks again after `knocks`, at most so long.
    fn wait(&self, knocks: u32, patience: Option<Duration>, sleeps: impl Fn()) {
        let door = &self.memory.header().door;
        // Who knocks may be waiting for this very core.
        let is_shared = self.ran >= config::WORTH_A_SWITCH && door.core.load(Relaxed) == wait::core();
        let shared = if is_shared { crowd::CROWD } else { crowd::ROOM };
        if look(door.knocks.word(), knocks, door.crowd.load(Relaxed).max(shared)) {
            return;
        }
        door.knocks.sleep(knocks, patience, sleeps);
    }

    /// Whether nobody wants the rest of parcel `number`.
    pub(crate) fn is_cancelled(&self, number: u64) -> bool {
        self.memory.slot(slot_of(number)).order.limit.is_cancelled()
    }

    /// Says that an item of parcel `number`, which is to be merged, or a merge is being worked on, and that `before` others
    /// were.
    pub(crate) fn begin_merged(&self, number: u64, before: u32, timed: bool) {
        let progress = &self.memory.slot(slot_of(number)).progress;
        if timed {
            progress.started_at.store(wait::monotonic_nanos(), Release);
        }
        progress.step.publish(Step::new(Phase::Merging, before + 1, 0));
    }

    /// Ends parcel `number`.
    pub(crate) fn end(&mut self, number: u64) {
        let slot = self.memory.slot(slot_of(number));
        let elapsed = wait::monotonic_nanos().saturating_sub(slot.progress.begun_at.load(Relaxed));
        self.ran = Duration::from_nanos(elapsed);
        slot.progress.elapsed.store(elapsed, Relaxed);
        slot.order.state.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_hears_of_a_parcel_that_was_taken_back_and_of_its_block() {
        let (mut lane, descriptor) = Lane::create().unwrap();
        let mut worker = WorkerLane::open(descriptor.as_fd()).unwrap();
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
