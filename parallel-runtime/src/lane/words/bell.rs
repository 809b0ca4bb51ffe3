//! The bell by which all workers of a pool call their parent.
//!
//! A worker first publishes what it has done, then reads the listener; the parent first stores the listener, then looks at
//! the lanes again. A full fence stands between the two steps on either side, so no call is lost.

use std::time::Duration;

use super::platform::{AtomicU32, Ordering, fence, sleep, wake};

/// The thread that hears the bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Listener {
    /// None: the next caller, or the reactor, looks at the lanes anyway.
    Nobody = 0,
    /// A caller sleeps on the bell.
    Caller = 1,
    /// The reactor waits for its event.
    Reactor = 2,
    /// The reactor waits for its event, but only a worker that has looked in vain for more to do sets it.
    ReactorWhenIdle = 3,
}

/// The words.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct BellWords {
    /// Counts the calls.
    rings: AtomicU32,
    /// 1 while the leading caller sleeps, or is about to, and must be woken.
    asleep: AtomicU32,
    listener: AtomicU32,
}

impl BellWords {
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        let listener = AtomicU32::new(Listener::Nobody as u32);
        Self { rings: AtomicU32::new(0), asleep: AtomicU32::new(0), listener }
    }

    /// The parent stores the listener. It looks at the lanes once more afterwards.
    pub(crate) fn listen(&self, who: Listener) {
        self.listener.store(who as u32, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// A worker that has published something reads the listener.
    pub(crate) fn listener(&self) -> Listener {
        fence(Ordering::SeqCst);
        match self.listener.load(Ordering::Relaxed) {
            1 => Listener::Caller,
            2 => Listener::Reactor,
            3 => Listener::ReactorWhenIdle,
            // Also where a task has overwritten the word.
            _ => Listener::Nobody,
        }
    }

    /// The number of rings so far.
    pub(crate) fn rings(&self) -> u32 {
        self.rings.load(Ordering::Acquire)
    }

    /// The word of [`rings`](Self::rings), to look at it for a while.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.rings
    }

    /// A worker calls the caller that listens.
    pub(crate) fn call(&self) {
        self.rings.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) != 0 {
            wake(&self.rings, 1);
        }
    }

    /// The parent wakes the caller that listens.
    pub(crate) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::Release);
        wake(&self.rings, 1);
    }

    /// The caller sleeps until it rings again after `rings`, at most so long.
    pub(crate) fn sleep(&self, rings: u32, timeout: Duration) {
        self.asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        sleep(&self.rings, rings, Some(timeout));
        self.asleep.store(0, Ordering::Relaxed);
    }
}
