//! Seeing a value of a type that is not known here as one of a type that is, where the two are the same.
//!
//! Rust has no specialization. The types' identities are constants once the generic code is compiled for a type, so each
//! question is answered by the compiler and costs nothing.

use std::any::TypeId;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::mpsc;

use bytemuck::Pod;

/// What a value is seen as: types without lifetimes, so that another type of the same identity is the same type. `&'static str`,
/// say, has the identity of a `&str` that lives for a while, and is none.
///
/// # Safety
///
/// No part of the type has a lifetime.
pub(crate) unsafe trait Known: 'static {}

macro_rules! known {
    ($($number:ty)*) => {
        $(
            // SAFETY: a number.
            unsafe impl Known for $number {}
            // SAFETY: numbers.
            unsafe impl Known for [$number] {}
            // SAFETY: numbers.
            unsafe impl Known for Vec<$number> {}
        )*
    };
}
known!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize u128 i128 f32 f64);
// SAFETY: it borrows nothing.
unsafe impl Known for bool {}
// SAFETY: it borrows nothing.
unsafe impl Known for () {}
// SAFETY: it borrows nothing.
unsafe impl Known for str {}
// SAFETY: it borrows nothing.
unsafe impl Known for String {}

/// The value, if it is a `U`.
pub(crate) fn same<T: ?Sized, U: Known>(value: &T) -> Option<&U> {
    if typeid::of::<T>() != TypeId::of::<U>() {
        return None;
    }
    let value: *const T = value;
    // SAFETY: `T` is `U`: their identities are equal, and `U` has no lifetimes that could differ.
    Some(unsafe { &*value.cast::<U>() })
}

/// The elements, if the value is a slice of `U`.
pub(crate) fn same_slice<T: ?Sized, U: Pod>(value: &T) -> Option<&[U]> {
    if typeid::of::<T>() != TypeId::of::<[U]>() {
        return None;
    }
    let len = size_of_val(value) / size_of::<U>();
    let value: *const T = value;
    // SAFETY: `T` is `[U]`, so it starts with an element, and its size is that of all of them.
    Some(unsafe { std::slice::from_raw_parts(value.cast::<U>(), len) })
}

/// The text, if the value is a `str`.
pub(crate) fn same_text<T: ?Sized>(value: &T) -> Option<&str> {
    if typeid::of::<T>() != TypeId::of::<str>() {
        return None;
    }
    // SAFETY: `T` is `str`, so this is one reference to it copied as another.
    Some(unsafe { std::mem::transmute_copy::<&T, &str>(&value) })
}

/// The reference as one to a `T`, if it refers to a `T`.
pub(crate) fn same_ref<U: Known + ?Sized, T: ?Sized>(value: &U) -> Option<&T> {
    if typeid::of::<T>() != TypeId::of::<U>() {
        return None;
    }
    // SAFETY: `T` is `U`, so this is one reference copied as another of the same type and lifetime.
    Some(unsafe { std::mem::transmute_copy::<&U, &T>(&value) })
}

/// The value as a `T`, if it is one.
pub(crate) fn into<U: Known, T>(value: U) -> Option<T> {
    if typeid::of::<T>() != TypeId::of::<U>() {
        return None;
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: `T` is `U`; the original is never used or dropped again.
    Some(unsafe { std::mem::transmute_copy::<U, T>(&value) })
}

/// A receiver of std's in place of the iterator `I` that it would become.
pub(crate) struct ReceiverOf<I: Iterator>(Receiver<I>);

enum Receiver<I: Iterator> {
    Owned(mpsc::Receiver<I::Item>),
    /// `I` holds the reference's lifetime.
    Lent(NonNull<mpsc::Receiver<I::Item>>),
}

// SAFETY: there is one only where `I` is the receiver's own iterator, which holds the same receiver or reference.
unsafe impl<I: Iterator + Send> Send for ReceiverOf<I> {}
// SAFETY: as above.
unsafe impl<I: Iterator + Sync> Sync for ReceiverOf<I> {}

impl<I: Iterator> ReceiverOf<I> {
    /// Takes `items` if they are such a receiver, or a reference to one; else gives them back.
    pub(crate) fn take<Items: IntoIterator<IntoIter = I, Item = I::Item>>(items: Items) -> Result<Self, Items> {
        if typeid::of::<Items>() == typeid::of::<mpsc::Receiver<I::Item>>() {
            let items = ManuallyDrop::new(items);
            // SAFETY: `Items` is a `Receiver` of something, and its items are that; the original is never used or dropped again.
            return Ok(Self(Receiver::Owned(unsafe { std::mem::transmute_copy(&items) })));
        }
        if typeid::of::<Items>() == typeid::of::<&mpsc::Receiver<I::Item>>() {
            // SAFETY: `Items` is a reference to a `Receiver` of something, and its items are that.
            return Ok(Self(Receiver::Lent(unsafe { std::mem::transmute_copy(&items) })));
        }
        Err(items)
    }
}

impl<I: Iterator> Deref for ReceiverOf<I> {
    type Target = mpsc::Receiver<I::Item>;

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Receiver::Owned(receiver) => receiver,
            // SAFETY: `I` borrows the receiver, and this holds no longer than `I` may.
            Receiver::Lent(receiver) => unsafe { receiver.as_ref() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_seen_whatever_they_receive() {
        let text = String::from("lent");
        let (sender, receiver) = mpsc::channel();
        sender.send(text.as_str()).unwrap();
        let lent = ReceiverOf::take(&receiver).ok().unwrap();
        assert_eq!((lent.try_recv(), lent.try_recv()), (Ok("lent"), Err(mpsc::TryRecvError::Empty)));
        drop(lent);
        let owned = ReceiverOf::take(receiver).ok().unwrap();
        drop(sender);
        assert_eq!(owned.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        let (_sender, receiver) = mpsc::channel::<u8>();
        assert_eq!(ReceiverOf::take(vec![1, 2]).err(), Some(vec![1, 2]));
        assert!(ReceiverOf::take(receiver.iter()).is_err(), "its receiver cannot be reached");
    }

    #[test]
    fn only_the_same_type_is_seen() {
        assert_eq!(same::<_, u32>(&7_u32), Some(&7));
        assert_eq!(same::<_, i32>(&7_u32), None);
        assert_eq!(same_slice::<[u16], u16>(&[1, 2, 3]), Some(&[1, 2, 3][..]));
        assert_eq!(same_slice::<[u16], u16>(&[]), Some(&[][..]));
        assert_eq!(same_slice::<[u16], i16>(&[1]), None);
        assert_eq!(same_slice::<str, u8>("a"), None);
        assert_eq!(same_text("text"), Some("text"));
        assert_eq!(same_text(&"text"), None);
        assert_eq!(same_text(&b"text"[..]), None);
        assert_eq!(into::<_, Vec<u8>>(vec![1_u8]).unwrap(), [1]);
        assert_eq!(into::<_, String>("kept".to_string()).unwrap(), "kept");
        assert_eq!(into::<_, Vec<u8>>(String::new()), None);
    }
}
