//! What the machine itself takes: the limits that no framework can beat.

pub(crate) mod futex;
pub(crate) mod memory;
pub(crate) mod process;
