//! The codec: serde values to bytes and back, through bincode. No other file names bincode.
//!
//! Integers have a fixed width. That is faster than the variable one, and it makes bincode's limit count the bytes that
//! are really read: a length that claims more than the limit is refused before memory is taken for it.

use std::borrow::Cow;
use std::fmt;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::EncodeError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::plain;
use super::strict::Strictly;
use crate::panic::PanicReport;

/// Messages up to this size may not claim more memory than this, in bytes. A claim of this size is address space until
/// it is filled, so it is harmless; larger messages get [`LARGE`].
const SMALL: usize = 64 << 20;
/// What a message above [`SMALL`] may claim, in bytes.
const LARGE: usize = 1 << 40;

type Format<const LIMIT: usize> = Configuration<LittleEndian, Fixint, Limit<LIMIT>>;

const fn format<const LIMIT: usize>() -> Format<LIMIT> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LIMIT>()
}

/// Tells which type could not be turned into bytes or back, what the codec said, and in which process.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use std::path::PathBuf;
///
/// #[parallel]
/// fn depth(path: PathBuf) -> usize { path.components().count() }
///
/// # #[cfg(unix)] {
/// use std::os::unix::ffi::OsStringExt;
/// // serde refuses a path that is not UTF-8.
/// let path = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
/// let error = depth.spawn(path).join().unwrap_err();
/// let parallel::ErrorKind::Encode(report) = error.kind() else { panic!("{error}") };
/// assert!(report.type_name().contains("PathBuf"));
/// assert!(report.message().contains("UTF-8"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError {
    type_name: Cow<'static, str>,
    message: String,
    argument: Option<Cow<'static, str>>,
    in_worker: bool,
}

impl CodecError {
    pub(crate) fn new<T: ?Sized>(message: impl Into<String>) -> Self {
        Self {
            type_name: Cow::Borrowed(std::any::type_name::<T>()),
            message: message.into(),
            argument: None,
            in_worker: false,
        }
    }

    /// A `Serialize` or `Deserialize` that panicked.
    pub(crate) fn of_panic<T: ?Sized>(implementation: &str, report: &PanicReport) -> Self {
        Self::new::<T>(format!("its `{implementation}` panicked at {}: {}", report.location(), report.message()))
    }

    /// An error of bytes on their way, whatever their type.
    pub(crate) fn of_bytes(message: impl Into<String>) -> Self {
        Self { type_name: Cow::Borrowed(""), message: message.into(), argument: None, in_worker: false }
    }

    pub(crate) fn of_argument(mut self, name: &'static str) -> Self {
        self.argument = Some(Cow::Borrowed(name));
        self
    }

    pub(crate) fn seen_by_worker(mut self) -> Self {
        self.in_worker = true;
        self
    }

    /// Keeps at most `text` bytes of each text.
    pub(crate) fn cut(&mut self, text: usize) {
        crate::panic::cut(&mut self.message, text);
        if self.type_name.len() > text {
            crate::panic::cut(self.type_name.to_mut(), text);
        }
    }

    /// Returns the name of the type, as the compiler spells it; empty when the bytes were lost on their way.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Returns what `Serialize`, `Deserialize` or the codec said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the name of the parameter, or `None` for a function's result.
    pub fn argument(&self) -> Option<&str> {
        self.argument.as_deref()
    }

    /// Returns whether it happened in the worker (true) or in the calling process (false).
    pub fn in_worker(&self) -> bool {
        self.in_worker
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(name) => write!(f, "argument `{name}` of type `{}`", self.type_name)?,
            None if self.type_name.is_empty() => f.write_str("bytes")?,
            None => write!(f, "result of type `{}`", self.type_name)?,
        }
        let place = if self.in_worker { "in the worker" } else { "in the calling process" };
        write!(f, ", {place}: {}", self.message)
    }
}

impl std::error::Error for CodecError {}

/// Appends `value` to `bytes`; on an error `bytes` is as it was.
#[inline]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match plain::encode(value, bytes) {
        Some(()) => Ok(()),
        None => encode_through_serde(value, bytes),
    }
}

