//! The words of a pipe: how processes that may die at any instruction put messages into one memory and take them out.
//!
//! Nothing here knows where the words are, nor touches the bytes of a message. As those of [`sync`](crate::sync), the
//! files are tried by models in the orders in which threads can take turns.

pub(super) mod bell;
pub(super) mod marks;
pub(super) mod turn;

use crate::sync::words::{lock, platform};

// Two cache lines, which processors fetch together, for each word that one side changes all the time.
const _: () = assert!(size_of::<bell::Bell>() == 128 && size_of::<turn::Turn>() == 128);
const _: () = assert!(size_of::<marks::Marks<8>>() == 7 * 128);
