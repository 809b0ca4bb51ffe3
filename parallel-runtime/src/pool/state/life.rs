//! A worker's life, as one state: it starts, serves, and ends in one of several ways.
//!
//! ```text
//!            report_in             retire                stop
//! Starting ------------> Serving ----------> Retiring ----------> Stopping
//!    |  |                 |   |                                      ^ |
//!    |  |                 |   +-------------- stop ------------------+ |
//!    |  +-----------------|------------------ stop ------------------+ |
//!    +-------- kill ------+--------- kill ----------> Killed <- kill --+
//! ```
//!
//! From each of them it may be gone at any moment.

use std::time::Instant;

/// Why the pool killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killed {
    /// This item of this parcel ran too long.
    Timeout { parcel: u64, item: usize },
    /// It did not report in in time, or its initializer failed.
    Start,
    /// It did not stop in time.
    Stop,
    /// Something in it wrote over its lane.
    Spoilt,
    /// It is another user's than the program is by now, and had not reported in.
    Retired,
}

/// How far a worker had come in its life, which says how its end counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before it could serve: a start that failed.
    Starting,
    /// A worker lost, and replaced.
    Serving,
    /// The pool was ending it anyway.
    Leaving,
}

/// Why a worker is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The pool needs it no more: it has had its tasks, or the pool ends.
    Dismissed,
    /// Its end of the channel is closed: it is dead, or a task has closed the descriptor.
    CutOff,
}

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It has not reported in, or its initializer runs.
    Starting,
    /// It takes parcels.
    Serving,
    /// It gets no more parcels, and is told to stop once it has done what it runs.
    Retiring,
    /// It ends once it has done what it holds. If it holds nothing and has not ended by `by`, it is killed.
    Stopping {
        by: Instant,
        stage: Stage,
    },
    Killed {
        why: Killed,
        stage: Stage,
    },
}

impl Life {
    /// How far it has come.
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::Starting => Stage::Starting,
            Self::Serving => Stage::Serving,
            Self::Retiring => Stage::Leaving,
            Self::Stopping { stage, .. } | Self::Killed { stage, .. } => stage,
        }
    }

    /// Whether it has reported in, and its initializer has run.
    pub(crate) fn has_reported_in(self) -> bool {
        self.stage() != Stage::Starting
    }

    /// Why the pool killed it, if it did.
    pub(crate) fn killed(self) -> Option<Killed> {
        match self {
            Self::Killed { why, .. } => Some(why),
            _ => None,
        }
    }

    /// Whether it was killed because something in it wrote over its lane, in which nothing is believed then.
    pub(crate) fn is_spoilt(self) -> bool {
        self.killed() == Some(Killed::Spoilt)
    }

    /// When it is killed, if it was told to stop.
    pub(crate) fn stop_by(self) -> Option<Instant> {
        match self {
            Self::Stopping { by, .. } => Some(by),
            _ => None,
        }
    }

    /// It can work. One that was told to stop, or was killed, stays so.
    pub(crate) fn report_in(&mut self) {
        match self {
            Self::Starting => *self = Self::Serving,
            Self::Stopping { stage: stage @ Stage::Starting, .. } => *stage = Stage::Leaving,
            _ => {}
        }
    }

    /// It is to get no more parcels. False where it had not reported in: nothing is lost with it.
    #[must_use]
    pub(crate) fn retire(&mut self) -> bool {
        if *self == Self::Serving {
            *self = Self::Retiring;
        }
        self.has_reported_in()
    }

    /// It is to end until `by`. False: it was told to be quicker before, or was killed.
    #[must_use]
    pub(crate) fn stop(&mut self, by: Instant, why: StopReason) -> bool {
        let stage = match (*self, why) {
            (Self::Killed { .. }, _) => return false,
            (Self::Stopping { by: earlier, .. }, _) if earlier <= by => return false,
            (Self::Serving, StopReason::Dismissed) => Stage::Leaving,
            (life, _) => life.stage(),
        };
        *self = Self::Stopping { by, stage };
        true
    }

    /// It is killed. False: it was killed before, for another reason.
    #[must_use]
    pub(crate) fn kill(&mut self, why: Killed) -> bool {
        let stage = match why {
            Killed::Retired => Stage::Leaving,
            _ => self.stage(),
        };
        let is_first = self.killed().is_none();
        if is_first {
            *self = Self::Killed { why, stage };
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_end_counts_by_how_far_the_worker_had_come() {
        let by = Instant::now();
        let starting = Life::Starting;
        let serving = after(starting, Life::report_in);
        let retiring = after(serving, |life| assert!(life.retire()));
        let dismissed = after(serving, |life| assert!(life.stop(by, StopReason::Dismissed)));
        let cut_off = after(serving, |life| assert!(life.stop(by, StopReason::CutOff)));
        let stopped_early = after(starting, |life| assert!(life.stop(by, StopReason::Dismissed)));
        for (life, stage) in [
            (starting, Stage::Starting),
            (serving, Stage::Serving),
            (retiring, Stage::Leaving),
            (after(retiring, |life| assert!(life.stop(by, StopReason::CutOff))), Stage::Leaving),
            (dismissed, Stage::Leaving),
            (cut_off, Stage::Serving),
            (stopped_early, Stage::Starting),
            (after(stopped_early, Life::report_in), Stage::Leaving),
        ] {
            assert_eq!(life.stage(), stage, "{life:?}");
            assert_eq!(life.has_reported_in(), stage != Stage::Starting);
            for why in [Killed::Start, Killed::Stop, Killed::Spoilt] {
                assert_eq!(after(life, |life| assert!(life.kill(why))), Life::Killed { why, stage });
            }
            let retired = after(life, |life| assert!(life.kill(Killed::Retired)));
            assert_eq!(retired.stage(), Stage::Leaving);
        }
    }

    fn after<R>(mut life: Life, transition: impl FnOnce(&mut Life) -> R) -> Life {
        transition(&mut life);
        life
    }

    #[test]
    fn the_first_reason_to_kill_it_stays_and_so_does_the_earliest_end() {
        let now = Instant::now();
        let mut life = Life::Serving;
        assert!(life.stop(now + Duration::from_secs(10), StopReason::Dismissed));
        assert!(!life.stop(now + Duration::from_secs(11), StopReason::CutOff));
        assert!(life.stop(now + Duration::from_secs(1), StopReason::CutOff));
        assert_eq!(life, Life::Stopping { by: now + Duration::from_secs(1), stage: Stage::Leaving });
        assert!(life.kill(Killed::Stop) && !life.kill(Killed::Spoilt));
        assert!(!life.stop(now, StopReason::Dismissed));
        life.report_in();
        assert_eq!(life.killed(), Some(Killed::Stop));
    }

    #[test]
    fn a_worker_that_has_not_reported_in_is_not_retired_but_killed() {
        let mut life = Life::Starting;
        assert!(!life.retire());
        assert_eq!(life, Life::Starting);
    }
}