pub(crate) fn encode_through_serde<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let before = bytes.len();
    // bincode's own limit counts written bytes as well, so the format for writing carries none.
    let format = bincode::config::standard().with_fixed_int_encoding();
    match bincode::serde::encode_into_writer(Strictly(value), VecWriter(bytes), format) {
        Ok(()) => Ok(()),
        Err(error) => {
            bytes.truncate(before);
            Err(CodecError::new::<T>(plain_words(&error)))
        }
    }
}

/// Reads one `T` from the front of `bytes`; returns it with how many bytes it took.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    match plain::decode(bytes) {
        Some(decoded) => Ok(decoded),
        None => decode_through_serde(bytes),
    }
}

pub(crate) fn decode_through_serde<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, format::<SMALL>())
    } else {
        bincode::serde::decode_from_slice(bytes, format::<LARGE>())
    };
    decoded.map_err(|error| CodecError::new::<T>(decode_words(&error)))
}

/// Reads one `T` that must fill `bytes` exactly.
pub(crate) fn decode_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = decode(bytes)?;
    if used == bytes.len() {
        Ok(value)
    } else {
        let left = bytes.len() - used;
        Err(CodecError::new::<T>(format!(
            "{left} bytes were left over: its `Deserialize` reads less than its `Serialize` wrote"
        )))
    }
}

fn plain_words(error: &EncodeError) -> String {
    match error {
        EncodeError::OtherString(text) => text.clone(),
        EncodeError::Other(text) => (*text).to_string(),
        other => other.to_string(),
    }
}

fn decode_words(error: &bincode::error::DecodeError) -> String {
    use bincode::error::DecodeError;
    match error {
        DecodeError::OtherString(text) => text.clone(),
        DecodeError::Other(text) => (*text).to_string(),
        DecodeError::UnexpectedEnd { .. } | DecodeError::LimitExceeded => {
            "its bytes ended early: its `Deserialize` reads more than its `Serialize` wrote".to_string()
        }
        DecodeError::Serde(_) => format!(
            "{error}: the format does not describe itself, so attributes such as `untagged`, `flatten` or \
             `skip_serializing_if` cannot be read back"
        ),
        other => other.to_string(),
    }
}

struct VecWriter<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for VecWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, CodecError> {
        let mut bytes = vec![7];
        encode(value, &mut bytes)?;
        decode_whole(&bytes[1..])
    }

    #[test]
    fn values_come_back_as_they_went() {
        assert_eq!(round_trip(&(1_u8, "two".to_string(), vec![3.0_f64])).unwrap(), (1, "two".to_string(), vec![3.0]));
        assert_eq!(round_trip(&Some(i128::MIN)).unwrap(), Some(i128::MIN));
    }

    #[test]
    fn a_length_beyond_the_message_takes_no_memory() {
        let mut bytes = Vec::new();
        encode(&u64::MAX, &mut bytes).unwrap();
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<Vec<u8>>(&bytes).is_err());
        assert!(decode::<Vec<String>>(&bytes).is_err());
        bytes.clear();
        encode(&(1_u64 << 40), &mut bytes).unwrap();
        assert!(decode::<String>(&bytes).is_err());
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        let mut bytes = Vec::new();
        encode(&(1_u64, 2_u64), &mut bytes).unwrap();
        assert!(decode_whole::<u64>(&bytes).unwrap_err().message().contains("8 bytes were left over"));
    }

    #[test]
    fn a_failed_encode_leaves_the_buffer_as_it_was() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error, SerializeTuple};
                let mut tuple = serializer.serialize_tuple(2)?;
                tuple.serialize_element(&1_u64)?;
                Err(S::Error::custom("no second half"))
            }
        }
        let mut bytes = vec![1, 2, 3];
        let error = encode(&Refuses, &mut bytes).unwrap_err();
        assert_eq!(error.message(), "no second half");
        assert_eq!(bytes, [1, 2, 3]);
    }
}
