//! Bytes: what travels between processes, and how values become it.

pub(crate) mod arguments;
pub(crate) mod borrowed;
pub(crate) mod cast;
pub(crate) mod codec;
pub(crate) mod consecutive;
pub(crate) mod ends;
pub(crate) mod fallible;
pub(crate) mod given;
pub(crate) mod handles;
pub(crate) mod ipc;
mod levels;
pub(crate) mod message;
mod nested;
pub(crate) mod outcome;
pub(crate) mod parameter;
pub(crate) mod parcel;
pub(crate) mod payload;
pub(crate) mod plain;
pub(crate) mod reply;
mod strict;
