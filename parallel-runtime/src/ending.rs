//! The end of this process: from its first moment on no call starts.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The process runs as it should.
const RUNNING: u32 = 0;
/// Its end has begun.
const ENDING: u32 = 1;

static STAGE: AtomicU32 = AtomicU32::new(RUNNING);

/// Whether the end of this process has begun.
pub(crate) fn has_begun() -> bool {
    STAGE.load(Ordering::Acquire) != RUNNING
}

/// Refuses a call of a process whose end has begun.
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
