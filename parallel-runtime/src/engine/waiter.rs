//! Threads that wait for an outcome, and what is to be done once one has arrived.

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

/// The threads that wait for one thing.
#[derive(Debug, Default)]
pub(crate) struct Waiting(SmallVec<[Arc<Waiter>; 1]>);

impl Waiting {
    pub(crate) fn add(&mut self, waiter: &Arc<Waiter>) {
        if !self.0.iter().any(|its| Arc::ptr_eq(its, waiter)) {
            self.0.push(Arc::clone(waiter));
        }
    }
}

/// What is to be done once no lock is held.
#[derive(Default)]
pub(crate) struct Notices {
    waiting: Waiting,
    callbacks: Vec<Callback>,
}

impl Notices {
    /// These threads may find what they wait for.
    pub(crate) fn wake(&mut self, waiting: &mut Waiting) {
        self.waiting.0.append(&mut waiting.0);
    }

    pub(crate) fn wake_one(&mut self, waiter: &Arc<Waiter>) {
        self.waiting.add(waiter);
    }

    pub(crate) fn call(&mut self, callbacks: Vec<Callback>) {
        if self.callbacks.is_empty() {
            self.callbacks = callbacks;
        } else {
            self.callbacks.extend(callbacks);
        }
    }

    pub(crate) fn has_callbacks(&self) -> bool {
        !self.callbacks.is_empty()
    }

    /// Whether this thread is to be woken by another.
    pub(crate) fn wakes(&self, waiter: &Arc<Waiter>) -> bool {
        self.waiting.0.iter().any(|its| Arc::ptr_eq(its, waiter)) && !waiter.is_own()
    }

    /// Wakes the threads, and runs the callbacks. Those are users' code (wakers), so a panic in one stays there.
    pub(crate) fn give(self) {
        self.waiting.0.iter().filter(|waiter| !waiter.is_own()).for_each(|waiter| waiter.wake());
        for callback in self.callbacks {
            let _ = panic::catch(callback);
        }
    }
}
