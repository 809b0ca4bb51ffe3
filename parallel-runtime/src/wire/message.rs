//! Messages of queues and channels: a value as bytes and handles, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{self, CodecError};
use super::handles::{self, Handles};
use super::payload::Payload;
use super::plain;
use crate::panic;

/// Encodes a message, with the handles in it, into an empty buffer.
pub(crate) fn encode<T: Serialize>(message: &T, mut bytes: Vec<u8>) -> Result<Payload, CodecError> {
    let mut handles = Handles::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::plain::{PlainBytes, as_plain, size_of_number};

    #[test]
    fn what_needs_no_encoding_is_what_encoding_writes() {
        fn agree<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: T) {
            let bytes = match as_plain(&message).unwrap() {
                PlainBytes::Number(bytes) => bytes.to_vec(),
                PlainBytes::Row(len, bytes) => [&len, bytes].concat(),
            };
            assert_eq!(encode(&message, Vec::new()).unwrap().bytes, bytes);
            assert_eq!(decode::<T>(&Payload { bytes, handles: Handles::new() }).unwrap(), message);
        }
        agree(-7_i8);
        agree(u128::MAX);
        agree(0.1_f64);
        agree(vec![1.5_f32, -0.0]);
        agree(Vec::<u64>::new());
        agree(usize::MAX);
        agree("text".to_string());
        assert_eq!((size_of_number::<u16>(), size_of_number::<Vec<u16>>()), (Some(2), None));
        assert_eq!(plain::decode::<u16>(&[1, 2]), Some((0x0201, 2)));
        assert!(as_plain(&true).is_none() && as_plain(&vec![true]).is_none());
    }
}
