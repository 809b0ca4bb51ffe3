//! Parameters and results: what can be one, and what is the owner of a borrowed one in the process that receives it.

use std::borrow::Borrow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

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
pub trait BorrowedFrom<Item> {
    /// Borrows it.
    fn borrowed_from(item: &Item) -> &Self;
}

impl<T, Item: Borrow<T>> BorrowedFrom<Item> for T {
    fn borrowed_from(item: &Item) -> &Self {
        item.borrow()
    }
}

impl<T, Item: AsRef<[T]>> BorrowedFrom<Item> for [T] {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

impl<Item: AsRef<str>> BorrowedFrom<Item> for str {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

impl<Item: AsRef<Path>> BorrowedFrom<Item> for Path {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

impl<Item: AsRef<OsStr>> BorrowedFrom<Item> for OsStr {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

impl<Item: AsRef<CStr>> BorrowedFrom<Item> for CStr {
    fn borrowed_from(item: &Item) -> &Self {
        item.as_ref()
    }
}

/// A type that can be sent to a function, as a parameter or behind the borrow of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a `#[parallel]` function",
    label = "cannot be sent to another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for the types it is made of, and own what it borrows"
)]
pub trait Argument: Serialize + Borrowed<Owned: DeserializeOwned> {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Borrowed<Owned: DeserializeOwned> + ?Sized> Argument for T {}

/// A type that a function can send back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a `#[parallel]` function",
    label = "cannot be sent back from another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for the types it is made of"
)]
pub trait ReturnValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> ReturnValue for T {}

/// Tells a function's parameter number `INDEX`, from 0.
///
/// The generated code asks everything about a parameter's type through this trait. So a type that cannot be sent is one
/// error, where the trait is implemented, and not one for each use.
pub trait Parameter<const INDEX: usize> {
    /// Its name.
    const NAME: &'static str;
    /// Its type; for a borrowed parameter, the type behind the borrow.
    type Type: Argument + ?Sized;
}

/// Tells what a function returns; a trait of its own for the same reason as [`Parameter`].
pub trait Returns {
    /// What it returns.
    type Output: ReturnValue;
}
