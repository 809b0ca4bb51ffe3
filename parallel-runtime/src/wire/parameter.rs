//! What the attribute tells of a function's parameters and result, and how they become bytes.
//!
//! The generated code asks everything about a type through [`Parameter`] and [`Returns`], and only their `Codec` asks
//! for serde's traits. So a type that cannot be sent is one error, in the one place where its codec is named, and not
//! one for each use.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::borrowed::Borrowed;
use super::codec::{self, CodecError};
use super::ipc;

/// Tells a function's parameter number `INDEX`, counted from 0.
pub trait Parameter<const INDEX: usize> {
    /// Its name.
    const NAME: &'static str;
    /// Its type; for a borrowed parameter, the type behind the borrow.
    type Type: Borrowed + ?Sized;
    /// How it travels.
    type Codec: ArgumentCodec<Self::Type>;
}

/// What a worker holds of the parameter `INDEX` of `F`.
pub type Owned<F, const INDEX: usize> = <<F as Parameter<INDEX>>::Type as Borrowed>::Owned;

/// The argument for the parameter `INDEX` of `F`, to be serialized as a field of the struct of all.
pub struct Given<'a, F: Parameter<INDEX>, const INDEX: usize>(pub &'a F::Type);

impl<F: Parameter<INDEX>, const INDEX: usize> Serialize for Given<'_, F, INDEX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::Codec::serialize(self.0, serializer)
    }
}

/// The argument for the parameter `INDEX` of `F` in its owned form, deserialized as a field of the struct of all.
pub struct Taken<F: Parameter<INDEX>, const INDEX: usize>(pub Owned<F, INDEX>);

impl<'de, F: Parameter<INDEX>, const INDEX: usize> Deserialize<'de> for Taken<F, INDEX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::Codec::deserialize(deserializer).map(Self)
    }
}

/// Tells what a function returns.
pub trait Returns {
    /// What it returns.
    type Output;
    /// How it travels.
    type Codec: ResultCodec<Self::Output>;
}

/// Turns arguments of type `T` into bytes and back.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be a parameter of a `#[parallel]` function",
    label = "cannot be sent to another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for every type in it"
)]
pub trait ArgumentCodec<T: Borrowed + ?Sized> {
    /// Appends the argument to `bytes`; on an error `bytes` is as it was.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses.
    fn encode(argument: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads one argument from the front of `bytes`; returns it with how many bytes it took.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    fn decode(bytes: &[u8]) -> Result<(T::Owned, usize), CodecError>;

    /// Gives the argument to any serializer.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses.
    fn serialize<S: Serializer>(argument: &T, serializer: S) -> Result<S::Ok, S::Error>;

    /// Takes an argument from any deserializer.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T::Owned, D::Error>;
}

/// Turns results of type `T` into bytes and back.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be returned from a `#[parallel]` function",
    label = "cannot be sent back from another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for every type in it"
)]
pub trait ResultCodec<T> {
    /// Appends the result to `bytes`; on an error `bytes` is as it was.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses.
    fn encode(result: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads the result, which must fill `bytes` exactly.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    fn decode_whole(bytes: &[u8]) -> Result<T, CodecError>;
}

/// Through serde.
#[derive(Debug)]
pub enum Serde {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Borrowed<Owned: DeserializeOwned> + ?Sized> ArgumentCodec<T> for Serde {
    fn encode(argument: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        if ipc::is_carried::<T>() { ipc::encode(argument, bytes) } else { codec::encode(argument, bytes) }
    }

    fn decode(bytes: &[u8]) -> Result<(T::Owned, usize), CodecError> {
        if ipc::is_carried::<T>() { ipc::decode(bytes) } else { codec::decode(bytes) }
    }

    fn serialize<S: Serializer>(argument: &T, serializer: S) -> Result<S::Ok, S::Error> {
        argument.serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T::Owned, D::Error> {
        T::Owned::deserialize(deserializer)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> ResultCodec<T> for Serde {
    fn encode(result: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        if ipc::is_carried::<T>() { Err(ipc::refuse_result::<T>()) } else { codec::encode(result, bytes) }
    }

    fn decode_whole(bytes: &[u8]) -> Result<T, CodecError> {
        codec::decode_whole(bytes)
    }
}
