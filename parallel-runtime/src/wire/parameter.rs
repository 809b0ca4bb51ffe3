//! What the attribute tells of a function's parameters and result, and how they become bytes.
//!
//! The generated code asks everything about a type through [`Parameter`] and [`Returns`], and only their `codec` asks
//! for serde's traits. So a type that cannot be sent is one error, in the one place where its codec is chosen, and not
//! one for each use.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
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
    fn codec() -> impl ArgumentCodec<Self::Type>;
}

/// What a worker holds of the parameter `INDEX` of `F`.
pub type Owned<F, const INDEX: usize> = <<F as Parameter<INDEX>>::Type as Borrowed>::Owned;

/// The argument for the parameter `INDEX` of `F`, to be serialized as a field of the struct of all.
pub struct Field<'a, F: Parameter<INDEX>, const INDEX: usize>(pub &'a F::Type);

impl<F: Parameter<INDEX>, const INDEX: usize> Serialize for Field<'_, F, INDEX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::codec().serialize(self.0, serializer)
    }
}

/// The argument for the parameter `INDEX` of `F` in its owned form, deserialized as a field of the struct of all.
pub struct OwnedField<F: Parameter<INDEX>, const INDEX: usize>(pub Owned<F, INDEX>);

impl<'de, F: Parameter<INDEX>, const INDEX: usize> Deserialize<'de> for OwnedField<F, INDEX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::codec().deserialize(deserializer).map(Self)
    }
}

/// Tells what a function returns.
pub trait Returns {
    /// What it returns.
    type Output;
    /// How it travels.
    fn codec() -> impl ResultCodec<Self::Output>;
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
    fn encode(&self, argument: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads one argument from the front of `bytes`; returns it with how many bytes it took.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    fn decode(&self, bytes: &[u8]) -> Result<(T::Owned, usize), CodecError>;

    /// Gives the argument to any serializer.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses.
    fn serialize<S: Serializer>(&self, argument: &T, serializer: S) -> Result<S::Ok, S::Error>;

    /// Takes an argument from any deserializer.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    fn deserialize<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T::Owned, D::Error>;
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
    fn encode(&self, result: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads the result, which must fill `bytes` exactly.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    fn decode_whole(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// Through serde.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serde;

/// Through serde, element by element: an array of any length, for which serde itself has no traits.
#[derive(Clone, Copy, Debug)]
pub struct Elements;

#[diagnostic::do_not_recommend]
impl<T: Serialize + Borrowed<Owned: DeserializeOwned> + ?Sized> ArgumentCodec<T> for Serde {
    fn encode(&self, argument: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        if ipc::is_carried::<T>() { ipc::encode(argument, bytes) } else { codec::encode(argument, bytes) }
    }

    fn decode(&self, bytes: &[u8]) -> Result<(T::Owned, usize), CodecError> {
        if ipc::is_carried::<T>() { ipc::decode(bytes) } else { codec::decode(bytes) }
    }

    fn serialize<S: Serializer>(&self, argument: &T, serializer: S) -> Result<S::Ok, S::Error> {
        argument.serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T::Owned, D::Error> {
        T::Owned::deserialize(deserializer)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> ResultCodec<T> for Serde {
    fn encode(&self, result: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        if ipc::is_carried::<T>() { Err(ipc::refuse_result::<T>()) } else { codec::encode(result, bytes) }
    }

    fn decode_whole(&self, bytes: &[u8]) -> Result<T, CodecError> {
        codec::decode_whole(bytes)
    }
}

/// Stands for a codec that an error has told to be missing; never used.
#[derive(Clone, Copy, Debug)]
pub struct Foreign;

impl<T: Borrowed + ?Sized> ArgumentCodec<T> for Foreign {
    fn encode(&self, _: &T, _: &mut Vec<u8>) -> Result<(), CodecError> {
        Err(CodecError::new::<T>(FOREIGN))
    }

    fn decode(&self, _: &[u8]) -> Result<(T::Owned, usize), CodecError> {
        Err(CodecError::new::<T>(FOREIGN))
    }

    fn serialize<S: Serializer>(&self, _: &T, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(FOREIGN))
    }

    fn deserialize<'de, D: Deserializer<'de>>(&self, _: D) -> Result<T::Owned, D::Error> {
        Err(D::Error::custom(FOREIGN))
    }
}

impl<T> ResultCodec<T> for Foreign {
    fn encode(&self, _: &T, _: &mut Vec<u8>) -> Result<(), CodecError> {
        Err(CodecError::new::<T>(FOREIGN))
    }

    fn decode_whole(&self, _: &[u8]) -> Result<T, CodecError> {
        Err(CodecError::new::<T>(FOREIGN))
    }
}

const FOREIGN: &str = "this type does not travel";

/// The elements of an array, one after the other, as serde writes a short one.
struct Row<'a, T>(&'a [T]);

impl<T: Serialize> Serialize for Row<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(self.0.len())?;
        for element in self.0 {
            row.serialize_element(element)?;
        }
        row.end()
    }
}

/// An array that is read element by element.
struct Rows<T, const N: usize>([T; N]);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Rows<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
            type Value = Rows<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of {N} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Rows<T, N>, A::Error> {
                let mut row = Vec::new();
                while row.len() < N {
                    let element = elements.next_element()?;
                    row.push(element.ok_or_else(|| A::Error::invalid_length(row.len(), &self))?);
                }
                // The loop has seen to the length.
                row.try_into().map(Rows).map_err(|row: Vec<T>| A::Error::invalid_length(row.len(), &"as many elements"))
            }
        }

        deserializer.deserialize_tuple(N, Elements(PhantomData))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned, const N: usize> ArgumentCodec<[T; N]> for Elements {
    fn encode(&self, argument: &[T; N], bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode(&Row(argument), bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Result<([T; N], usize), CodecError> {
        codec::decode(bytes).map(|(Rows(row), used)| (row, used))
    }

    fn serialize<S: Serializer>(&self, argument: &[T; N], serializer: S) -> Result<S::Ok, S::Error> {
        Row(argument).serialize(serializer)
    }

    fn deserialize<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<[T; N], D::Error> {
        Rows::deserialize(deserializer).map(|Rows(row)| row)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned, const N: usize> ResultCodec<[T; N]> for Elements {
    fn encode(&self, result: &[T; N], bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode(&Row(result), bytes)
    }

    fn decode_whole(&self, bytes: &[u8]) -> Result<[T; N], CodecError> {
        codec::decode_whole(bytes).map(|Rows(row)| row)
    }
}
