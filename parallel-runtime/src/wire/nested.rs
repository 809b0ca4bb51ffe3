//! A deserializer that counts the [levels](super::levels) of what it reads, and believes no length, whatever the deserializer
//! it hands on to.
//!
//! Everything that may have values inside is wrapped, and so are they, so that the same holds at any depth. How many elements
//! a sequence has is what the bytes say: memory is taken ahead for as many as there are bytes for, in all, and a sequence of
//! values without bytes has an end. Text and bytes are borrowed first, and copied when they are there.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::levels;

/// A value that is deserialized with its levels counted.
pub(super) struct Nested<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Counting(deserializer)).map(Self)
    }
}

/// A deserializer, or what reads a value from one.
struct Counting<T>(T);

/// Reads what is inside of a value; `LISTED`: how many values that are is written in front of them.
struct Inside<V, const LISTED: bool>(V);

/// The values inside of a value.
struct Elements<A> {
    elements: A,
    /// For so many of them memory may be taken ahead.
    granted: usize,
}

/// Reads text, or bytes, that the visitor wants to own.
struct Owning<V>(V);

/// Reads a value that may have values inside.
#[inline(always)]
fn inside<T, E: Error>(read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    levels::enter().map_err(E::custom)?;
    let value = read();
    levels::leave();
    value
}

/// Methods of `Deserializer` for values without parts.
macro_rules! hand_on {
    ($($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
                self.0.$method(visitor)
            }
        )*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Counting<D> {
    type Error = D::Error;

    hand_on! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_bytes
        deserialize_unit
        deserialize_identifier
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_str(Owning(visitor))
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_bytes(Owning(visitor))
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_any(Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_ignored_any(Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_option(Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_newtype_struct(name, Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_seq(Inside::<_, true>(visitor)))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_tuple(len, Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_tuple_struct(name, len, Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_map(Inside::<_, true>(visitor)))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_struct(name, fields, Inside::<_, false>(visitor)))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        inside(|| self.0.deserialize_enum(name, variants, Inside::<_, false>(visitor)))
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Methods of `Visitor` for values without parts.
macro_rules! visit {
    ($($method:ident($type:ty))*) => {
        $(
            #[inline]
            fn $method<E: Error>(self, value: $type) -> Result<Self::Value, E> {
                self.0.$method(value)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>, const LISTED: bool> Visitor<'de> for Inside<V, LISTED> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool(bool)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64)
        visit_char(char) visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.0.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.visit_some(Counting(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.visit_newtype_struct(Counting(deserializer))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        let granted = if LISTED { claim(elements.size_hint())? } else { usize::MAX };
        self.0.visit_seq(Elements { elements, granted })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let granted = if LISTED { claim(entries.size_hint())? } else { usize::MAX };
        self.0.visit_map(Elements { elements: entries, granted })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<Self::Value, A::Error> {
        self.0.visit_enum(Counting(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Counting<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(Counting(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Self::Error> {
        self.elements.next_element_seed(Counting(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.elements.size_hint().map(|hint| hint.min(self.granted))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Self::Error> {
        self.elements.next_key_seed(Counting(seed))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Self::Error> {
        self.elements.next_value_seed(Counting(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.elements.size_hint().map(|hint| hint.min(self.granted))
    }
}

/// For how many of so many values memory may be taken ahead.
#[inline]
fn claim<E: Error>(values: Option<usize>) -> Result<usize, E> {
    let values = values.unwrap_or(0);
    levels::claim(values).ok_or_else(|| too_many(values))
}

#[cold]
fn too_many<E: Error>(values: usize) -> E {
    E::custom(format_args!(
        "its bytes were misread (a length of {values}): its `Deserialize` does not read what its `Serialize` wrote, in the \
         same order"
    ))
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Owning<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.visit_string(text.to_owned())
    }

    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        self.0.visit_byte_buf(bytes.to_owned())
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Counting<A> {
    type Error = A::Error;
    type Variant = Counting<A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Self::Error> {
        let (value, variant) = self.0.variant_seed(Counting(seed))?;
        Ok((value, Counting(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Counting<A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Self::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Self::Error> {
        self.0.newtype_variant_seed(Counting(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.tuple_variant(len, Inside::<_, false>(visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.struct_variant(fields, Inside::<_, false>(visitor))
    }
}
