//! The end of this process: from its first moment on no call starts, and idle workers get the time to end as programs do.
//!
//! The thread that ends the process takes no lock and asks for no memory: it may hold any lock already. It says that the end
//! has begun, and sleeps until the reactor has seen the workers off, but no longer than the end may take. Other threads, and
//! handlers that run later, go on meanwhile; their calls are refused.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::wait;
use crate::tuning::{END_TIME, KEPT_OF_END};

/// The process runs as it should.
const RUNNING: u32 = 0;
/// Its end has begun.
const ENDING: u32 = 1;
/// Its end has begun, and its pools have no workers any more.
const SEEN_OFF: u32 = 2;

static STAGE: AtomicU32 = AtomicU32::new(RUNNING);
/// The time that the parent of this process, a worker, grants it for its end, in milliseconds; 0 before that.
static GRANTED: AtomicU32 = AtomicU32::new(0);

/// Whether the end of this process has begun.
pub(crate) fn has_begun() -> bool {
    STAGE.load(Ordering::Acquire) != RUNNING
}

/// Refuses a call once the end of this process has begun.
///
/// # Errors
///
/// `Closed`.
pub(crate) fn check() -> Result<()> {
    if has_begun() { Err(Error::new(ErrorKind::Closed)) } else { Ok(()) }
}

/// Says that the end of this process has begun. Several threads may.
pub(crate) fn begin() {
    let _ = STAGE.compare_exchange(RUNNING, ENDING, Ordering::AcqRel, Ordering::Acquire);
}

/// Says that no pool has workers any more.
pub(crate) fn seen_off() {
    if STAGE.compare_exchange(ENDING, SEEN_OFF, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        wait::wake_word(&STAGE, u32::MAX);
    }
}

/// Waits until no pool has workers any more, or until the end has taken as long as it may.
pub(crate) fn wait_until_seen_off() {
    let begun = Instant::now();
    while STAGE.load(Ordering::Acquire) == ENDING {
        let Some(left) = time().checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else { return };
        wait::wait_word(&STAGE, ENDING, Some(left));
    }
}

/// Notes the time that the parent of this process, a worker, grants it for its end.
pub(crate) fn grant(time: Duration) {
    GRANTED.store(u32::try_from(time.as_millis()).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// How long the end of this process may wait for its workers.
fn time() -> Duration {
    match GRANTED.load(Ordering::Relaxed) {
        0 => END_TIME,
        granted => part_of(Duration::from_millis(granted.into())).min(END_TIME),
    }
}

/// How long the workers of this process get to end by themselves, before they are killed: the rest of the time is for that.
pub(crate) fn grace() -> Duration {
    part_of(time())
}

/// The part of a process's time that its workers get: it needs the rest for itself.
fn part_of(time: Duration) -> Duration {
    time - time / KEPT_OF_END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_of_workers_gets_less_time_than_the_one_above() {
        assert_eq!((time(), grace()), (END_TIME, part_of(END_TIME)));
        let mut above = grace();
        for _ in 0..4 {
            grant(above);
            assert!(time() < above && grace() < time(), "{above:?}: {:?}, {:?}", time(), grace());
            above = grace();
        }
        grant(Duration::from_secs(10));
        assert_eq!(time(), END_TIME, "a longer grace is for what a worker does itself");
        grant(Duration::ZERO);
    }
}
