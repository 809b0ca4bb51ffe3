//! A call in flight: what a handle holds, in a process of its own or in an engine.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::waiter::{Callback, Hearers, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::poison::lock;
use crate::sys::oom::{self, MemoryVerdict};
use crate::sys::process::{self, KILL};
use crate::wire::outcome::CallFailure;
use crate::wire::payload::Payload;

/// What a call became: its value in bytes, or why there is none.
pub(crate) type Outcome = Result<Payload>;

/// A call in flight, as its handle sees it.
pub(crate) trait Flight: Send + Sync {
    /// Waits until the call has finished, or until `deadline`; whether it has.
    fn wait(&self, deadline: Option<Instant>) -> bool;
    /// Takes the outcome of a finished call; `None` before it has finished, and after it was taken.
    fn take_outcome(&self) -> Option<Outcome>;
    fn is_finished(&self) -> bool;
    /// The process that runs it.
    fn pid(&self) -> Option<u32>;
    /// Whether it waits for its turn.
    fn is_queued(&self) -> bool;
    /// Signals the process that runs it; a call that has not started is cancelled.
    fn signal(&self, signal: i32) -> Result<()>;
    /// How its process ended, where it has one of its own.
    fn exit_status(&self) -> Option<ExitStatus>;
    /// Withdraws it if it has not started; whether it did.
    fn cancel(&self) -> bool;
    /// Runs `callback` when it has finished, at once if it has.
    fn when_finished(&self, callback: Callback);
}

/// The place where an outcome arrives.
#[derive(Default)]
pub(crate) struct Landing(Mutex<LandingState>);

#[derive(Default)]
struct LandingState {
    outcome: Landed,
    hearers: Hearers,
}

/// How far an outcome is on its way to its handle.
#[derive(Default)]
enum Landed {
    #[default]
    Awaited,
    Arrived(Outcome),
    Taken,
}

impl LandingState {
    fn is_finished(&self) -> bool {
        !matches!(self.outcome, Landed::Awaited)
    }
}

impl Landing {
    /// Puts the outcome there, once.
    pub(crate) fn finish(&self, outcome: Outcome, hearers: &mut Hearers) {
        let mut state = lock(&self.0);
        if !state.is_finished() {
            state.outcome = Landed::Arrived(outcome);
            hearers.append(std::mem::take(&mut state.hearers));
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        lock(&self.0).is_finished()
    }

    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        let outcome = &mut lock(&self.0).outcome;
        match std::mem::replace(outcome, Landed::Taken) {
            Landed::Arrived(arrived) => Some(arrived),
            before => {
                *outcome = before;
                None
            }
        }
    }

    /// Whether the outcome is there; if not, this thread is woken once it is.
    pub(crate) fn is_finished_or_wakes(&self, waiter: &Arc<Waiter>) -> bool {
        let mut state = lock(&self.0);
        let is_finished = state.is_finished();
        if !is_finished {
            state.hearers.add(waiter);
        }
        is_finished
    }

    /// Waits until the outcome is there, or until `deadline`; whether it is.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        if self.is_finished() {
            return true;
        }
        let waiter = Waiter::own();
        while !self.is_finished_or_wakes(&waiter) {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            waiter.sleep(left);
        }
        true
    }

    /// Runs `callback` when the outcome is there, at once if it is.
    pub(crate) fn when_finished(&self, callback: Callback) {
        {
            let mut state = lock(&self.0);
            if !state.is_finished() {
                state.hearers.call(callback);
                return;
            }
        }
        callback();
    }
}

/// The error of a call that reached its worker and gave no value. The caller adds function, item, process and attempts.
pub(crate) fn error_of(failure: CallFailure) -> Error {
    match failure {
        CallFailure::Panicked(report) => Error::new(ErrorKind::Panicked(report)),
        CallFailure::Decode(report) => Error::new(ErrorKind::Decode(report)),
        CallFailure::Encode(report) => Error::new(ErrorKind::Encode(report)),
        CallFailure::UnknownFunction { .. } => Error::new(ErrorKind::Start(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "the worker's program does not know this function: the two programs differ",
        ))),
    }
}

/// The error of a call that its process's end cut short, where the program did not end that.
pub(crate) fn error_of_end(status: Option<ExitStatus>) -> Error {
    match status {
        Some(status) => match process::deadly_signal(status) {
            Some((signal, core_dumped)) => {
                let error = Error::new(ErrorKind::Signaled { signal, core_dumped });
                match oom::verdict() {
                    MemoryVerdict::OutOfMemory if signal == KILL => {
                        error.with_note("the kernel killed it because its control group was out of memory")
                    }
                    MemoryVerdict::Perhaps if signal == KILL => error.with_note(
                        "its control group was out of memory at some time before, and the kernel killed a process for that: maybe this one",
                    ),
                    _ => error,
                }
            }
            None => Error::new(ErrorKind::Exited { code: status.code().unwrap_or(0) }),
        },
        None => match process::waiting_refused() {
            // In such a sandbox no process should have been started, so that is the kind which fits best.
            Some(error) => Error::new(ErrorKind::Start(error))
                .with_note("it did start and has ended, but the system does not tell how"),
            None => Error::new(ErrorKind::Exited { code: -1 }).with_note(
                "its exit status is not known: the program waits for any child or ignores SIGCHLD, and this kernel keeps no record",
            ),
        },
    }
}

/// The note of an error where the process could not be ended.
pub(crate) const MAY_RUN_ON: &str = "the function may still run";

/// Whether another attempt may help: the process died, hung or never started, but the function said nothing itself. Not where
/// the process could not be ended: the function would run twice at a time.
pub(crate) fn may_retry(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Signaled { .. } | ErrorKind::Exited { .. } | ErrorKind::TimedOut { .. } | ErrorKind::Start(_)
    )
}

/// A call that failed before anything was sent.
pub(crate) fn failed(error: Error) -> Arc<dyn Flight> {
    let call = FailedCall(Landing::default());
    // No handle exists yet, so nobody is to hear of it.
    call.0.finish(Err(error), &mut Hearers::default());
    Arc::new(call)
}

/// A call that was over before it began.
struct FailedCall(Landing);

impl Flight for FailedCall {
    fn wait(&self, _deadline: Option<Instant>) -> bool {
        true
    }

    fn take_outcome(&self) -> Option<Outcome> {
        self.0.take_outcome()
    }

    fn is_finished(&self) -> bool {
        true
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn is_queued(&self) -> bool {
        false
    }

    fn signal(&self, _signal: i32) -> Result<()> {
        Ok(())
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        None
    }

    fn cancel(&self) -> bool {
        false
    }

    fn when_finished(&self, callback: Callback) {
        callback();
    }
}
