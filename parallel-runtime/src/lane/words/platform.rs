//! What the words beside this file stand on: atomic words, sleeping on them, and order among all cores.
//!
//! The package `models` puts loom's in place of these, so those files name nothing else.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};

pub(crate) use crate::sys::wait::order_all;
pub(crate) use crate::sys::wait::wait_word as sleep;
pub(crate) use crate::sys::wait::wake_word as wake;

/// Keeps this thread's loads and stores apart in the order in which they are written, for whoever [orders all](order_all).
#[inline(always)]
pub(crate) fn order_here() {
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}
