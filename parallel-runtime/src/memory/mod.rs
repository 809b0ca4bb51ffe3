//! Memory with a layout: the words that processes share, and values whose type is known only at the end.

pub(crate) mod bulk;
pub(crate) mod cast;
pub(crate) mod given;
pub(crate) mod layout;
pub(crate) mod reply;
pub(crate) mod rows;
pub(crate) mod step;
pub(crate) mod words;
