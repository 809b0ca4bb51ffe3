//! Data that processes share, in anonymous memory that goes with its last user.
//!
//! | here | in Python's `multiprocessing` | |
//! |---|---|---|
//! | [`Value`] | `Value` | one value behind a lock |
//! | [`Array`] | `Array` | many values behind one lock |
//! | [`Frozen`] | - | many values that cannot change, read in place by every process |
//!
//! Each is a handle; clones are the same data. Hand them to other processes as arguments, results or queue messages of
//! `#[parallel]` calls. What they hold is [`Plain`] data, `bytemuck::Pod`: numbers, arrays of them, and structs that
//! derive it. The locks are those of [`sync`](crate::sync), and what is said there of processes that die holds here.

mod array;
mod frozen;

mod value;

pub use crate::sync::plain::Plain;
pub use array::Array;
pub use frozen::Frozen;
pub use value::Value;
