//! Linux 5.11 or later: pidfd, memfd with seals, futex, epoll, close_range.

pub(crate) mod executable;
pub(crate) mod fork;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod program;
mod rights;
pub(crate) mod socket;
pub(crate) mod surroundings;
mod terminal;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod word;
