//! Messages of queues and channels: a value as bytes and handles, and back.

use std::any::TypeId;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{self, CodecError};
use super::handles;
use super::payload::Payload;
use super::plain;
use crate::memory::cast;
use crate::panic;

/// Whether numbers in memory are as the codec writes them, `usize` among them.
const COPIED: bool = cfg!(all(target_endian = "little", target_pointer_width = "64"));

/// Tries an expression for every number type, until one gives something.
macro_rules! for_each_number {
    ($number:ident => $try:expr) => {
        for_each_number!(@ $number => $try; u8 i8 u16 i16 u32 i32 u64 i64 usize isize u128 i128 f32 f64)
    };
    (@ $number:ident => $try:expr; $($type:ty)*) => {
        $({
            type $number = $type;
            if let Some(found) = $try {
                return Some(found);
            }
        })*
    };
}

/// The size of the largest number, in bytes.
pub(crate) const LARGEST_NUMBER: usize = 16;

/// The bytes of a message that needs no encoding, as they stand in memory.
pub(crate) enum Plain<'a> {
    Number(&'a [u8]),
    /// How many numbers, or bytes of text, there are, and they.
    Row([u8; 8], &'a [u8]),
}

/// A number, a row of numbers or a text, as its bytes: those that [`encode`] would write. It runs no code of the user's, and holds no
/// handles.
#[inline]
pub(crate) fn as_plain<T>(message: &T) -> Option<Plain<'_>> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => cast::same::<T, Number>(message).map(|number| Plain::Number(bytemuck::bytes_of(number))));
    for_each_number!(Number => cast::same::<T, Vec<Number>>(message).map(|row| {
        Plain::Row((row.len() as u64).to_le_bytes(), bytemuck::cast_slice(row))
    }));
    cast::same::<T, String>(message).map(|text| Plain::Row((text.len() as u64).to_le_bytes(), text.as_bytes()))
}

/// The size of a number, in bytes; `None` for any other type.
#[inline]
pub(crate) fn size_of_number<T>() -> Option<usize> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => (typeid::of::<T>() == TypeId::of::<Number>()).then_some(size_of::<Number>()));
    None
}

/// The number in these bytes.
#[inline]
pub(crate) fn number<T>(bytes: &[u8]) -> Option<T> {
    plain::decode(bytes).map(|(number, _)| number)
}

/// Encodes a message, with the handles in it, into an empty buffer.
pub(crate) fn encode<T: Serialize>(message: &T, mut bytes: Vec<u8>) -> Result<Payload, CodecError> {
    let mut handles = Vec::new();
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

    #[test]
    fn what_needs_no_encoding_is_what_encoding_writes() {
        fn agree<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: T) {
            let bytes = match as_plain(&message).unwrap() {
                Plain::Number(bytes) => bytes.to_vec(),
                Plain::Row(len, bytes) => [&len, bytes].concat(),
            };
            assert_eq!(encode(&message, Vec::new()).unwrap().bytes, bytes);
            assert_eq!(decode::<T>(&Payload { bytes, handles: Vec::new() }).unwrap(), message);
        }
        agree(-7_i8);
        agree(u128::MAX);
        agree(0.1_f64);
        agree(vec![1.5_f32, -0.0]);
        agree(Vec::<u64>::new());
        agree(usize::MAX);
        agree("text".to_string());
        assert_eq!((size_of_number::<u16>(), size_of_number::<Vec<u16>>()), (Some(2), None));
        assert_eq!(number::<u16>(&[1, 2]), Some(0x0201));
        assert!(as_plain(&true).is_none() && as_plain(&vec![true]).is_none());
    }
}
