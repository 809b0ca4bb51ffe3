//! Borrowed parameters: what their owner is in the process that receives them.

use std::borrow::Borrow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type behind the `&` of a parameter: it can be sent, and has an owned form that can be received.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be a parameter of a `#[parallel]` function",
    label = "cannot be sent to another process",
    note = "derive `serde::Serialize` and `serde::Deserialize` for the type behind the borrow"
)]
pub trait Borrowed: Serialize {
    /// What the worker holds while the function borrows it.
    type Owned: DeserializeOwned + Borrow<Self>;
}

impl<T: Serialize + DeserializeOwned> Borrowed for T {
    type Owned = T;
}

impl<T: Serialize + DeserializeOwned> Borrowed for [T] {
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
