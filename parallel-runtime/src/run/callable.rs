//! What can be called: a function's type, its place in the registry, and the items that its maps take.

use std::borrow::Borrow;
use std::marker::PhantomData;

use super::registry::Entry;
use crate::wire::arguments::Arguments;
use crate::wire::codec::CodecError;
use crate::wire::parameter::{ResultCodec, Returns};

/// What the attribute tells of a function; implemented by the type that it generates, and by nothing else of users'.
pub trait Callable: Returns + Sized + 'static {
    /// The function's own type, `fn(u64) -> u64`.
    type Pointer: Copy + Send + Sync + 'static;
    /// The struct of its arguments in their owned forms, with the names of the parameters.
    type Arguments;
    /// Its place in the registry.
    fn entry() -> &'static Entry;
    /// Appends arguments that are given as that struct.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode_arguments(given: &Self::Arguments, arguments: &mut Arguments) -> Result<(), CodecError>;
}

/// Tells that the struct of the function's arguments has a name, by `#[parallel(args)]`.
#[diagnostic::on_unimplemented(
    message = "the arguments of `{Self}` have no struct that could be named",
    label = "`#[parallel]` does not say `args` here",
    note = "write `#[parallel(args)]` above the function"
)]
pub trait NamedArguments: Callable {}

/// A function with maps that take structs of its arguments.
pub struct ByArguments<H>(PhantomData<H>);

impl<H: Callable> Returns for ByArguments<H> {
    type Output = H::Output;

    fn codec() -> impl ResultCodec<H::Output> {
        H::codec()
    }
}

impl<H: Callable> Callable for ByArguments<H> {
    type Pointer = H::Pointer;
    type Arguments = H::Arguments;

    fn entry() -> &'static Entry {
        H::entry()
    }

    fn encode_arguments(given: &Self::Arguments, arguments: &mut Arguments) -> Result<(), CodecError> {
        H::encode_arguments(given, arguments)
    }
}

impl<H: NamedArguments, Item: Borrow<H::Arguments>> Accepts<Item> for ByArguments<H> {
    fn encode(item: &Item, arguments: &mut Arguments) -> Result<(), CodecError> {
        H::encode_arguments(item.borrow(), arguments)
    }
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

/// Tells that this function can be called with the tuple `Given`, one place for each parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with the arguments `{Given}`",
    label = "the tuple does not fit the function's parameters",
    note = "write a tuple with a place for each parameter: `(3,)` for one, `()` for none"
)]
pub trait AcceptsTuple<Given>: Callable {
    /// Appends the arguments.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode(given: &Given, arguments: &mut Arguments) -> Result<(), CodecError>;
}

/// Tells that the maps of this function take items of type `Item`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mapped over items of type `{Item}`",
    label = "the items do not fit the function's parameters",
    note = "one parameter: the item is the argument; several: the item is a tuple of them; none: the item is `()`"
)]
pub trait Accepts<Item>: Callable {
    /// Appends the item's arguments.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode(item: &Item, arguments: &mut Arguments) -> Result<(), CodecError>;
}

#[cfg(test)]
mod tests {
    use parallel_macros::parallel;

    use super::*;
    use crate::call::handle::JoinHandle;
    use crate::call::task::ENCODED;

    #[parallel(crate = crate, args)]
    fn mixed(row: &[f64], number: u64, text: &str, flag: bool) -> usize {
        row.len() + text.len() + usize::from(flag) + number as usize
    }

    fn bytes(encode: impl FnOnce(&mut Arguments) -> Result<(), CodecError>) -> Vec<u8> {
        let mut arguments = Arguments::default();
        encode(&mut arguments).unwrap();
        arguments.into_payload().bytes
    }

    fn as_item<F: Accepts<T>, T>(_: &F, item: &T) -> Vec<u8> {
        bytes(|arguments| F::encode(item, arguments))
    }

    fn as_tuple<F: AcceptsTuple<T>, T>(_: &F, item: &T) -> Vec<u8> {
        bytes(|arguments| F::encode(item, arguments))
    }

    fn as_struct<F: Callable>(_: &F, given: &F::Arguments) -> Vec<u8> {
        bytes(|arguments| F::encode_arguments(given, arguments))
    }

    #[test]
    fn the_bytes_of_a_call_are_the_same_whichever_way_it_is_made() {
        let row = vec![1.0, 2.0];
        let item = (row.clone(), 7, "a".to_string(), true);
        let expected = as_item(&mixed, &item);
        assert_eq!(as_tuple(&mixed, &item), expected);
        let given = MixedArgs { row: row.clone(), number: 7, text: "a".to_string(), flag: true };
        assert_eq!(as_struct(&mixed, &given), expected);
        let of_call = |call: &dyn Fn() -> JoinHandle<usize>| {
            ENCODED.take();
            call().join().map(|sum| (sum, ENCODED.take())).unwrap()
        };
        let calls: [&dyn Fn() -> JoinHandle<usize>; 4] = [
            &|| mixed.spawn(&row, 7, "a", true),
            &|| mixed.submit(&row, 7, "a", true),
            &|| mixed.spawn_args(&given),
            &|| mixed.submit_args(&given),
        ];
        for call in calls {
            assert_eq!(of_call(call), (11, expected.clone()));
        }
    }
}
