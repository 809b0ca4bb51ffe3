//! Messages between processes: [`Queue`], [`duplex`] and [`channel`].
//!
//! All of them live in anonymous shared memory and can be arguments, results and messages of `#[parallel]` calls.

mod duplex;
mod error;
mod message;
mod patience;
mod pipe;
mod queue;
mod ring;
mod sockets;
mod words;

pub use duplex::{Duplex, Receiver, Sender, channel, duplex};
pub use error::SendError;
pub use queue::{Iter, Queue};

#[cfg(any(test, fuzzing))]
pub(crate) use ring::read_ring;
#[cfg(any(test, fuzzing))]
pub(crate) use sockets::read_notes;
