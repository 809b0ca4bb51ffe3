//! What runs behind the `parallel` crate: processes, pools, calls. Users depend on `parallel`, not on this crate.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod error;
mod function;
mod handle;
mod panic;
mod pool;
mod registry;
mod wire;

pub use error::{CodecError, Error, ErrorKind, PanicReport, Result};
pub use function::{ParIMap, ParIMapUnordered, Task};
pub use handle::{JoinHandle, as_completed};
pub use pool::{Pool, PoolBuilder, PoolStats};
