//! The generated code's only door. Nothing in here is for people; it changes without notice.

pub use {linkme, serde};

pub use crate::call::handle::JoinHandle;
pub use crate::call::options::Defaults;
pub use crate::call::task::{Call, Function, Task};
pub use crate::probe::*;
pub use crate::run::callable::{Accepts, AcceptsTuple, ByArguments, Callable, Merges, NamedArguments};
pub use crate::run::numbers::{OfAny, OfNumbers, Signature};
pub use crate::run::registry::{Entry, FUNCTIONS};
pub use crate::wire::arguments::{Arguments, BorrowedArgument, Parameters};
pub use crate::wire::borrowed::{Borrowed, BorrowedFrom};
pub use crate::wire::codec::CodecError;
pub use crate::wire::given::Given;
pub use crate::wire::parameter::{
    ArgumentCodec, Elements, Field, Owned, OwnedField, Parameter, ResultCodec, Returns, Serde,
};
