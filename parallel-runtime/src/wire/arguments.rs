//! The arguments of a call: written by its caller, read where it runs.

use std::borrow::Borrow;

use super::borrowed::Borrowed;
use super::codec::CodecError;
use super::given::{self, Given};
use super::handles::{self, Handle};
use super::parameter::{ArgumentCodec, Owned, Parameter};
use super::payload::Payload;
use super::plain::{self, PlainBytes};
use crate::panic;

/// One call's arguments, in the order of the parameters; in a map, those of several calls one after the other.
#[derive(Debug, Default)]
pub struct Arguments(Payload);

impl Arguments {
    pub(crate) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.bytes.truncate(len);
    }

    /// Takes memory for so many more bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.0.bytes.reserve_exact(bytes);
    }

    /// Appends an argument that is bytes already.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.0.bytes.extend_from_slice(bytes);
    }

    /// Appends numbers of so many bytes each as they stand, at most `most`; returns how many there were.
    pub(crate) fn push_numbers<T>(
        &mut self,
        width: usize,
        most: usize,
        numbers: &mut impl Iterator<Item = T>,
    ) -> usize {
        let bytes = &mut self.0.bytes;
        let before = bytes.len();
        bytes.resize(before + most * width, 0);
        let mut taken = 0;
        // The places come first in the zip: no number is taken without one.
        for (place, number) in bytes[before..].chunks_exact_mut(width).zip(numbers) {
            if let Some(PlainBytes::Number(number)) = plain::as_plain(&number) {
                place[..number.len()].copy_from_slice(number);
            }
            taken += 1;
        }
        bytes.truncate(before + taken * width);
        taken
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.0
    }

    /// Appends the argument for the parameter `INDEX` of `F`.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses, or that it panicked.
    #[inline]
    pub fn push<F: Parameter<INDEX>, const INDEX: usize>(&mut self, value: &F::Type) -> Result<(), CodecError> {
        push(&mut self.0, value, F::codec(), F::NAME)
    }
}

// Compiled for the type and its codec, not for each parameter, and so is `take`.
#[inline]
fn push<T: Borrowed + ?Sized>(
    Payload { bytes, handles }: &mut Payload,
    value: &T,
    codec: impl ArgumentCodec<T>,
    name: &'static str,
) -> Result<(), CodecError> {
    if plain::encode_bulk(value, bytes, handles).is_some() || plain::encode(value, bytes).is_some() {
        return Ok(());
    }
    let before = bytes.len();
    match panic::catch(|| handles::gathering(handles, || codec.encode(value, bytes))) {
        Ok(encoded) => encoded.map_err(|error| error.of_argument(name)),
        Err(report) => {
            bytes.truncate(before);
            Err(CodecError::of_panic::<T>("Serialize", &report).of_argument(name))
        }
    }
}

/// The arguments of one call as the worker reads them.
#[derive(Debug)]
pub struct Parameters<'a> {
    bytes: &'a [u8],
    handles: &'a [Handle],
    /// Whether one of those that were taken is deep.
    deep: bool,
}

impl<'a> Parameters<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], handles: &'a [Handle]) -> Self {
        Self { bytes, handles, deep: false }
    }

    /// How many bytes nothing has taken.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Whether an argument that was taken is deep.
    #[inline]
    pub(crate) fn are_deep(&self) -> bool {
        self.deep
    }

    /// Takes the next argument, that for the parameter `INDEX` of `F`, by value.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    #[inline]
    pub fn take<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Given<Owned<F, INDEX>>, CodecError> {
        self.take_value::<F::Type>(F::codec(), F::NAME)
    }

    #[inline]
    fn take_value<T: Borrowed + ?Sized>(
        &mut self,
        codec: impl ArgumentCodec<T>,
        name: &'static str,
    ) -> Result<Given<T::Owned>, CodecError> {
        if let Some((value, used)) = plain::decode(self.bytes) {
            self.bytes = &self.bytes[used..];
            return Ok(Given::new(value));
        }
        let before = given::met();
        let (value, used) = take_through_codec::<T>(self.bytes, self.handles, codec, name)?;
        self.deep |= given::met() != before;
        self.bytes = &self.bytes[used..];
        Ok(Given::since(value, before))
    }

    /// Takes the next argument, that for the parameter `INDEX` of `F`, which the function is to borrow.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    #[inline]
    pub fn take_borrowed<F: Parameter<INDEX>, const INDEX: usize>(
        &mut self,
    ) -> Result<BorrowedArgument<'a, F::Type>, CodecError> {
        self.take_view(F::codec(), F::NAME)
    }

    #[inline]
    fn take_view<T: Borrowed + ?Sized>(
        &mut self,
        codec: impl ArgumentCodec<T>,
        name: &'static str,
    ) -> Result<BorrowedArgument<'a, T>, CodecError> {
        if let Some((view, used)) = plain::view(self.bytes) {
            self.bytes = &self.bytes[used..];
            return Ok(BorrowedArgument(Argument::Here(view)));
        }
        self.take_value(codec, name).map(|owned| BorrowedArgument(Argument::Owned(owned)))
    }
}

// Not inlined: the loops over plain arguments stay small, and their variables in registers.
#[inline(never)]
fn take_through_codec<T: Borrowed + ?Sized>(
    bytes: &[u8],
    handles: &[Handle],
    codec: impl ArgumentCodec<T>,
    name: &'static str,
) -> Result<(T::Owned, usize), CodecError> {
    if let Some(found) = plain::decode_bulk(bytes, handles) {
        return Ok(found);
    }
    match panic::catch(|| handles::providing(handles, || codec.decode(bytes))) {
        Ok(decoded) => decoded.map_err(|error| error.of_argument(name)),
        Err(report) => Err(CodecError::of_panic::<T::Owned>("Deserialize", &report).of_argument(name)),
    }
}

/// Holds a borrowed argument while the function runs.
pub struct BorrowedArgument<'a, B: Borrowed + ?Sized>(Argument<'a, B>);

impl<B: Borrowed + ?Sized> std::fmt::Debug for BorrowedArgument<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BorrowedArgument").finish_non_exhaustive()
    }
}

enum Argument<'a, B: Borrowed + ?Sized> {
    /// In its owned form.
    Owned(Given<B::Owned>),
    /// Where it arrived.
    Here(&'a B),
}

impl<B: Borrowed + ?Sized> BorrowedArgument<'_, B> {
    /// Borrows it as the parameter says.
    #[inline]
    pub fn get(&self) -> &B {
        match &self.0 {
            Argument::Owned(owned) => (**owned).borrow(),
            Argument::Here(view) => view,
        }
    }
}
