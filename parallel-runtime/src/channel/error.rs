//! What a send that failed gives back.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a message was not sent, with the message. `?` turns it into [`Error`].
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// # fn main() -> parallel::Result<()> {
/// let queue = Queue::new()?;
/// queue.send("first".to_string())?;
/// queue.close();
/// let error = queue.send("second".to_string()).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Closed));
/// assert_eq!(error.into_inner(), "second");
/// # Ok(())
/// # }
/// ```
pub struct SendError<T> {
    message: T,
    error: Error,
}

impl<T> SendError<T> {
    pub(super) fn new(message: T, error: Error) -> Self {
        Self { message, error }
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        self.error.kind()
    }

    /// Gives the message back.
    pub fn into_inner(self) -> T {
        self.message
    }
}

impl<T> From<SendError<T>> for Error {
    fn from(error: SendError<T>) -> Self {
        error.error
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> StdError for SendError<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}
