//! Threads that wait for an outcome, and all that are to hear of one.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use smallvec::SmallVec;

use crate::panic;
use crate::poison::{lock, wait};

/// Something to do once a call has finished; run without any lock held.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// A thread, as others wake it. It may be woken for nothing.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    woken: Mutex<bool>,
    wakes: Condvar,
}

thread_local! {
    static OWN: Arc<Waiter> = Arc::default();
}

impl Waiter {
    /// This thread.
    pub(crate) fn own() -> Arc<Self> {
        // A call may come from an `atexit` handler, when the thread's own data is gone.
        OWN.try_with(Arc::clone).unwrap_or_default()
    }

    fn is_own(self: &Arc<Self>) -> bool {
        OWN.try_with(|own| Arc::ptr_eq(own, self)).unwrap_or(false)
    }

    pub(crate) fn wake(&self) {
        *lock(&self.woken) = true;
        self.wakes.notify_one();
    }

    /// Sleeps until it is woken, or for so long; not at all if it was woken since it last slept. Only for the thread itself.
    pub(crate) fn sleep(&self, most: Option<Duration>) {
        let mut woken = lock(&self.woken);
        if !*woken {
            woken = wait(&self.wakes, woken, most);
        }
        *woken = false;
    }
}

/// Who is to hear of something: threads that wait for it are woken, callbacks run.
#[derive(Default)]
pub(crate) struct Hearers {
    waiting: SmallVec<[Arc<Waiter>; 1]>,
    callbacks: Vec<Callback>,
}

impl Hearers {
    pub(crate) fn add(&mut self, waiter: &Arc<Waiter>) {
        if !self.waiting.iter().any(|its| Arc::ptr_eq(its, waiter)) {
            self.waiting.push(Arc::clone(waiter));
        }
    }

    pub(crate) fn call(&mut self, callback: Callback) {
        self.callbacks.push(callback);
    }

    pub(crate) fn append(&mut self, mut others: Self) {
        self.waiting.append(&mut others.waiting);
        self.callbacks.append(&mut others.callbacks);
    }

    pub(crate) fn has_callbacks(&self) -> bool {
        !self.callbacks.is_empty()
    }

    /// Whether this thread is to be woken by another.
    pub(crate) fn wakes(&self, waiter: &Arc<Waiter>) -> bool {
        self.waiting.iter().any(|its| Arc::ptr_eq(its, waiter)) && !waiter.is_own()
    }

    /// Wakes the threads, and runs the callbacks; for when no lock is held. Callbacks are users' code (wakers), so a panic in one
    /// stays there.
    pub(crate) fn tell(self) {
        self.waiting.iter().filter(|waiter| !waiter.is_own()).for_each(|waiter| waiter.wake());
        for callback in self.callbacks {
            let _ = panic::catch(callback);
        }
    }
}
