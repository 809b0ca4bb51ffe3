//! A pair of connected sockets: whole messages, with at most a few descriptors each, and an end that both sides see.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};

pub(crate) use super::descriptor::above_standard;
use super::file_rights::{self, FileOwner};
use super::refusal::Named;

/// The most descriptors that travel with one message: as many as the kernel takes.
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct Socket(Arc<OwnedFd>);

/// Which socket a descriptor stands for: device and inode.
pub(crate) type Identity = (u64, u64);

/// What a receive found.
#[derive(Debug)]
pub(crate) enum Received {
    Message {
        len: usize,
        descriptors: Vec<OwnedFd>,
    },
    /// Nothing yet; only without waiting.
    Nothing,
    /// The other end is closed and everything was read.
    End,
}

impl Socket {
    /// Makes two connected ends, neither of them descriptor 0, 1 or 2.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .named("socketpair")?;
        Ok((Self(Arc::new(above_standard(one)?)), Self(Arc::new(above_standard(other)?))))
    }

    /// An end that others hold too.
    pub(crate) fn shared(descriptor: Arc<OwnedFd>) -> Self {
        Self(descriptor)
    }

    pub(crate) fn into_shared(self) -> Arc<OwnedFd> {
        self.0
    }

    /// Closes the connection for every process that holds this end: the other side sees what it would see had they all
    /// closed it. What this end has sent can still be received.
    pub(crate) fn shut(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both)?)
    }

    /// Whether no process holds the other end.
    pub(crate) fn is_at_end(&self) -> bool {
        let mut fds = [PollFd::new(&*self.0, PollFlags::empty())];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
    }

    /// The number under which a process that inherits this end finds it.
    pub(crate) fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Takes over the end that this process's parent made and handed on.
    ///
    /// # Errors
    ///
    /// When the descriptor is not such a socket, or comes from any other process, or from one with fewer rights than this one
    /// got from its file.
    pub(crate) fn inherit(number: RawFd) -> io::Result<Self> {
        // SAFETY: a plain system call, for any number.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: open, as was just seen, and no task runs yet that could close it. It is only borrowed until it is known
        // to be ours.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let refused = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if rustix::net::sockopt::socket_type(fd).named("getsockopt")? != SocketType::SEQPACKET {
            return refused("not a channel to this process's parent");
        }
        let maker = maker(fd)?;
        if maker.pid != super::process::parent_number() {
            return refused("not a channel to this process's parent");
        }
        if !file_rights::are_those_of(FileOwner { user: maker.uid, group: maker.gid })? {
            return refused("the program's file gives it rights that its parent does not have");
        }
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).named("fcntl")?;
        // SAFETY: open, and made by the parent for this process, in which it has no other owner.
        Ok(Self(Arc::new(unsafe { OwnedFd::from_raw_fd(number) })))
    }

    /// Which socket this is; `None` when foreign code has closed the descriptor behind our back.
    pub(crate) fn identity(&self) -> Option<Identity> {
        rustix::fs::fstat(&self.0).ok().map(|status| (status.st_dev, status.st_ino))
    }

    /// Sends one message. `wait`: until there is room; otherwise `WouldBlock`.
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>], wait: bool) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one message"));
        }
        let flags = SendFlags::NOSIGNAL | if wait { SendFlags::empty() } else { SendFlags::DONTWAIT };
        loop {
            match rustix::net::sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                // A full channel, or one without another end, is for this crate to handle: no name is needed.
                Err(error @ (Errno::AGAIN | Errno::PIPE | Errno::CONNRESET)) => return Err(error.into()),
                Err(error) => return Err(error).named("sendmsg"),
            }
        }
    }

    /// Receives one message into `buffer`; a longer one is an error.
    pub(crate) fn receive(&self, buffer: &mut [u8], wait: bool) -> io::Result<Received> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let message = loop {
            match rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Ok(message) => break message,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                // The other end was closed with unread messages in it. The kernel says so once, ahead of the messages that
                // came from there.
                Err(Errno::CONNRESET) => {}
                Err(error) => return Err(error).named("recvmsg"),
            }
        };
        let descriptors: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(rights) => Some(rights),
                _ => None,
            })
            .flatten()
            .collect();
        if message.flags.contains(rustix::net::ReturnFlags::TRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than the protocol allows"));
        }
        if message.bytes == 0 {
            return Ok(Received::End);
        }
        Ok(Received::Message { len: message.bytes, descriptors })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The process that made a pair of connected sockets, and its effective user and group at that time; 0 for a process that
/// this one cannot see.
fn maker(fd: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    // The size of three words fits.
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of what it is given.
    let answer = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    if answer == 0 { Ok(credentials) } else { Err(io::Error::last_os_error()).named("getsockopt") }
}

/// What a send or receive is refused with, by what that tells of the process at the other end.
#[cfg(test)]
pub(crate) mod refusals {
    pub(crate) const GONE: [i32; 4] = [libc::EPIPE, libc::ECONNRESET, libc::ECONNREFUSED, libc::ENOTCONN];
    pub(crate) const FULL: [i32; 1] = [libc::EAGAIN];
    pub(crate) const HERE: [i32; 11] = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOBUFS,
        libc::ENOSPC,
        libc::EMSGSIZE,
        libc::ETOOMANYREFS,
        libc::EBADF,
        libc::ENOTSOCK,
        libc::EPERM,
        libc::EINVAL,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_is_heard_although_it_died_with_messages_unread() {
        let (ours, theirs) = Socket::pair().unwrap();
        ours.send(b"unread", &[], false).unwrap();
        theirs.send(b"first", &[], false).unwrap();
        theirs.send(b"last", &[], false).unwrap();
        drop(theirs);
        let mut buffer = [0; 16];
        for said in [b"first".as_slice(), b"last"] {
            let received = ours.receive(&mut buffer, false).unwrap();
            assert!(matches!(received, Received::Message { len, .. } if buffer[..len] == *said), "{received:?}");
        }
        for wait in [false, true] {
            assert!(matches!(ours.receive(&mut buffer, wait).unwrap(), Received::End));
        }
    }
}
