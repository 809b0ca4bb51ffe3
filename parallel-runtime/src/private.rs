//! The generated code's only door. Nothing in here is for people; it changes without notice.

pub use {linkme, serde};

pub use crate::callable::{Accepts, AcceptsTuple, ByArguments, Callable, Merges, NamedArguments};
pub use crate::function::{Call, Function, Task};
pub use crate::handle::JoinHandle;
pub use crate::memory::given::Given;
pub use crate::options::Defaults;
pub use crate::probe::*;
pub use crate::registry::{Entry, FUNCTIONS};
pub use crate::wire::borrowed::{Borrowed, BorrowedFrom};
pub use crate::wire::call::{Arguments, Owner, Parameters};
pub use crate::wire::codec::CodecError;
pub use crate::wire::parameter::{
    ArgumentCodec, Elements, Field, Owned, OwnedField, Parameter, ResultCodec, Returns, Serde,
};
