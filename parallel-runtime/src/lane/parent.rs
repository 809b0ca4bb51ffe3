//! The parent's end of a lane.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::memory::{LANE, LaneMemory, MAGIC, crowd, slot_of};
use super::reply;
use super::words::slot::State;
use crate::sys::bytes::SharedBytes;
use crate::sys::memory::{self, Mapping};
use crate::sys::wait;
use crate::sys::{AsDescriptor, Descriptor};
use crate::tuning::{self, SLOTS};

/// The parent's end.
#[derive(Debug)]
pub(crate) struct Lane {
    memory: LaneMemory,
    posted: u64,
}

/// How far a worker has come with a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Whether the worker has taken the parcel up.
    pub(crate) taken: bool,
    pub(crate) ended: bool,
    pub(crate) started: usize,
    pub(crate) done: usize,
    /// The monotonic clock at the start of the latest item, in nanoseconds.
    pub(crate) started_at: u64,
}

impl Lane {
    /// Makes a lane, and the descriptor by which a worker finds it.
    pub(crate) fn create() -> io::Result<(Self, Descriptor)> {
        let descriptor = memory::create(LANE)?;
        let memory = LaneMemory::new(Mapping::shared(descriptor.as_descriptor(), LANE)?);
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
            1..tuning::THRONG => crowd::CROWD,
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

    /// Whether the worker took up its latest parcel on this very core, or sleeps: the scheduler may wake it on this core
    /// although another is free.
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

    /// Whether the worker has passed by all revoked parcels. `in_hand`: the parcels that it still holds.
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

    /// The reply to parcel `number`, which has ended. `None`: the words in front of it were overwritten, so it is no reply
    /// to that parcel.
    pub(crate) fn reply(&self, number: u64) -> Option<SharedBytes<'_>> {
        reply::read(&self.memory, slot_of(number), number)
    }

    /// The same of a parcel that may be running, or whose worker has died.
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

    /// Empties the slot of parcel `number`, which has ended, for the next parcel.
    pub(crate) fn release(&self, number: u64) {
        self.memory.slot(slot_of(number)).order.state.release();
    }

    /// Gives back memory that large parcels have taken; false where the worker has yet to run or pass a parcel.
    pub(crate) fn narrow(&self) -> bool {
        // Only this process writes arguments, and only into an empty slot; a worker reads those of a slot that is not empty.
        let is_empty = |slot: usize| self.memory.slot(slot).order.state.state() == State::Empty;
        let empty = (0..SLOTS).all(is_empty);
        if empty {
            (0..SLOTS).for_each(|slot| self.memory.narrow_arguments(slot));
        }
        empty
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

    /// Tells the worker to run only the first `keep` items of parcel `number`. Returns how many items the worker runs at
    /// most: it will start none behind them. `None`: that cannot be known.
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
        let taken = self.memory.slot(slot_of(number)).order.state.take();
        assert_eq!(taken, super::words::slot::Found::Parcel);
        self.memory.header().divisible.store(0, Release);
    }

    /// As if a task had overwritten the lane's words.
    #[cfg(test)]
    pub(crate) fn spoil(&self) {
        self.memory.header().magic.store(0, Release);
    }

    /// Tells the worker to look into the control channel.
    pub(crate) fn announce_mail(&self) {
        self.memory.header().door.mail.fetch_add(1, Release);
        self.knock();
    }

    /// Tells the worker to end, in at most `within`, once nothing is left for it.
    pub(crate) fn stop(&self, within: Duration) {
        let within = u32::try_from(within.as_millis()).unwrap_or(u32::MAX).max(1);
        self.memory.header().door.stop.store(within, Release);
        self.knock();
    }
}
