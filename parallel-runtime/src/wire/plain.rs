//! Plain data: numbers, truth values, rows of numbers and text, copied as they are.
//!
//! What is written is what the codec writes, a length of 64 bits and little-endian numbers of fixed width; so a value may
//! be written by one of the two and read by the other. This file is only faster: one copy in place of a call for each number.

use bytemuck::Pod;

use super::cast;
use super::handles::{Handle, Handles};
use crate::lane::bulk;
use crate::lane::reply::RowWriter;
use crate::lane::rows::{Rows, RowsOf};
use crate::sys::memory::prefer_huge_pages;
use crate::tuning::BULK_FROM;

// `usize` is written as 64 bits.
const COPIED: bool = cfg!(all(target_endian = "little", target_pointer_width = "64"));

/// Tries an expression for every plain number type, until one gives something.
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

pub(super) use for_each_number;

/// Values that can stand in a row: those with a [`short_width`].
pub trait Short: Copy {}

macro_rules! short {
    ($($type:ty)*) => {
        $(impl Short for $type {})*
    };
}
short!(() bool u8 i8 u16 i16 u32 i32 u64 i64 usize isize u128 i128 f32 f64);

/// The size of the largest number, in bytes.
pub(crate) const LARGEST_NUMBER: usize = 16;

/// The bytes of a value that needs no encoding, as they stand in memory.
pub(crate) enum PlainBytes<'a> {
    Number(&'a [u8]),
    /// How many numbers, or bytes of text, there are; and their bytes.
    Row([u8; 8], &'a [u8]),
}

/// A number, a row of numbers or a text, as its bytes: those that the codec would write. It runs no code of the user's, and
/// holds no handles.
#[inline]
pub(crate) fn as_plain<T: ?Sized>(value: &T) -> Option<PlainBytes<'_>> {
    fn row<Number: Pod>(row: &[Number]) -> PlainBytes<'_> {
        PlainBytes::Row((row.len() as u64).to_le_bytes(), bytemuck::cast_slice(row))
    }
    if !COPIED {
        return None;
    }
    for_each_number!(Number => cast::same::<T, Number>(value).map(|number| PlainBytes::Number(bytemuck::bytes_of(number))));
    for_each_number!(Number => cast::same_slice::<T, Number>(value).map(row));
    for_each_number!(Number => cast::same::<T, Vec<Number>>(value).map(|values| row(values)));
    let text = cast::same_text(value).or_else(|| cast::same::<T, String>(value).map(String::as_str));
    text.map(|text| row(text.as_bytes()))
}

/// The size of a number, in bytes; `None` for any other type.
#[inline]
pub(crate) fn size_of_number<T>() -> Option<usize> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => is::<T, Number>().then_some(size_of::<Number>()));
    None
}

/// The width of a number, in bytes, if the argument that it became is the number as it stands.
#[inline]
pub(crate) fn as_it_stands<T>(number: &T, argument: &[u8]) -> Option<usize> {
    match as_plain(number) {
        Some(PlainBytes::Number(bytes)) if bytes == argument => Some(bytes.len()),
        _ => None,
    }
}

/// Appends a plain value; `None` when it is not one.
#[inline]
pub(crate) fn encode<T: ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Option<()> {
    match as_plain(value) {
        Some(PlainBytes::Number(number)) => bytes.extend_from_slice(number),
        Some(PlainBytes::Row(len, row)) => {
            bytes.reserve(len.len() + row.len());
            prefer_huge_pages(bytes.spare_capacity_mut());
            bytes.extend_from_slice(&len);
            bytes.extend_from_slice(row);
        }
        None if !COPIED => return None,
        None => match cast::same::<T, bool>(value) {
            Some(truth) => bytes.push(u8::from(*truth)),
            None => return cast::same::<T, ()>(value).copied(),
        },
    }
    Some(())
}

/// Set in the length of a row that is not in the bytes but in a handle, the place of which follows.
const ELSEWHERE: u64 = 1 << 63;

/// Appends a row that is large enough to travel in memory of its own, which it puts into `handles`; `None` where it is not, or
/// there is none for it.
#[inline]
pub(crate) fn encode_bulk<T: ?Sized>(value: &T, bytes: &mut Vec<u8>, handles: &mut Handles) -> Option<()> {
    match as_plain(value)? {
        PlainBytes::Row(len, row) if row.len() >= BULK_FROM => {
            let bulk = bulk::load(row)?;
            bytes.extend_from_slice(&(u64::from_le_bytes(len) | ELSEWHERE).to_le_bytes());
            bytes.extend_from_slice(&(handles.len() as u64).to_le_bytes());
            handles.push(Handle::Bulk(bulk));
            Some(())
        }
        _ => None,
    }
}

