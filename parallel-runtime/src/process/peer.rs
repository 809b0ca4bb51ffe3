//! What a refused send or receive tells of the process at the other end: a process may die at any instant, and a death shows
//! in whatever is sent to it next, ahead of its end.

use std::io;

/// Why something could not be sent to a process, or received from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerError {
    /// The other process is gone, or has closed its end. Its end tells the rest.
    Gone,
    /// The channel is full: a process that is stopped, or busy, does not read.
    Full,
    /// This process was refused something: a descriptor, memory, room for so long a message.
    Here,
}

impl PeerError {
    /// Tells by the system's error.
    ///
    /// A process that ends with messages that it has not read resets the connection; until Linux 6.2 a send that met the
    /// end half-way was refused, and the next one found no connection (commit 3ff8bff704f4 of Linux).
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected => Self::Gone,
            io::ErrorKind::WouldBlock => Self::Full,
            _ => Self::Here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::refusals;

    #[test]
    fn only_an_end_of_the_other_process_is_told_as_one() {
        let check = |codes: &[i32], refused: PeerError| {
            for &code in codes {
                let error = io::Error::from_raw_os_error(code);
                assert_eq!(PeerError::of(&error), refused, "{error}");
            }
        };
        check(&refusals::GONE, PeerError::Gone);
        check(&refusals::FULL, PeerError::Full);
        check(&refusals::HERE, PeerError::Here);
        assert_eq!(PeerError::of(&io::Error::other("a message that is too long")), PeerError::Here);
    }
}
