//! Messages of queues and channels: a value as a payload and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{self, CodecError};
use super::handles;
use super::payload::Payload;
use super::plain;
use crate::panic;

/// Encodes a message, with the handles in it, into an empty buffer.
pub(crate) fn encode<T: Serialize>(message: &T, mut bytes: Vec<u8>) -> Result<Payload, CodecError> {
    let mut handles = Vec::new();
    // Plain data run no code of the user's, which could panic, and hold no handles.
    if plain::encode(message, &mut bytes).is_some() {
        return Ok(Payload { bytes, handles });
    }
    match panic::catch(|| handles::gathering(&mut handles, || codec::encode(message, &mut bytes))) {
        Ok(encoded) => encoded.map(|()| Payload { bytes, handles }),
        Err(report) => Err(CodecError::of_panic::<T>("Serialize", &report)),
    }
}

/// Decodes a message.
pub(crate) fn decode<T: DeserializeOwned>(message: &Payload) -> Result<T, CodecError> {
    match plain::decode(&message.bytes) {
        Some((value, used)) if used == message.bytes.len() => return Ok(value),
        _ => {}
    }
    match panic::catch(|| handles::providing(&message.handles, || codec::decode_whole(&message.bytes))) {
        Ok(decoded) => decoded,
        Err(report) => Err(CodecError::of_panic::<T>("Deserialize", &report)),
    }
}
