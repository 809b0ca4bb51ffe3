//! One call on the wire: its arguments on the way out, and the run of the function on the way back.

use std::borrow::Borrow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::borrowed::{Borrowed, Parameter, Returns};
use crate::panic::{self, PanicReport};
use crate::wire::codec::{self, CodecError};

/// The bytes of one call's arguments, in the order of the parameters.
#[derive(Debug, Default)]
pub struct Arguments {
    bytes: Vec<u8>,
}

impl Arguments {
    /// Goes on after what `bytes` already holds.
    pub(crate) fn appending_to(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends the argument for the parameter `INDEX` of `F`.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses, or that it panicked.
    pub fn push<F: Parameter<INDEX>, const INDEX: usize>(&mut self, value: &F::Type) -> Result<(), CodecError> {
        self.push_named(F::NAME, value)
    }

    fn push_named<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CodecError> {
        let before = self.bytes.len();
        match panic::catch(|| codec::encode(value, &mut self.bytes)) {
            Ok(encoded) => encoded.map_err(|error| error.of_argument(name)),
            Err(report) => {
                self.bytes.truncate(before);
                Err(panicked::<T>("Serialize", &report).of_argument(name))
            }
        }
    }
}

/// The arguments of one call as the worker reads them.
#[derive(Debug)]
pub struct Parameters<'a> {
    bytes: &'a [u8],
}

impl Parameters<'_> {
    /// Takes the next argument, that for the parameter `INDEX` of `F`, by value.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    pub fn take<F: Parameter<INDEX>, const INDEX: usize>(
        &mut self,
    ) -> Result<<F::Type as Borrowed>::Owned, CodecError> {
        self.take_named(F::NAME)
    }

    /// Takes the next argument, that for the parameter `INDEX` of `F`, which the function is to borrow.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    pub fn take_borrowed<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Owner<F::Type>, CodecError> {
        self.take_named(F::NAME).map(Owner)
    }

    fn take_named<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, CodecError> {
        match panic::catch(|| codec::decode(self.bytes)) {
            Ok(Ok((value, used))) => {
                self.bytes = &self.bytes[used..];
                Ok(value)
            }
            Ok(Err(error)) => Err(error.of_argument(name)),
            Err(report) => Err(panicked::<T>("Deserialize", &report).of_argument(name)),
        }
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
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CallFailure {
    Panicked(PanicReport),
    Decode(CodecError),
    Encode(CodecError),
    /// The worker's program has no function of this key.
    UnknownFunction {
        key: u64,
    },
}

/// One call in the process that runs it.
#[derive(Debug)]
pub struct Call<'a> {
    parameters: Parameters<'a>,
    result: &'a mut Vec<u8>,
    failure: Option<CallFailure>,
}

impl<'a> Call<'a> {
    /// The result will be appended to `result`.
    pub(crate) fn new(arguments: &'a [u8], result: &'a mut Vec<u8>) -> Self {
        Self { parameters: Parameters { bytes: arguments }, result, failure: None }
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
        self.failure = self.steps(decode).err();
    }

    fn steps<F, R>(
        &mut self,
        decode: impl FnOnce(&mut Parameters<'_>) -> Result<F, CodecError>,
    ) -> Result<(), CallFailure>
    where
        F: FnOnce() -> R,
        R: Serialize,
    {
        let function = decode(&mut self.parameters).map_err(|error| CallFailure::Decode(error.seen_by_worker()))?;
        if !self.parameters.bytes.is_empty() {
            let left = self.parameters.bytes.len();
            let error = CodecError::new::<F>(format!("{left} bytes were left over after the last argument"));
            return Err(CallFailure::Decode(error.seen_by_worker()));
        }
        let value = panic::catch(function).map_err(CallFailure::Panicked)?;
        let before = self.result.len();
        match panic::catch(|| codec::encode(&value, self.result)) {
            Ok(encoded) => encoded.map_err(|error| CallFailure::Encode(error.seen_by_worker()))?,
            Err(report) => {
                self.result.truncate(before);
                return Err(CallFailure::Encode(panicked::<R>("Serialize", &report).seen_by_worker()));
            }
        }
        // The value belongs to the function: a panic in its `Drop` is the function's panic.
        panic::catch(|| drop(value)).map_err(|report| {
            self.result.truncate(before);
            CallFailure::Panicked(report)
        })
    }
}

/// Decodes a call's result in the calling process.
pub(crate) fn decode_result<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, CodecError> {
    match panic::catch(|| codec::decode_whole(bytes)) {
        Ok(decoded) => decoded,
        Err(report) => Err(panicked::<R>("Deserialize", &report)),
    }
}

fn panicked<T: ?Sized>(implementation: &str, report: &PanicReport) -> CodecError {
    CodecError::new::<T>(format!("its `{implementation}` panicked at {}: {}", report.location(), report.message()))
}
