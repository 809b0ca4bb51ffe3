//! The words of a pipe: how processes that may die at any instruction put messages into one memory and take them out.
//!
//! The algorithms do not know where the words are, and do not touch the bytes of a message. As those of
//! [`sync`](crate::sync), models try them in the orders in which threads can take turns.

pub(super) mod bell;
pub(super) mod marks;
pub(super) mod side_lock;

use crate::sync::words::{lock, platform};

// Two cache lines, which processors fetch together, for each word that one side changes with every message.
const _: () = assert!(size_of::<bell::QueueBell>() == 128 && size_of::<side_lock::SideLock>() == 128);
const _: () = assert!(size_of::<marks::Marks<8>>() == 7 * 128);
