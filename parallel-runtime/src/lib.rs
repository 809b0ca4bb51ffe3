//! What runs behind the `parallel` crate: processes, pools, calls. Users depend on `parallel`, not on this crate.

// The floors of the house, from the ground up; see ARCHITECTURE.md.
mod config;
mod panic;
mod poison;
mod sys;

mod memory;
mod wire;

mod error;
mod failure;
mod registry;

mod bell;
mod callable;
mod lane;
mod process;

mod current;
mod ending;
mod job;
mod run;
mod solo;
mod worker;

mod entry;

mod call;
mod engine;
mod pool;

mod function;
mod handle;
mod options;
mod tries;

mod probe;

pub mod channel;
pub mod shared;
pub mod sync;

#[cfg(test)]
mod flags;

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzed;
#[cfg(all(test, not(fuzzing)))]
mod fuzzed;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use callable::{Accepts, Merges};
pub use current::{Current, active_children, current};
pub use engine::target::Target;
pub use entry::init;
pub use error::{CodecError, Error, ErrorKind, PanicReport, Result};
pub use failure::Failure;
pub use function::{Function, ParIMap, ParIMapUnordered, Task};
pub use handle::{AsCompleted, JoinHandle, as_completed};
pub use pool::Pool;
pub use pool::builder::{InitializerOutput, PoolBuilder};
pub use pool::stats::PoolStats;
pub use tries::{Fallible, TryParIMap, TryParIMapUnordered};
