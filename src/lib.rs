//! One attribute turns an ordinary function into one that runs in other processes.

pub use parallel_macros::parallel;
#[doc(hidden)]
pub use parallel_runtime::__private;
pub use parallel_runtime::*;

/// What a program usually needs: `use parallel::prelude::*;`.
pub mod prelude {
    pub use crate::{Error, ErrorKind, JoinHandle, Pool, parallel};
}
