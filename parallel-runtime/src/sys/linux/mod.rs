//! Linux 5.11 or later, for `CLOSE_RANGE_CLOEXEC` (close_range(2)): pidfd, memfd with seals, futex, epoll.

use super::contract::Capabilities;

pub(crate) mod descriptor;
pub(crate) mod early;
pub(crate) mod executable;
mod file_rights;
pub(crate) mod fork;
pub(crate) mod forked;
pub(crate) mod limits;
mod mapping;
pub(crate) mod memory;
pub(crate) mod oom;
pub(crate) mod owner;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod refusal;
pub(crate) mod rights;
mod signalling;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod standing;
mod status;
pub(crate) mod surroundings;
mod terminal;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod word;

pub(crate) const CAPABILITIES: Capabilities = Capabilities { entry_before_main: true, forked_starts: true };
