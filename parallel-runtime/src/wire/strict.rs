//! A serializer that refuses what a format without field names could not give back.
//!
//! Such a format reads the fields that the type declares, in their order. A field that was left out would be read from the
//! bytes of the next one, and nothing would tell: so leaving one out is an error here. So is the field that `tag` adds to
//! a struct, which `Deserialize` does not read when fields come by their order. All else is handed on to the format's
//! own serializer. Each value inside a value is wrapped as well, so that the same holds at any depth; and the depth is
//! [counted](super::levels).

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::cast;
use super::levels;

/// A value that is serialized strictly, whatever the serializer.
pub(super) struct Strictly<'a, T: ?Sized>(pub(super) &'a T);

impl<T: Serialize + ?Sized> Serialize for Strictly<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Strict(serializer))
    }
}

/// A serializer, or what it gives for the parts of a compound value.
struct Strict<S>(S);

#[cold]
fn left_out<E: Error>(field: &str) -> E {
    E::custom(format_args!(
        "field `{field}` was left out (`skip_serializing_if`), and the format has no field names by which it could be read \
         back; send the field always, or send a type of its own"
    ))
}

#[cold]
fn tagged<E: Error>(field: &str) -> E {
    E::custom(format_args!(
        "its `Serialize` adds the name of the type as field `{field}` (`tag`), and its `Deserialize` does not read it from \
         a format without field names; leave `tag` out, or send a type of its own"
    ))
}

#[cold]
fn sequence_of_unknown_length<E: Error>() -> E {
    E::custom(
        "its `Serialize` does not say how long a sequence is, and the format writes the length first; collect the elements \
         into a `Vec` and send that",
    )
}

#[cold]
fn map_of_unknown_length<E: Error>() -> E {
    E::custom(
        "its `Serialize` writes a map and does not say how long it is, as `flatten` does, and the format writes the length \
         first; send a struct without `flatten`, or a `String` of JSON",
    )
}

/// Enters a compound value; its `end` leaves it.
#[inline(always)]
fn enter<E: Error>() -> Result<(), E> {
    levels::enter().map_err(E::custom)
}

/// Writes a value that has one value inside.
#[inline(always)]
fn inside<T, E: Error>(write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    enter()?;
    let written = write();
    levels::leave();
    written
}

/// A struct under way.
struct StrictStruct<S> {
    fields: S,
    /// The name of its type, until a field was written.
    tag: Option<&'static str>,
}

/// Methods of `Serializer` that take a value without parts.
macro_rules! hand_on {
    ($($method:ident($type:ty))*) => {
        $(
            #[inline]
            fn $method(self, value: $type) -> Result<Self::Ok, Self::Error> {
                self.0.$method(value)
            }
        )*
    };
}

