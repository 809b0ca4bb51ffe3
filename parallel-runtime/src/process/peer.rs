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

    #[test]
    fn only_an_end_of_the_other_process_is_told_as_one() {
        let table = [
            (libc::EPIPE, PeerError::Gone),
            (libc::ECONNRESET, PeerError::Gone),
            (libc::ECONNREFUSED, PeerError::Gone),
            (libc::ENOTCONN, PeerError::Gone),
            (libc::EAGAIN, PeerError::Full),
            (libc::EMFILE, PeerError::Here),
            (libc::ENFILE, PeerError::Here),
            (libc::ENOMEM, PeerError::Here),
            (libc::ENOBUFS, PeerError::Here),
            (libc::ENOSPC, PeerError::Here),
            (libc::EMSGSIZE, PeerError::Here),
            (libc::ETOOMANYREFS, PeerError::Here),
            (libc::EBADF, PeerError::Here),
            (libc::ENOTSOCK, PeerError::Here),
            (libc::EPERM, PeerError::Here),
            (libc::EINVAL, PeerError::Here),
        ];
        for (code, refused) in table {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(PeerError::of(&error), refused, "{error}");
        }
        assert_eq!(PeerError::of(&io::Error::other("a message that is too long")), PeerError::Here);
    }
}
