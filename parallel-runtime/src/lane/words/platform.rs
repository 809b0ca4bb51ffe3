//! What the words beside this file stand on: atomic words, sleeping on them, and order among all cores.
//!
//! The package `models` puts loom's in place of these, so those files name nothing else.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};

pub(crate) use crate::sys::wait::wait_word as sleep;
pub(crate) use crate::sys::wait::wake_word as wake;
pub(crate) use crate::sys::wait::{order_all, order_here};
