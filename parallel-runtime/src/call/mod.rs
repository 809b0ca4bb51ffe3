//! Calls on their way through an engine: maps, lazy maps, reductions, and submitted calls.

mod chunker;
pub(crate) mod feeder;
pub(crate) mod lazy;
pub(crate) mod map;
pub(crate) mod reduce;
pub(crate) mod submit;
