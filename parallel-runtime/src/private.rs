//! The generated code's only door. Nothing in here is for people; it changes without notice.

pub use linkme;

pub use crate::callable::{Accepts, Function, Merges};
pub use crate::function::{Defaults, Task};
pub use crate::handle::JoinHandle;
pub use crate::memory::given::Given;
pub use crate::registry::{Entry, FUNCTIONS};
pub use crate::wire::borrowed::{Borrowed, BorrowedFrom};
pub use crate::wire::call::{Arguments, Call, Owner, Parameters};
pub use crate::wire::codec::CodecError;
pub use crate::wire::parameter::{ArgumentCodec, Owned, Parameter, ResultCodec, Returns, Serde};
