//! One call on the wire: its arguments on the way out, and the run of the function on the way back.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::borrowed::Borrowed;
use super::codec::CodecError;
use super::handles::{self, Handle};
use super::parameter::{ArgumentCodec, Owned, Parameter, ResultCodec, Returns};
use super::payload::Payload;
use crate::panic::{self, PanicReport};

/// One call's arguments, in the order of the parameters; in a map, those of several calls one after the other.
#[derive(Debug, Default)]
pub struct Arguments(Payload);

impl Arguments {
    pub(crate) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.bytes.truncate(len);
    }

    /// Appends an argument that is bytes already.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.0.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.0
    }

    /// Appends the argument for the parameter `INDEX` of `F`.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses, or that it panicked.
    pub fn push<F: Parameter<INDEX>, const INDEX: usize>(&mut self, value: &F::Type) -> Result<(), CodecError> {
        let Payload { bytes, handles } = &mut self.0;
        let before = bytes.len();
        match panic::catch(|| handles::gathering(handles, || F::Codec::encode(value, bytes))) {
            Ok(encoded) => encoded.map_err(|error| error.of_argument(F::NAME)),
            Err(report) => {
                self.0.bytes.truncate(before);
                Err(CodecError::of_panic::<F::Type>("Serialize", &report).of_argument(F::NAME))
            }
        }
    }
}

/// The arguments of one call as the worker reads them.
#[derive(Debug)]
pub struct Parameters<'a> {
    bytes: &'a [u8],
    handles: &'a [Handle],
}

impl Parameters<'_> {
    /// Takes the next argument, that for the parameter `INDEX` of `F`, by value.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    pub fn take<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Owned<F, INDEX>, CodecError> {
        match panic::catch(|| handles::providing(self.handles, || F::Codec::decode(self.bytes))) {
            Ok(Ok((value, used))) => {
                self.bytes = &self.bytes[used..];
                Ok(value)
            }
            Ok(Err(error)) => Err(error.of_argument(F::NAME)),
            Err(report) => Err(CodecError::of_panic::<Owned<F, INDEX>>("Deserialize", &report).of_argument(F::NAME)),
        }
    }

    /// Takes the next argument, that for the parameter `INDEX` of `F`, which the function is to borrow.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    pub fn take_borrowed<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Owner<F::Type>, CodecError> {
        self.take::<F, INDEX>().map(Owner)
    }
}

/// Holds the owned form of a borrowed argument while the function runs.
#[derive(Debug)]
pub struct Owner<B: Borrowed + ?Sized>(B::Owned);

impl<B: Borrowed + ?Sized> Owner<B> {
    /// Borrows it as the parameter says.
    pub fn get(&self) -> &B {
        self.0.borrow()
    }
}

/// Why a call that reached its worker gave no value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum CallFailure {
    Panicked(PanicReport),
    Decode(CodecError),
    Encode(CodecError),
    /// The worker's program has no function of this key.
    UnknownFunction {
        key: u64,
    },
}

/// What a report may hold of a panic's backtrace, in bytes: a message has an end.
const LONGEST_BACKTRACE: usize = 24 << 10;
/// What it may hold of any other text.
const LONGEST_TEXT: usize = 4 << 10;

impl CallFailure {
    /// Cuts what is too long for one message.
    pub(crate) fn fitting(mut self) -> Self {
        match &mut self {
            Self::Panicked(report) => report.cut(LONGEST_TEXT, LONGEST_BACKTRACE),
            Self::Decode(error) | Self::Encode(error) => error.cut(LONGEST_TEXT),
            Self::UnknownFunction { .. } => {}
        }
        self
    }
}

/// One call in the process that runs it.
#[derive(Debug)]
pub struct Call<'a> {
    parameters: Parameters<'a>,
    result: &'a mut Payload,
    /// Whether anybody wants the result.
    wanted: bool,
    failure: Option<CallFailure>,
}

impl<'a> Call<'a> {
    /// The result will be appended to `result`, if it is `wanted`.
    pub(crate) fn new(arguments: &'a [u8], handles: &'a [Handle], result: &'a mut Payload, wanted: bool) -> Self {
        Self { parameters: Parameters { bytes: arguments, handles }, result, wanted, failure: None }
    }

    /// Why there is no result, once the entry has run; `None` when there is one.
    pub(crate) fn into_failure(self) -> Option<CallFailure> {
        self.failure
    }

    /// Decodes the arguments, runs the function and encodes its result; each step's error or panic is its own failure.
    pub fn run<H: Returns, F>(&mut self, decode: impl FnOnce(&mut Parameters<'_>) -> Result<F, CodecError>)
    where
        F: FnOnce() -> H::Output,
    {
        self.failure = self.steps::<H, F>(decode).err();
    }

    fn steps<H: Returns, F>(
        &mut self,
        decode: impl FnOnce(&mut Parameters<'_>) -> Result<F, CodecError>,
    ) -> Result<(), CallFailure>
    where
        F: FnOnce() -> H::Output,
    {
        let function = decode(&mut self.parameters).map_err(|error| CallFailure::Decode(error.seen_by_worker()))?;
        if !self.parameters.bytes.is_empty() {
            let left = self.parameters.bytes.len();
            let error = CodecError::of_bytes(format!(
                "{left} bytes were left over after the last argument: a `Deserialize` reads less than its `Serialize` wrote"
            ));
            return Err(CallFailure::Decode(error.seen_by_worker()));
        }
        let value = panic::catch(function).map_err(CallFailure::Panicked)?;
        let Payload { bytes, handles } = &mut *self.result;
        let before = bytes.len();
        if self.wanted {
            match panic::catch(|| handles::gathering(handles, || H::Codec::encode(&value, bytes))) {
                Ok(encoded) => encoded.map_err(|error| CallFailure::Encode(error.seen_by_worker()))?,
                Err(report) => {
                    bytes.truncate(before);
                    return Err(CallFailure::Encode(
                        CodecError::of_panic::<H::Output>("Serialize", &report).seen_by_worker(),
                    ));
                }
            }
        }
        // The value belongs to the function: a panic in its `Drop` is the function's panic.
        panic::catch(|| drop(value)).map_err(|report| {
            self.result.bytes.truncate(before);
            CallFailure::Panicked(report)
        })
    }
}

/// Decodes a call's result in the calling process.
pub(crate) fn decode_result<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    match panic::catch(|| handles::providing(handles, || H::Codec::decode_whole(bytes))) {
        Ok(decoded) => decoded,
        Err(report) => Err(CodecError::of_panic::<H::Output>("Deserialize", &report)),
    }
}
