//! What comes back of a call: its value, decoded where it was called, or why there is none.

use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use super::handles::{self, Handle};
use super::parameter::{ResultCodec, Returns};
use super::plain;
use crate::panic::{self, PanicReport};

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
/// What a report may hold of any other text, in bytes.
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

/// Decodes a call's result in the calling process.
#[inline]
pub(crate) fn decode_result<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    match plain::decode(bytes) {
        Some((value, used)) if used == bytes.len() => Ok(value),
        _ => decode_through_codec::<H>(bytes, handles),
    }
}

#[inline(never)]
fn decode_through_codec<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    if let Some((value, used)) = plain::decode_bulk(bytes, handles)
        && used == bytes.len()
    {
        return Ok(value);
    }
    if handles.iter().any(|handle| matches!(handle, Handle::Arrived(arrived) if !arrived.is_here())) {
        let text = "it is in memory of the process that this one was forked from; join there";
        return Err(CodecError::of_bytes(text.to_string()));
    }
    match panic::catch(|| handles::providing(handles, || H::codec().decode_whole(bytes))) {
        Ok(decoded) => decoded,
        Err(report) => Err(CodecError::of_panic::<H::Output>("Deserialize", &report)),
    }
}
