//! What runs behind the `parallel` crate: processes, pools, calls. Users depend on `parallel`, not on this crate.

#![cfg_attr(not(feature = "zygote"), allow(dead_code, reason = "some of `sys` is for the zygote alone"))]

// The floors of the house, from the ground up; see ARCHITECTURE.md.
mod environment;
mod panic;
mod pause;
mod poison;
mod sys;
mod tuning;

mod lane;
mod wire;

mod error;
mod failure;
mod run;

mod current;
mod ending;
mod process;
mod worker;

mod engine;

mod call;
mod pool;

mod probe;

pub mod channel;
pub mod shared;
pub mod sync;

#[cfg(test)]
mod testing;

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzed;
#[cfg(all(test, not(fuzzing)))]
mod fuzzed;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use call::handle::{AsCompleted, JoinHandle, as_completed};
pub use call::map::lazy::{ParIMap, ParIMapUnordered};
pub use call::map::tries::{Fallible, TryParIMap, TryParIMapUnordered};
pub use call::task::{Function, Task};
pub use current::{Current, active_children, current};
pub use engine::target::Target;
pub use error::{CodecError, Error, ErrorKind, PanicReport, Result};
pub use failure::Failure;
pub use pool::Pool;
pub use pool::builder::{InitializerOutput, PoolBuilder};
pub use pool::stats::PoolStats;
pub use run::callable::{Accepts, Merges};
pub use worker::entry::init;