impl<S: Serializer> Serializer for Strict<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Strict<S::SerializeSeq>;
    type SerializeTuple = Strict<S::SerializeTuple>;
    type SerializeTupleStruct = Strict<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Strict<S::SerializeTupleVariant>;
    type SerializeMap = Strict<S::SerializeMap>;
    type SerializeStruct = StrictStruct<S::SerializeStruct>;
    type SerializeStructVariant = Strict<S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(bool)
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_i128(i128)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
        serialize_u128(u128)
        serialize_f32(f32)
        serialize_f64(f64)
        serialize_char(char)
        serialize_str(&str)
        serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    #[inline]
    fn serialize_none(self) -> Result<Self::Ok, Self::Error> {
        self.0.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, Self::Error> {
        inside(|| self.0.serialize_some(&Strictly(value)))
    }

    #[inline]
    fn serialize_unit(self) -> Result<Self::Ok, Self::Error> {
        self.0.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Self::Ok, Self::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Self::Error> {
        inside(|| self.0.serialize_newtype_struct(name, &Strictly(value)))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Self::Error> {
        inside(|| self.0.serialize_newtype_variant(name, index, variant, &Strictly(value)))
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, Self::Error> {
        if len.is_none() {
            return Err(sequence_of_unknown_length());
        }
        enter()?;
        self.0.serialize_seq(len).map(Strict)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Self::Error> {
        enter()?;
        self.0.serialize_tuple(len).map(Strict)
    }

    #[inline]
    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, Self::Error> {
        enter()?;
        self.0.serialize_tuple_struct(name, len).map(Strict)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, Self::Error> {
        enter()?;
        self.0.serialize_tuple_variant(name, index, variant, len).map(Strict)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, Self::Error> {
        if len.is_none() {
            return Err(map_of_unknown_length());
        }
        enter()?;
        self.0.serialize_map(len).map(Strict)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, Self::Error> {
        enter()?;
        Ok(StrictStruct { fields: self.0.serialize_struct(name, len)?, tag: Some(name) })
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Self::Error> {
        enter()?;
        self.0.serialize_struct_variant(name, index, variant, len).map(Strict)
    }

    // `collect_seq` and `collect_map` are left as serde has them: those call the methods above.

    #[inline]
    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<Self::Ok, Self::Error> {
        self.0.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A trait for compound values of parts without names.
macro_rules! wrap_parts {
    ($($trait:ident { $($method:ident)* })*) => {
        $(
            impl<S: $trait> $trait for Strict<S> {
                type Ok = S::Ok;
                type Error = S::Error;

                $(
                    #[inline]
                    fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
                        self.0.$method(&Strictly(value))
                    }
                )*

                #[inline]
                fn end(self) -> Result<Self::Ok, Self::Error> {
                    levels::leave();
                    self.0.end()
                }
            }
        )*
    };
}

wrap_parts! {
    SerializeSeq { serialize_element }
    SerializeTuple { serialize_element }
    SerializeTupleStruct { serialize_field }
    SerializeTupleVariant { serialize_field }
    SerializeMap { serialize_key serialize_value }
}

impl<S: SerializeStruct> SerializeStruct for StrictStruct<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Self::Error> {
        // serde's derive writes a tag first, as a bare `str`; a field of the user's is a `String` or a `&str`.
        if let (Some(tag), Some(text)) = (self.tag.take(), cast::same_text(value))
            && text == tag
        {
            return Err(tagged(name));
        }
        self.fields.serialize_field(name, &Strictly(value))
    }

    #[inline]
    fn skip_field(&mut self, name: &'static str) -> Result<(), Self::Error> {
        Err(left_out(name))
    }

    #[inline]
    fn end(self) -> Result<Self::Ok, Self::Error> {
        levels::leave();
        self.fields.end()
    }
}

impl<S: SerializeStructVariant> SerializeStructVariant for Strict<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Self::Error> {
        self.0.serialize_field(name, &Strictly(value))
    }

    #[inline]
    fn skip_field(&mut self, name: &'static str) -> Result<(), Self::Error> {
        Err(left_out(name))
    }

    #[inline]
    fn end(self) -> Result<Self::Ok, Self::Error> {
        levels::leave();
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};

    use crate::wire::codec;

    fn zero(number: &u64) -> bool {
        *number == 0
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Skips {
        #[serde(default, skip_serializing_if = "zero")]
        a: u64,
        b: Vec<u64>,
    }

    const SKIPS: Skips = Skips { a: 0, b: Vec::new() };

    fn refusal<T: Serialize + ?Sized>(value: &T) -> String {
        let mut bytes = vec![1, 2];
        let error = codec::encode(value, &mut bytes).unwrap_err();
        assert_eq!(bytes, [1, 2]);
        error.message().to_string()
    }

    #[track_caller]
    fn travels<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let mut bytes = Vec::new();
        codec::encode(&value, &mut bytes).unwrap();
        assert_eq!(codec::decode_whole::<T>(&bytes).unwrap(), value);
    }

    #[test]
    fn a_field_that_is_left_out_is_named() {
        assert_eq!(
            refusal(&SKIPS),
            "field `a` was left out (`skip_serializing_if`), and the format has no field names by which it could be read \
             back; send the field always, or send a type of its own"
        );
    }

    #[test]
    fn a_field_that_could_be_left_out_and_is_not_travels() {
        travels(Skips { a: 3, b: vec![7, 8] });
    }

    #[test]
    fn a_field_that_is_never_sent_and_never_read_travels() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Cached {
            #[serde(skip)]
            cache: u64,
            kept: u64,
        }
        travels(Cached { cache: 0, kept: 7 });
    }

    #[test]
    fn a_field_that_is_left_out_is_found_at_any_depth() {
        #[derive(Serialize)]
        struct Newtype(Skips);
        #[derive(Serialize)]
        struct Tuple(u8, Skips);
        #[derive(Serialize)]
        struct Struct {
            field: Skips,
        }
        #[derive(Serialize)]
        enum Enum {
            Newtype(Skips),
            Tuple(u8, Skips),
            Struct {
                field: Skips,
            },
            Itself {
                #[serde(skip_serializing_if = "zero")]
                a: u64,
            },
        }
        #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
        struct Key {
            #[serde(skip_serializing_if = "zero")]
            a: u64,
        }
        #[track_caller]
        fn refused<T: Serialize>(value: T) {
            assert!(refusal(&value).starts_with("field `a` was left out"));
        }
        refused(Some(SKIPS));
        refused(Ok::<_, ()>(SKIPS));
        refused((1, SKIPS));
        refused([SKIPS]);
        refused(vec![SKIPS]);
        refused(Box::new(SKIPS));
        refused(BTreeMap::from([(1, SKIPS)]));
        refused(BTreeMap::from([(Key { a: 0 }, 1)]));
        refused(Newtype(SKIPS));
        refused(Tuple(1, SKIPS));
        refused(Struct { field: SKIPS });
        refused(Enum::Newtype(SKIPS));
        refused(Enum::Tuple(1, SKIPS));
        refused(Enum::Struct { field: SKIPS });
        refused(Enum::Itself { a: 0 });
        refused(vec![Some(BTreeMap::from([(1, (2, Enum::Newtype(SKIPS)))]))]);
    }

    #[test]
    fn a_struct_that_writes_its_name_is_refused() {
        #[derive(Serialize)]
        #[serde(tag = "type")]
        struct Tagged {
            a: u64,
        }
        assert!(refusal(&vec![Tagged { a: 1 }]).contains("the name of the type as field `type`"));
    }

    #[test]
    fn a_field_that_happens_to_hold_the_name_of_the_type_travels() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Cat {
            name: String,
        }
        #[derive(Serialize)]
        struct Borrowed<'a> {
            name: &'a str,
        }
        travels(Cat { name: "Cat".into() });
        codec::encode(&Borrowed { name: "Borrowed" }, &mut Vec::new()).unwrap();
    }

    #[test]
    fn flatten_is_refused() {
        #[derive(Serialize)]
        struct Flat {
            a: u64,
            #[serde(flatten)]
            rest: BTreeMap<String, u64>,
        }
        assert!(refusal(&Flat { a: 1, rest: BTreeMap::new() }).contains("`flatten`"));
    }

    #[test]
    fn a_sequence_of_unknown_length_is_refused() {
        struct Odd;
        impl Serialize for Odd {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq((0..10).filter(|number| number % 2 == 1))
            }
        }
        assert!(refusal(&Odd).contains("does not say how long a sequence is"));
    }

    #[test]
    fn all_else_is_written_as_the_format_writes_it() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Unit;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Enum {
            Unit,
            Newtype(Unit),
            Tuple(char, bool),
            Struct { text: String, address: std::net::IpAddr },
        }
        travels((true, 'c', "text".to_string(), (), Unit, Some(1.5_f32), None::<u8>));
        travels((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN, 1.5_f64));
        travels((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
        travels(BTreeMap::from([("key".to_string(), vec![1, 2])]));
        travels(std::time::Duration::from_millis(1500));
        travels(std::ffi::CString::from(c"bytes"));
        travels(vec![
            Enum::Unit,
            Enum::Newtype(Unit),
            Enum::Tuple('c', true),
            // As bytes, and not as text: the format is not for people.
            Enum::Struct { text: "a".into(), address: std::net::Ipv6Addr::LOCALHOST.into() },
        ]);
    }
}
