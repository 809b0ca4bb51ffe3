//! What can be called: a function's type, its place in the registry, and the items that its maps take.

use crate::registry::Entry;
use crate::wire::call::Arguments;
use crate::wire::codec::CodecError;
use crate::wire::parameter::Returns;

/// A `#[parallel]` function, implemented by the type that the attribute generates.
pub trait Function: Returns + Sized + 'static {
    /// The function's own type, `fn(u64) -> u64`.
    type Pointer: Copy + Send + Sync + 'static;
    /// The function.
    const POINTER: Self::Pointer;
    /// The tuple of its parameters in their owned forms: `(String, f64)` for `fn(&str, f64)`, `(u64,)` for `fn(u64)`.
    type Owned;
    /// Its place in the registry.
    fn entry() -> &'static Entry;
    /// Appends arguments that are given in their owned forms.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode_owned(owned: &Self::Owned, arguments: &mut Arguments) -> Result<(), CodecError>;
}

/// Merges two values of type `R` into one: a `#[parallel]` function `fn(R, R) -> R`.
#[diagnostic::on_unimplemented(
    message = "values of type `{R}` cannot be merged by `{Self}`",
    label = "not a `#[parallel]` function `fn({R}, {R}) -> {R}`",
    note = "the values are merged in the workers, where a closure is not known: write a function, put `#[parallel]` on it, and pass it by reference"
)]
pub trait Merges<R> {
    /// The function's place in the registry.
    fn merge_entry() -> &'static Entry;
}

#[diagnostic::do_not_recommend]
impl<R, M: Accepts<(R, R)> + Returns<Output = R>> Merges<R> for M {
    fn merge_entry() -> &'static Entry {
        M::entry()
    }
}

/// Tells that the maps of this function take items of type `Item`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mapped over items of type `{Item}`",
    label = "the items do not fit the function's parameters",
    note = "one parameter: the item is the argument; several: the item is a tuple of them; none: the item is `()`"
)]
pub trait Accepts<Item>: Function {
    /// Appends the item's arguments.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode(item: &Item, arguments: &mut Arguments) -> Result<(), CodecError>;
}
