//! The generated code's only door. Nothing in here is for people; it changes without notice.

pub use linkme;

pub use crate::function::{Accepts, Defaults, Function, Task};
pub use crate::handle::JoinHandle;
pub use crate::registry::{Entry, FUNCTIONS};
pub use crate::wire::borrowed::{Argument, Borrowed, BorrowedFrom, Parameter, ReturnValue, Returns};
pub use crate::wire::call::{Arguments, Call, Owner, Parameters};
pub use crate::wire::codec::CodecError;
