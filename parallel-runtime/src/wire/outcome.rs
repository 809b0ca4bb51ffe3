//! What comes back of a call: its value, decoded where it was called, or why there is none.

use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use super::handles::{self, Handle};
use super::parameter::{ResultCodec, Returns};
use super::plain;
use crate::panic::{self, PanicReport};
use crate::tuning::{LONGEST_BACKTRACE, LONGEST_TEXT};

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

/// Decodes a call's result in the calling process.
#[inline]
pub(crate) fn decode_result<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    match plain::decode(bytes) {
        Some((value, used)) if used == bytes.len() => Ok(value),
        _ => decode_through_codec(bytes, handles, H::codec()),
    }
}

// Compiled for the type and its codec, not for each function.
#[inline(never)]
fn decode_through_codec<T>(bytes: &[u8], handles: &[Handle], codec: impl ResultCodec<T>) -> Result<T, CodecError> {
    if let Some((value, used)) = plain::decode_bulk(bytes, handles)
        && used == bytes.len()
    {
        return Ok(value);
    }
    if handles.iter().any(|handle| matches!(handle, Handle::Arrived(arrived) if !arrived.is_here())) {
        let text = "it is in memory of the process that this one was forked from; join there";
        return Err(CodecError::of_bytes(text.to_string()));
    }
    match panic::catch(|| handles::providing(handles, || codec.decode_whole(bytes))) {
        Ok(decoded) => decoded,
        Err(report) => Err(CodecError::of_panic::<T>("Deserialize", &report)),
    }
}
