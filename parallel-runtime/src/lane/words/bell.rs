//! The bell by which all workers of a pool call their parent.
//!
//! A worker first publishes what it has done, then looks who listens; the parent first says who listens, then looks at the lanes
//! again. With a full fence between the two steps on either side no call is lost.

use std::time::Duration;

use super::platform::{AtomicU32, Ordering, fence, sleep, wake};

/// Who hears the bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Listener {
    /// Whoever comes next looks at the lanes anyway.
    Nobody = 0,
    /// A caller sleeps on the bell.
    Caller = 1,
    /// The reactor waits for its event.
    Reactor = 2,
    /// As before, but only a worker calls it that has looked for more to do in vain.
    ReactorWhenIdle = 3,
}

/// The words.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct BellWords {
    /// Counts the calls.
    rings: AtomicU32,
    /// 1 while the caller sleeps, and must be woken.
    asleep: AtomicU32,
    listener: AtomicU32,
}

impl BellWords {
    #[allow(dead_code, reason = "for the models; those of the program are born as memory of zeros")]
    pub(crate) fn new() -> Self {
        let listener = AtomicU32::new(Listener::Nobody as u32);
        Self { rings: AtomicU32::new(0), asleep: AtomicU32::new(0), listener }
    }

    /// The parent says who listens. It looks at the lanes once more after it.
    pub(crate) fn listen(&self, who: Listener) {
        self.listener.store(who as u32, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// A worker that has published something looks who listens.
    pub(crate) fn listener(&self) -> Listener {
        fence(Ordering::SeqCst);
        match self.listener.load(Ordering::Relaxed) {
            1 => Listener::Caller,
            2 => Listener::Reactor,
            3 => Listener::ReactorWhenIdle,
            // Also where somebody wrote over it.
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