/// Reads what [`encode_bulk`] wrote at the front of `bytes`, with how many of them it took; `None` where that is not there.
pub(crate) fn decode_bulk<T>(bytes: &[u8], handles: &[Handle]) -> Option<(T, usize)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let len = u64::from_le_bytes(*len);
    let (place, _) = rest.split_first_chunk()?;
    let place = usize::try_from(u64::from_le_bytes(*place)).ok()?;
    let (Some(Handle::Arrived(arrived)), true) = (handles.get(place), len & ELSEWHERE != 0) else { return None };
    let (row, used) = (arrived.bytes()?, 16);
    let len = usize::try_from(len & !ELSEWHERE).ok()?;
    for_each_number!(Number => is::<T, Vec<Number>>().then(|| {
        (len.checked_mul(size_of::<Number>())? == row.len()).then_some(())?;
        let mut numbers = zeros::<Number>(len);
        row.copy_to(bytemuck::cast_slice_mut(&mut numbers));
        cast::into::<Vec<Number>, T>(numbers).map(|row| (row, used))
    }).flatten());
    if is::<T, String>() && len == row.len() {
        let mut text = zeros::<u8>(len);
        row.copy_to(&mut text);
        return cast::into(String::from_utf8(text).ok()?).map(|text| (text, used));
    }
    None
}

/// Memory for a row, which costs nothing until it is filled.
fn zeros<Number: Pod>(len: usize) -> Vec<Number> {
    let mut row = vec![Number::zeroed(); len];
    prefer_huge_pages(&mut row);
    row
}

/// Reads a plain value from the front of `bytes`, with how many bytes it took; `None` when it is not one, or when it is not
/// there: then the codec says so.
#[inline]
pub(crate) fn decode<T>(bytes: &[u8]) -> Option<(T, usize)> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => is::<T, Number>().then(|| {
        let number: Number = bytemuck::pod_read_unaligned(bytes.get(..size_of::<Number>())?);
        cast::into::<Number, T>(number).map(|number| (number, size_of::<Number>()))
    }).flatten());
    for_each_number!(Number => is::<T, Vec<Number>>().then(|| {
        let (row, used) = read_row::<Number>(bytes)?;
        cast::into::<Vec<Number>, T>(row).map(|row| (row, used))
    }).flatten());
    if is::<T, bool>() {
        let truth = match bytes.first()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        return cast::into(truth).map(|truth| (truth, 1));
    }
    if is::<T, String>() {
        let (text, used) = row_bytes(bytes, 1)?;
        let text = std::str::from_utf8(text).ok()?.to_owned();
        return cast::into(text).map(|text| (text, used));
    }
    cast::into(()).map(|nothing| (nothing, 0))
}

/// Sees a row of numbers, or text, where it is at the front of `bytes`, with how many bytes it takes; `None` when it is not
/// one, or not aligned as it must be.
#[inline]
pub(crate) fn view<T: ?Sized>(bytes: &[u8]) -> Option<(&T, usize)> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => is::<T, [Number]>().then(|| {
        let (row, used) = row_bytes(bytes, size_of::<Number>())?;
        let row: &[Number] = bytemuck::try_cast_slice(row).ok()?;
        cast::same_ref::<[Number], T>(row).map(|row| (row, used))
    }).flatten());
    if is::<T, str>() {
        let (text, used) = row_bytes(bytes, 1)?;
        let text = std::str::from_utf8(text).ok()?;
        return cast::same_ref::<str, T>(text).map(|text| (text, used));
    }
    None
}

/// The width in bytes of a value that is short and as long as all of its type, so that they can stand in a row.
#[inline]
pub(crate) fn short_width<T>() -> Option<usize> {
    let other = || (COPIED && (is::<T, bool>() || is::<T, ()>())).then_some(size_of::<T>());
    size_of_number::<T>().or_else(other)
}

/// Whether a value of this type may be nested more deeply than its type shows.
#[inline]
pub(crate) fn may_be_deep<T>() -> bool {
    fn is_flat<T>() -> Option<()> {
        for_each_number!(Number => is::<T, Vec<Number>>().then_some(()));
        is::<T, String>().then_some(())
    }
    std::mem::needs_drop::<T>() && is_flat::<T>().is_none()
}

/// A place for `expected` values of a number type, to be filled in from their bytes; `None` for other types.
pub(crate) fn rows<T>(expected: usize) -> Option<Box<dyn Rows>> {
    if !COPIED {
        return None;
    }
    for_each_number!(Number => is::<T, Number>().then(|| Box::new(RowsOf::<Number>::new(expected)) as Box<dyn Rows>));
    None
}

/// The first `len` values of what [`rows`] gave.
pub(crate) fn into_vec<T>(rows: Box<dyn Rows>, len: usize) -> Option<Vec<T>> {
    let mut rows = Some(rows.into_any());
    for_each_number!(Number => is::<T, Number>().then(|| {
        let rows = rows.take()?.downcast::<RowsOf<Number>>().ok()?;
        cast::into(rows.into_vec(len))
    }).flatten());
    None
}

/// Writes a value of a type that has a [`short_width`] into a row, as that of item `index`; `None` where it is of another type.
#[inline(always)]
pub(crate) fn write_short<T>(value: &T, row: &RowWriter<'_>, index: u32) -> Option<()> {
    for_each_number!(Number => cast::same::<T, Number>(value).map(|number| row.write(index, *number)));
    if let Some(truth) = cast::same::<T, bool>(value) {
        row.write(index, *truth);
        return Some(());
    }
    is::<T, ()>().then_some(())
}

