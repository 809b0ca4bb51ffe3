//! Shared memory with a layout.

pub(crate) mod layout;
