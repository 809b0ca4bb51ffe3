//! Calls: what a `#[parallel]` function becomes, the options in front of a call, and its way through an engine.

pub(crate) mod handle;
pub(crate) mod map;
pub(crate) mod options;
pub(crate) mod spawned;
pub(crate) mod submitted;
pub(crate) mod task;
