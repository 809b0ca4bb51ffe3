//! What stands for an open file, socket, memory or process: a file descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::refusal::Named;
use crate::sys::AsDescriptor;

pub(crate) type Descriptor = OwnedFd;
pub(crate) type BorrowedDescriptor<'a> = BorrowedFd<'a>;
pub(crate) type Number = RawFd;

impl<T: AsFd> AsDescriptor for T {
    fn as_descriptor(&self) -> BorrowedDescriptor<'_> {
        self.as_fd()
    }
}

/// Moves the descriptor above 2. A program that closed its standard streams must not get a socket under their numbers:
/// whatever prints would write into the socket.
pub(crate) fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    Ok(copy_above_standard(&fd)?.unwrap_or(fd))
}

/// The same by a copy, for a descriptor that must not get lost where that fails; `None` where it is above 2 already.
pub(crate) fn copy_above_standard(fd: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    if fd.as_raw_fd() > 2 { Ok(None) } else { Ok(Some(rustix::io::fcntl_dupfd_cloexec(fd, 3).named("fcntl")?)) }
}
