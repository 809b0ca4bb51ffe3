//! A pool's lock, held: when it goes, waiting callers and the reactor hear of what was done.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::core::Core;
use super::driver::Driver;

/// The lock of a pool, held.
pub(crate) struct Entered<'a> {
    driver: &'a Driver,
    /// Empty once it has been left.
    core: Option<MutexGuard<'a, Core>>,
}

const HELD: &str = "only what consumes it empties it";

impl Deref for Entered<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core.as_ref().expect(HELD)
    }
}

impl DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect(HELD)
    }
}

impl<'a> Entered<'a> {
    pub(super) fn new(driver: &'a Driver, core: MutexGuard<'a, Core>) -> Self {
        Self { driver, core: Some(core) }
    }

    /// Frees the lock where nothing was done that a caller or the reactor should hear of.
    pub(super) fn leave(mut self) {
        self.core = None;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else { return };
        self.driver.prepare_unlock(&mut core);
        let hearers = mem::take(&mut core.hearers);
        // One that is woken takes the lock.
        drop(core);
        hearers.tell();
    }
}
