//! The wires of a pipe: a pair of connected sockets. What is put into the sending end comes out of the receiving end; and
//! either end shows when nobody holds the other any more, however they went.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::{Error, Result};
use crate::process::control::Control;
use crate::sys::socket::Socket;
use crate::sys::wait::monotonic_nanos;

/// How long a sender goes on before it looks again whether a receiver is left, in nanoseconds. One that was dropped is
/// told of at once; this is for those that were killed.
const LOOK_AGAIN: u64 = 1_000_000;

/// One end of the pair.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    descriptor: Arc<OwnedFd>,
    control: Arc<Control>,
}

impl Wire {
    /// Makes both ends: the sending one, and the receiving one.
    pub(super) fn pair() -> Result<(Self, Self)> {
        let (into, out) = Socket::pair().map_err(|error| none_left(&error))?;
        Ok((Self::of(into.into_shared()), Self::of(out.into_shared())))
    }

    pub(super) fn of(descriptor: Arc<OwnedFd>) -> Self {
        Self { control: Arc::new(Control::new(Socket::shared(Arc::clone(&descriptor)))), descriptor }
    }

    pub(super) fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.descriptor
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    fn other_end_is_gone(&self) -> bool {
        Socket::shared(Arc::clone(&self.descriptor)).is_at_end()
    }
}

/// There is no memory or descriptor for another queue.
pub(super) fn none_left(error: &std::io::Error) -> Error {
    Error::invalid(format!("the system has no memory or descriptor left for a queue: {error}"))
}

/// What a process holds of a pipe's wires.
#[derive(Debug)]
pub(super) struct Wires {
    /// The sending end.
    pub(super) into: Option<Wire>,
    /// The receiving end.
    pub(super) out: Option<Wire>,
    /// When it was last seen that a receiver is left, and how many ends had been dropped until then.
    looked: AtomicU64,
    drops: AtomicU64,
}

impl Wires {
    pub(super) fn new(into: Option<Wire>, out: Option<Wire>) -> Self {
        Self { into, out, looked: AtomicU64::new(0), drops: AtomicU64::new(u64::MAX) }
    }

    /// Whether nobody is left to take out what is put in. `drops`: how many ends of the pipe were ever dropped.
    pub(super) fn receivers_are_gone(&self, drops: u32) -> bool {
        let (Some(into), None) = (&self.into, &self.out) else { return false };
        let now = monotonic_nanos();
        let fresh = now.saturating_sub(self.looked.load(Relaxed)) < LOOK_AGAIN;
        if fresh && self.drops.load(Relaxed) == u64::from(drops) {
            return false;
        }
        let gone = into.other_end_is_gone();
        if !gone {
            self.looked.store(now, Relaxed);
            self.drops.store(u64::from(drops), Relaxed);
        }
        gone
    }

    /// Whether nobody is left to put anything in.
    pub(super) fn senders_are_gone(&self) -> bool {
        match (&self.into, &self.out) {
            (None, Some(out)) => out.other_end_is_gone(),
            _ => false,
        }
    }
}