#[inline]
fn is<T: ?Sized, U: ?Sized + 'static>() -> bool {
    typeid::of::<T>() == std::any::TypeId::of::<U>()
}

fn read_row<Number: Pod>(bytes: &[u8]) -> Option<(Vec<Number>, usize)> {
    let (row_bytes, used) = row_bytes(bytes, size_of::<Number>())?;
    // The length was checked against the message, so this is no more memory than the message itself.
    let mut row = zeros::<Number>(row_bytes.len() / size_of::<Number>());
    bytemuck::cast_slice_mut(&mut row).copy_from_slice(row_bytes);
    Some((row, used))
}

/// The bytes of a row of elements of this size, and how many bytes it takes with its length.
fn row_bytes(bytes: &[u8], element: usize) -> Option<(&[u8], usize)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let size = usize::try_from(u64::from_le_bytes(*len)).ok()?.checked_mul(element)?;
    Some((rest.get(..size)?, 8 + size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use std::fmt::Debug;

    /// Written and read by this file and by the codec, in all four ways.
    fn agree<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let (mut plain, mut coded) = (vec![9], vec![9]);
        encode(&value, &mut plain).unwrap();
        codec::encode_through_serde(&value, &mut coded).unwrap();
        assert_eq!(plain, coded);
        assert_eq!(decode::<T>(&plain[1..]).unwrap(), (value, plain.len() - 1));
        let (decoded, used) = codec::decode_through_serde::<T>(&plain[1..]).unwrap();
        assert_eq!((Some(decoded), used), (decode::<T>(&coded[1..]).map(|(value, _)| value), coded.len() - 1));
    }

    #[test]
    fn what_is_copied_is_what_the_codec_writes() {
        agree(7_u8);
        agree(-7_i64);
        agree(u128::MAX);
        agree(0.1_f64);
        agree(Vec::<u32>::new());
        agree(vec![1_u8, 2, 3]);
        agree(vec![1.5_f32, -0.0]);
        agree(vec![i128::MIN]);
        agree(vec![usize::MAX, 7]);
        agree(-7_isize);
        agree(true);
        agree(());
        agree("text, näher betrachtet".to_string());
        agree(String::new());
        let (mut slice, mut vec) = (Vec::new(), Vec::new());
        encode(&[1_u16, 2][..], &mut slice).unwrap();
        encode(&vec![1_u16, 2], &mut vec).unwrap();
        assert_eq!(slice, vec);
    }

    #[test]
    fn an_argument_stands_where_it_is_the_number_itself() {
        assert_eq!(as_it_stands(&7_u32, &[7, 0, 0, 0]), Some(4));
        assert_eq!(as_it_stands(&7_u32, &[7]), None);
        assert_eq!(as_it_stands(&"7", b"7"), None);
    }

    #[test]
    fn a_row_is_seen_where_it_is_if_it_is_aligned_there() {
        // A vector of words is aligned for each of the numbers.
        let words: Vec<u64> = vec![3, 1, 2, 3, 1, u64::from_le_bytes(*b"\xffaaaaaaa")];
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        assert_eq!(view::<[u64]>(bytes), Some((&[1, 2, 3][..], 32)));
        assert_eq!(view::<[u16]>(bytes), Some((&[1, 0, 0][..], 14)));
        assert_eq!(view::<[u8]>(bytes), Some((&[1, 0, 0][..], 11)));
        assert_eq!(view::<str>(bytes), Some(("\u{1}\0\0", 11)));
        assert_eq!(view::<str>(&bytes[32..]), None, "not UTF-8");
        assert_eq!(view::<[u64]>(&bytes[24..]), None, "not all there");
        let mut shifted = vec![0_u64; words.len() + 1];
        let shifted: &mut [u8] = bytemuck::cast_slice_mut(&mut shifted);
        shifted[1..=bytes.len()].copy_from_slice(bytes);
        assert_eq!(view::<[u64]>(&shifted[1..]), None, "not aligned");
        assert_eq!(view::<[u8]>(&shifted[1..]), Some((&[1, 0, 0][..], 11)));
        assert!(view::<[String]>(bytes).is_none() && view::<u64>(bytes).is_none());
    }

    #[test]
    fn what_is_not_plain_or_not_all_there_is_left_to_the_codec() {
        let mut bytes = Vec::new();
        assert!(encode(&Some(true), &mut bytes).is_none());
        assert!(encode(&'c', &mut bytes).is_none());
        assert!(encode(&vec!["text"], &mut bytes).is_none());
        assert!(bytes.is_empty());
        assert!(decode::<u64>(&[0; 7]).is_none());
        assert!(decode::<bool>(&[2]).is_none());
        assert!(decode::<String>(&[1, 0, 0, 0, 0, 0, 0, 0, 0xff]).is_none());
        assert!(decode::<Vec<u64>>(&u64::MAX.to_le_bytes()).is_none());
    }
}
