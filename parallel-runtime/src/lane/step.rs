//! How far a worker has come with a parcel, in one word: an item costs the worker one store, and one load shows the parent
//! all of it.
//!
//! ```text
//! bits 40…63  how many bytes of the reply area are filled
//! bits  2…39  how many items were started
//! bits  0…1   the phase
//! ```

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::tuning::LANE_AREA;

/// What the worker does with the item that it started last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It is done, or there was none yet.
    Between = 0,
    /// It runs, or has just ended; those before it are done.
    Running = 1,
    /// It is to be merged, or is merged with those before it: nothing is done until all are. More were started than there are
    /// items: the excess counts merges.
    Merging = 2,
    /// All are merged; or it, or a merge, has failed for all.
    Merged = 3,
}

const PHASE_BITS: u32 = 2;
const FILLED_FROM: u32 = 40;
const _: () = assert!(LANE_AREA < 1 << (u64::BITS - FILLED_FROM));

/// How far a worker has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(u64);

impl Step {
    /// So many items were started, and so many bytes of the reply area hold what is done, with the parcel's number at its
    /// start.
    pub(crate) fn new(phase: Phase, started: u32, filled: usize) -> Self {
        Self((filled as u64) << FILLED_FROM | u64::from(started) << PHASE_BITS | phase as u64)
    }

    /// The same phase `items` items later, if the reply to each has so many bytes.
    #[inline(always)]
    pub(crate) fn later(self, items: u32, width: usize) -> Self {
        Self(self.0 + u64::from(items) * ((width as u64) << FILLED_FROM | 1 << PHASE_BITS))
    }

    /// Before the item that is running: it is not worked on after all.
    #[inline(always)]
    pub(crate) fn before(self) -> Self {
        Self(self.0 - (1 << PHASE_BITS) - Phase::Running as u64)
    }

    pub(crate) fn phase(self) -> Phase {
        match self.0 & 3 {
            0 => Phase::Between,
            1 => Phase::Running,
            2 => Phase::Merging,
            _ => Phase::Merged,
        }
    }

    /// How many items were started.
    pub(crate) fn started(self) -> usize {
        // No more bits than a number of items has on a machine of 64.
        usize::try_from((self.0 & ((1 << FILLED_FROM) - 1)) >> PHASE_BITS).unwrap_or(usize::MAX)
    }

    /// How many of them have a reply, at most; [`Merged`](Phase::Merged): however many there are.
    pub(crate) fn done(self) -> usize {
        match self.phase() {
            Phase::Between => self.started(),
            Phase::Running => self.started().saturating_sub(1),
            Phase::Merging => 0,
            Phase::Merged => usize::MAX,
        }
    }

    /// How many bytes of the reply area hold it.
    pub(crate) fn filled(self) -> usize {
        usize::try_from(self.0 >> FILLED_FROM).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (started, filled) = (self.started(), self.filled());
        f.debug_struct("Step")
            .field("phase", &self.phase())
            .field("started", &started)
            .field("filled", &filled)
            .finish()
    }
}

/// The word of it in shared memory.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct StepWord(AtomicU64);

impl StepWord {
    /// Makes it say anything.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn set_raw(&self, word: u64) {
        self.0.store(word, Release);
    }

    /// Forgets the parcel before.
    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// Publishes it, and all that was written before.
    #[inline(always)]
    pub(crate) fn publish(&self, step: Step) {
        self.0.store(step.0, Release);
    }

    /// What was published last. Any bits are some step, also where a task has overwritten the word: the reader checks it
    /// against what is there.
    pub(crate) fn read(&self) -> Step {
        Step(self.0.load(Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_published() {
        let word = StepWord(AtomicU64::new(u64::MAX));
        word.clear();
        assert_eq!(word.read(), Step::new(Phase::Between, 0, 0));
        for phase in [Phase::Between, Phase::Running, Phase::Merging, Phase::Merged] {
            for started in [0, 1, 7, u32::MAX] {
                for filled in [0, 8, LANE_AREA] {
                    word.publish(Step::new(phase, started, filled));
                    let step = word.read();
                    assert_eq!((step.phase(), step.started(), step.filled()), (phase, started as usize, filled));
                }
            }
        }
    }

    #[test]
    fn what_runs_is_not_done() {
        assert_eq!(Step::new(Phase::Between, 7, 0).done(), 7);
        assert_eq!(Step::new(Phase::Running, 7, 0).done(), 6);
        assert_eq!(Step::new(Phase::Merging, 7, 0).done(), 0);
        assert_eq!(Step::new(Phase::Merged, 7, 0).done(), usize::MAX);
    }

    #[test]
    fn steps_follow_each_other() {
        let first = Step::new(Phase::Running, 3, 24);
        assert_eq!(first.later(5, 16), Step::new(Phase::Running, 8, 24 + 5 * 16));
        assert_eq!(first.before(), Step::new(Phase::Between, 2, 24));
    }

    #[test]
    fn rubbish_is_some_step() {
        for rubbish in [1, u64::MAX, u64::MAX - 1, 1 << 39, u64::MAX << 40] {
            let step = StepWord(AtomicU64::new(rubbish)).read();
            assert!(step.filled() < 1 << 24 && step.started() < 1 << 38, "{step:?}");
        }
        assert_eq!(StepWord(AtomicU64::new(1)).read().done(), 0, "an item that runs and was not started");
    }
}
