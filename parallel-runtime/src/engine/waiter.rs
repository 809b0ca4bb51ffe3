//! Threads that wait for an outcome, and all that are to hear of one.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

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
    /// Mostly the only one, and mostly there is none.
    waiter: Option<Arc<Waiter>>,
    others: Option<Box<Others>>,
}

#[derive(Default)]
struct Others {
    waiting: Vec<Arc<Waiter>>,
    callbacks: Vec<Callback>,
}

impl Hearers {
    fn waiting(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.waiter.iter().chain(self.others.iter().flat_map(|others| &others.waiting))
    }

    pub(crate) fn add(&mut self, waiter: &Arc<Waiter>) {
        if self.waiter.is_none() {
            self.waiter = Some(Arc::clone(waiter));
        } else if !self.waiting().any(|its| Arc::ptr_eq(its, waiter)) {
            self.others.get_or_insert_default().waiting.push(Arc::clone(waiter));
        }
    }

    pub(crate) fn call(&mut self, callback: Callback) {
        self.others.get_or_insert_default().callbacks.push(callback);
    }

    pub(crate) fn append(&mut self, more: Self) {
        if let Some(waiter) = more.waiter {
            self.add(&waiter);
        }
        if let Some(others) = more.others {
            let ours = self.others.get_or_insert_default();
            ours.waiting.extend(others.waiting);
            ours.callbacks.extend(others.callbacks);
        }
    }

    pub(crate) fn has_callbacks(&self) -> bool {
        self.others.as_ref().is_some_and(|others| !others.callbacks.is_empty())
    }

    /// Whether this thread is to be woken by another.
    pub(crate) fn wakes(&self, waiter: &Arc<Waiter>) -> bool {
        self.waiting().any(|its| Arc::ptr_eq(its, waiter)) && !waiter.is_own()
    }

    /// Wakes the threads, and runs the callbacks; for when no lock is held. Callbacks are users' code (wakers), so a panic in one
    /// stays there.
    pub(crate) fn tell(self) {
        self.waiting().filter(|waiter| !waiter.is_own()).for_each(|waiter| waiter.wake());
        for callback in self.others.into_iter().flat_map(|others| others.callbacks) {
            let _ = panic::catch(callback);
        }
    }
}
