//! The codec: serde values to bytes and back, through bincode. No other file names bincode.
//!
//! Integers have a fixed width, which is faster than a variable one.

use std::borrow::Cow;
use std::fmt;

use bincode::config::{Configuration, Fixint, LittleEndian};
use bincode::error::{DecodeError, EncodeError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::given::{self, Given};
use super::levels::measured;
use super::nested::Nested;
use super::plain;
use super::strict::Strictly;
use crate::panic::PanicReport;
use crate::tuning::{LARGER_STACK, STACK_FOR_NOTHING, STACK_PER_BYTE, USUAL_VALUE};

/// Fixed width, little-endian, and no limit on lengths: the input is a slice, which has an end.
const FORMAT: Configuration<LittleEndian, Fixint> = bincode::config::standard().with_fixed_int_encoding();

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
/// use std::os::unix::ffi::OsStringExt;
/// // serde refuses a path that is not UTF-8.
/// let path = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
/// let error = depth.spawn(path).join().unwrap_err();
/// let parallel::ErrorKind::Encode(report) = error.kind() else { panic!("{error}") };
/// assert!(report.type_name().contains("PathBuf"));
/// assert!(report.message().contains("UTF-8"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// In a box: each value that is encoded or decoded passes through several results, which are then a word longer than it.
pub struct CodecError(Box<Report>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    type_name: Cow<'static, str>,
    message: String,
    argument: Option<Cow<'static, str>>,
    in_worker: bool,
}

impl CodecError {
    pub(crate) fn new<T: ?Sized>(message: impl Into<String>) -> Self {
        Self::of_type(std::any::type_name::<T>(), message.into())
    }

    /// A `Serialize` or `Deserialize` that panicked.
    pub(crate) fn of_panic<T: ?Sized>(implementation: &str, report: &PanicReport) -> Self {
        Self::new::<T>(format!("its `{implementation}` panicked at {}: {}", report.location(), report.message()))
    }

    /// An error of bytes on their way, whatever their type.
    pub(crate) fn of_bytes(message: impl Into<String>) -> Self {
        Self::of_type("", message.into())
    }

    #[cold]
    fn of_type(type_name: &'static str, message: String) -> Self {
        Self(Box::new(Report { type_name: Cow::Borrowed(type_name), message, argument: None, in_worker: false }))
    }

    pub(crate) fn of_argument(mut self, name: &'static str) -> Self {
        self.0.argument = Some(Cow::Borrowed(name));
        self
    }

    pub(crate) fn seen_by_worker(mut self) -> Self {
        self.0.in_worker = true;
        self
    }

    /// Keeps at most `text` bytes of each text.
    pub(crate) fn cut(&mut self, text: usize) {
        crate::panic::cut(&mut self.0.message, text);
        if self.0.type_name.len() > text {
            crate::panic::cut(self.0.type_name.to_mut(), text);
        }
    }

    /// Returns the name of the type, as the compiler spells it; empty when the bytes were lost on their way.
    pub fn type_name(&self) -> &str {
        &self.0.type_name
    }

    /// Returns what `Serialize`, `Deserialize` or the codec said.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the name of the parameter, or `None` for a function's result.
    pub fn argument(&self) -> Option<&str> {
        self.0.argument.as_deref()
    }

    /// Returns whether it happened in the worker (true) or in the calling process (false).
    pub fn in_worker(&self) -> bool {
        self.0.in_worker
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.argument {
            Some(name) => write!(f, "argument `{name}` of type `{}`", self.0.type_name)?,
            None if self.0.type_name.is_empty() => f.write_str("bytes")?,
            None => write!(f, "result of type `{}`", self.0.type_name)?,
        }
        let place = if self.0.in_worker { "in the worker" } else { "in the calling process" };
        write!(f, ", {place}: {}", self.0.message)
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
    if bytes.capacity() == 0 {
        // Most values are written in several pieces; the first piece alone would take room for eight bytes.
        bytes.reserve(USUAL_VALUE);
    }
    let step = || {
        bytes.truncate(before);
        write(value, bytes)
    };
    measured(0, LARGER_STACK, step, |text| text).map_err(|text| {
        bytes.truncate(before);
        // How deep it is was not found out.
        given::meet();
        CodecError::new::<T>(text)
    })
}

// On its own, since it may be called on either of two stacks.
#[inline(never)]
fn write<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), String> {
    match bincode::serde::encode_into_writer(Strictly(value), VecWriter(bytes), FORMAT) {
        Ok(()) => Ok(()),
        Err(error) => Err(encode_words(error)),
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
    let wanted = bytes.len().saturating_mul(STACK_PER_BYTE).saturating_add(STACK_FOR_NOTHING).min(LARGER_STACK);
    measured(bytes.len(), wanted, || read(bytes), |text| text).map_err(CodecError::new::<T>)
}

// On its own, since it may be called on either of two stacks.
#[inline(never)]
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), String> {
    let decoded = bincode::serde::borrow_decode_from_slice(bytes, FORMAT);
    decoded.map(|(Nested(value), used)| (value, used)).map_err(decode_words)
}

/// Reads one `T` that must fill `bytes` exactly.
pub(crate) fn decode_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let met = given::met();
    let (value, used) = decode::<T>(bytes)?;
    let value = Given::since(value, met);
    if used == bytes.len() {
        Ok(value.into_inner())
    } else {
        let left = bytes.len() - used;
        Err(CodecError::new::<T>(format!(
            "{left} bytes were left over: its `Deserialize` reads less than its `Serialize` wrote"
        )))
    }
}

/// What to do about a type that needs bytes that describe themselves.
const SEND_A_PLAIN_ONE: &str = "send a plain struct or enum, or a `String` of JSON";

