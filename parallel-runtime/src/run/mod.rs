//! Functions: the registry of all that the program has, what can be called, and their run on arguments in bytes.

pub(crate) mod call;
pub(crate) mod callable;
pub(crate) mod items;
pub(crate) mod numbers;
pub(crate) mod registry;
