//! Maps: items go through an engine in chunks, and their outcomes come back in order, lazily, or merged.

mod chunker;
pub(crate) mod feeder;
pub(crate) mod lazy;
pub(crate) mod ordered;
pub(crate) mod reduce;