fn encode_words(error: EncodeError) -> String {
    match error {
        EncodeError::OtherString(text) => text,
        EncodeError::Other(text) => text.to_string(),
        // serde's traits lead to no other: `strict` has already refused what has no length.
        _ => format!("its `Serialize` asks for what the format cannot write; {SEND_A_PLAIN_ONE}"),
    }
}

fn decode_words(error: DecodeError) -> String {
    match error {
        // serde's derive refuses the number of a variant, which the format has written, not the type.
        DecodeError::OtherString(text) if text.contains("expected variant index") => misread(&text),
        DecodeError::OtherString(text) => text,
        DecodeError::Other(text) => text.to_string(),
        DecodeError::UnexpectedEnd { .. } => {
            "its bytes ended early: its `Deserialize` reads more than its `Serialize` wrote".to_string()
        }
        DecodeError::Serde(error) => not_described(&error),
        DecodeError::UnexpectedVariant { found, .. } => misread(&format!("variant {found} of an `Option`")),
        DecodeError::InvalidBooleanValue(byte) => misread(&format!("a `bool` of {byte}")),
        DecodeError::InvalidCharEncoding(_) => misread("a `char` that is none"),
        DecodeError::Utf8 { .. } => misread("text that is not UTF-8"),
        _ => misread("a value that its type cannot have"),
    }
}

/// A `Deserialize` that needs more than the bytes say.
fn not_described(error: &bincode::serde::DecodeError) -> String {
    use bincode::serde::DecodeError;
    let matter = match error {
        DecodeError::AnyNotSupported => {
            "its `Deserialize` asks which type comes next (as `untagged`, `tag` and `serde_json::Value` do), and the bytes \
             do not say"
        }
        DecodeError::IdentifierNotSupported => {
            "its `Deserialize` asks for the name of a field (as `tag` with `content` does), and the bytes hold no names"
        }
        DecodeError::IgnoredAnyNotSupported => {
            "its `Deserialize` passes over a value of any type (as `IgnoredAny` does), and the bytes do not say where it ends"
        }
        _ => "its `Deserialize` asks for what the bytes do not say",
    };
    format!("{matter}; {SEND_A_PLAIN_ONE}")
}

/// Bytes that were written as one thing and read as another.
fn misread(found: &str) -> String {
    format!(
        "its bytes were misread ({found}): its `Deserialize` does not read what its `Serialize` wrote, in the same order"
    )
}

struct VecWriter<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for VecWriter<'_> {
    // Called for each number of a value, from code that is compiled in the user's crate.
    #[inline]
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

    /// What decoding a `T` from the bytes of `sent` says.
    #[track_caller]
    fn misfit<T: DeserializeOwned>(sent: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        encode(sent, &mut bytes).unwrap();
        match decode_whole::<T>(&bytes) {
            Ok(_) => panic!("it was read"),
            Err(error) => error.message().to_string(),
        }
    }

    #[track_caller]
    fn assert_says(message: &str, matter: &str) {
        assert!(message.contains(matter), "{message}");
        assert!(!message.contains("NotSupported") && !message.contains('{'), "{message}");
    }

    #[derive(Serialize, Deserialize)]
    struct Inner {
        _a: u64,
    }

    #[test]
    fn a_type_that_asks_what_comes_next_is_told_what_to_do() {
        #[derive(Serialize, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            _Number(u64),
        }
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Internal {
            _Newtype(Inner),
            _Struct { _b: u64 },
            Unit,
        }
        for message in [
            misfit::<Untagged>(&Untagged::_Number(1)),
            misfit::<Internal>(&Internal::_Newtype(Inner { _a: 1 })),
            misfit::<Internal>(&Internal::_Struct { _b: 1 }),
            misfit::<Internal>(&Internal::Unit),
        ] {
            assert_says(&message, "asks which type comes next");
            assert_says(&message, SEND_A_PLAIN_ONE);
        }
    }

    #[test]
    fn a_type_that_asks_for_names_is_told_what_to_do() {
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "kind", content = "what")]
        enum Adjacent {
            Newtype(u64),
        }
        let message = misfit::<Adjacent>(&Adjacent::Newtype(1));
        assert_says(&message, "asks for the name of a field");
        assert_says(&message, SEND_A_PLAIN_ONE);
    }

    #[test]
    fn a_type_that_passes_over_a_value_is_told_what_to_do() {
        let message = misfit::<serde::de::IgnoredAny>(&1_u64);
        assert_says(&message, "passes over a value");
        assert_says(&message, SEND_A_PLAIN_ONE);
    }

    #[test]
    fn bytes_that_were_misread_are_called_that() {
        #[derive(Debug, Deserialize)]
        enum Two {
            _One,
            _Two,
        }
        for (message, found) in [
            (misfit::<bool>(&7_u8), "a `bool` of 7"),
            (misfit::<Option<u8>>(&9_u8), "variant 9 of an `Option`"),
            (misfit::<char>(&0xff_u8), "a `char`"),
            (misfit::<String>(&vec![0xff_u8]), "not UTF-8"),
            (misfit::<Two>(&5_u32), "expected variant index"),
        ] {
            assert_says(&message, "its bytes were misread");
            assert_says(&message, found);
        }
    }

    #[test]
    fn what_a_type_says_itself_is_left_as_it_is() {
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "u32")]
        struct Even;
        impl TryFrom<u32> for Even {
            type Error = &'static str;
            fn try_from(number: u32) -> Result<Self, Self::Error> {
                if number.is_multiple_of(2) { Ok(Self) } else { Err("it is odd") }
            }
        }
        assert_eq!(misfit::<Even>(&3_u32), "it is odd");
    }
}
