//! A pool's lock, held: when it goes, waiting callers and the reactor hear of what was done.

use std::sync::MutexGuard;

use super::core::Core;
use super::driver::Driver;
use crate::engine::flight::run_callbacks;

/// The lock of a pool, held.
pub(crate) struct Entered<'a> {
    pub(super) driver: &'a Driver,
    /// Empty only while a follower sleeps.
    pub(super) core: Option<MutexGuard<'a, Core>>,
}

impl std::ops::Deref for Entered<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core.as_ref().expect("only `follow` empties it, and keeps it to itself then")
    }
}

impl std::ops::DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect("only `follow` empties it, and keeps it to itself then")
    }
}

impl Entered<'_> {
    /// Frees the lock where nothing was done that a caller or the reactor should hear of.
    pub(super) fn leave(mut self) {
        self.core = None;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else { return };
        self.driver.prepare_unlock(&mut core);
        let callbacks = std::mem::take(&mut core.callbacks);
        drop(core);
        run_callbacks(callbacks);
    }
}
