//! Linux 5.11 or later: pidfd, memfd with seals, futex, epoll, close_range.

pub(crate) mod executable;
mod file_rights;
pub(crate) mod fork;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod socket;
pub(crate) mod surroundings;
mod terminal;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod word;
