//! Borrowed parameters: what their owner is in the process that receives them, and what they can be borrowed from.

use std::borrow::Borrow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};

/// A type and its owned form; for a type that is not borrowed that is the type itself.
pub trait Borrowed {
    /// What the worker holds while the function borrows it.
    type Owned: Borrow<Self>;
}

impl<T> Borrowed for T {
    type Owned = T;
}

impl<T> Borrowed for [T] {
    type Owned = Vec<T>;
}

impl Borrowed for str {
    type Owned = String;
}

impl Borrowed for Path {
    type Owned = PathBuf;
}

impl Borrowed for OsStr {
    type Owned = OsString;
}

impl Borrowed for CStr {
    type Owned = CString;
}

/// A type that can be borrowed from an `Item`: what the maps of a function with a single borrowed parameter take.
#[diagnostic::on_unimplemented(
    message = "a function of `&{Self}` cannot be mapped over items of type `{Item}`",
    label = "the items cannot be borrowed as the function's parameter",
    note = "one parameter: the item is the argument; several: the item is a tuple of them; none: the item is `()`"
)]
pub trait BorrowedFrom<Item> {
    /// Borrows it.
    fn borrowed_from(item: &Item) -> &Self;
}

#[diagnostic::do_not_recommend]
impl<T, Item: Borrow<T>> BorrowedFrom<Item> for T {
    fn borrowed_from(item: &Item) -> &Self {
        item.borrow()
    }
}

#[diagnostic::do_not_recommend]
impl<T, Item: AsRef<[T]>> BorrowedFrom<Item> for [T] {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

#[diagnostic::do_not_recommend]
impl<Item: AsRef<str>> BorrowedFrom<Item> for str {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

#[diagnostic::do_not_recommend]
impl<Item: AsRef<Path>> BorrowedFrom<Item> for Path {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

#[diagnostic::do_not_recommend]
impl<Item: AsRef<OsStr>> BorrowedFrom<Item> for OsStr {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

#[diagnostic::do_not_recommend]
impl<Item: AsRef<CStr>> BorrowedFrom<Item> for CStr {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}
