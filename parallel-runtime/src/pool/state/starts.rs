//! How a pool's workers start: what failed, how long the pause before the next try is, and when the calls that wait for a
//! worker are told.

use std::io;
use std::process::ExitStatus;
use std::time::Instant;

use super::rules::Rules;

/// Why a worker could not start.
#[derive(Debug, Clone)]
pub(crate) struct StartError {
    pub(crate) kind: io::ErrorKind,
    pub(crate) text: String,
    /// How it ended, where a signal from outside ended it.
    pub(crate) ended_by: Option<ExitStatus>,
    pub(crate) recurrence: Recurrence,
}

/// Whether the next start will fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recurrence {
    /// The worker died, which the next need not: one such failure is no reason to give the pool up.
    Unlikely,
    /// The system, or the worker itself, refused.
    Likely,
    /// The initializer failed: another try gives the same.
    Certain,
}

impl StartError {
    /// A worker that could not work.
    pub(crate) fn of(kind: io::ErrorKind, text: String) -> Self {
        Self { kind, text, ended_by: None, recurrence: Recurrence::Likely }
    }
}

/// The starts of a pool's workers.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// Those that failed since the last that went well.
    failures: u32,
    /// Why the latest of them failed.
    latest: Option<StartError>,
    /// Why the first start failed that is likely to fail again; a later good start does not clear it.
    first: Option<StartError>,
    /// Whether calls fail with the latest error until the next try, rather than wait.
    hopeless: bool,
    retry_at: Option<Instant>,
}

impl Starts {
    /// A worker could not be started, or could not become one; returns when the next try is.
    pub(crate) fn failed(&mut self, error: StartError, now: Instant, rules: &Rules) -> Instant {
        self.failures += 1;
        self.hopeless = error.recurrence == Recurrence::Certain || self.failures >= rules.hopeless_starts;
        if error.recurrence != Recurrence::Unlikely || self.hopeless {
            self.first.get_or_insert_with(|| error.clone());
        }
        self.latest = Some(error);
        let at = now + (rules.back_off)(self.failures);
        self.retry_at = Some(at);
        at
    }

    /// A worker has started.
    pub(crate) fn went_well(&mut self) {
        self.failures = 0;
        self.latest = None;
        self.hopeless = false;
    }

    /// Why the latest start failed, if none has gone well since.
    pub(crate) fn latest(&self) -> Option<&StartError> {
        self.latest.as_ref()
    }

    /// Why the first start failed that is likely to fail again.
    pub(crate) fn first(&self) -> Option<&StartError> {
        self.first.as_ref()
    }

    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// When the empty seats may be filled again, if not yet.
    pub(crate) fn retry_after(&self, now: Instant) -> Option<Instant> {
        self.retry_at.filter(|&at| at > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pauses_grow_until_a_good_start_ends_them() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut starts = Starts::default();
        let error = StartError::of(io::ErrorKind::Other, "no".to_string());
        let pauses: Vec<Duration> = (0..3).map(|_| starts.failed(error.clone(), now, &rules) - now).collect();
        assert_eq!(pauses, [1, 2, 3].map(rules.back_off));
        assert!(starts.is_hopeless() && starts.latest().is_some());
        starts.went_well();
        assert!(!starts.is_hopeless() && starts.latest().is_none() && starts.first().is_some());
        assert_eq!(starts.failed(error, now, &rules) - now, (rules.back_off)(1));
    }

    #[test]
    fn a_pool_is_given_up_for_a_failure_that_stays_and_for_several_that_may_pass() {
        let (now, rules) = (Instant::now(), Rules::default());
        let most = rules.hopeless_starts;
        let stays = StartError::of(io::ErrorKind::Other, "no".to_string());
        let may_pass = StartError { recurrence: Recurrence::Unlikely, ..stays.clone() };
        let for_good = StartError { recurrence: Recurrence::Certain, ..stays.clone() };
        for (error, told_after, hopeless_after) in [(stays, 1, most), (may_pass, most, most), (for_good, 1, 1)] {
            let mut starts = Starts::default();
            for failures in 1..=most {
                starts.failed(error.clone(), now, &rules);
                assert_eq!(starts.first().is_some(), failures >= told_after, "{error:?} {failures}");
                assert_eq!(starts.is_hopeless(), failures >= hopeless_after, "{error:?} {failures}");
            }
        }
    }
}
