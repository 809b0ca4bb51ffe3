//! Which errors a death explains.
//!
//! | what befell the call | kind | where |
//! |---|---|---|
//! | its process was killed, or crashed | `Signaled` with a signal of the killer's | everywhere |
//! | its process crashed before it reported in, which may be the program's own fault | `Start`, which names the signal | everywhere |
//! | the pool was ended | `Terminated`, `Closed` | pools that the load ends |
//! | the handle withdrew or ended it | `Cancelled`, `Signaled` | calls that the load ends |
//! | it ran into its timeout | `TimedOut` | calls with a timeout |
//!
//! Whatever else is an error of a call fails the program. An error names the function, in a map the item.

use parallel::prelude::*;

use crate::board::Board;

/// What may have befallen a call, other than a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Terminated,
    Closed,
    Cancelled,
    TimedOut,
}

/// The signals that the killer and the loads send.
pub(crate) const SIGNALS: [i32; 4] = [libc::SIGKILL, libc::SIGSEGV, libc::SIGABRT, libc::SIGTERM];

/// Whether a process that ended so died of the killer.
pub(crate) fn is_told_as_death(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Signaled { signal, .. } => SIGNALS.contains(signal),
        // A crash before the process reports in may be a constructor's.
        ErrorKind::Start(error) => {
            let text = error.to_string();
            text.contains("ended with signal: 11 ") || text.contains("ended with signal: 6 ")
        }
        _ => false,
    }
}

/// Checks that a death explains an error, which names the function.
pub(crate) fn is_death(error: &Error, function: Option<&str>, board: &Board) {
    is_explained(error, function, &[], board);
}

/// Checks that a death, or one of `causes`, explains an error, which names the function.
pub(crate) fn is_explained(error: &Error, function: Option<&str>, causes: &[Cause], board: &Board) {
    let cause = match error.kind() {
        ErrorKind::Terminated => Some(Cause::Terminated),
        ErrorKind::Closed => Some(Cause::Closed),
        ErrorKind::Cancelled => Some(Cause::Cancelled),
        ErrorKind::TimedOut { .. } => Some(Cause::TimedOut),
        _ => None,
    };
    let explained = cause.map_or_else(|| is_told_as_death(error.kind()), |cause| causes.contains(&cause));
    assert!(explained, "no death explains this: {error:#?}");
    assert_eq!(error.function(), function, "{error:#?}");
    let kind = format!("{:?}", error.kind());
    let word = kind.split(['(', ' ']).next().unwrap_or_default();
    board.count(format!("error: {word}"));
}
