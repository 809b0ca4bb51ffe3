//! The handle a `#[parallel]` function becomes: [`Task`], with the options in front of a call and the calls themselves.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::error::Result;
use crate::handle::JoinHandle;
use crate::pool::Pool;
use crate::registry::Entry;
use crate::wire::borrowed::Returns;
use crate::wire::call::Arguments;
use crate::wire::codec::CodecError;

/// A `#[parallel]` function, implemented by the type that the attribute generates.
pub trait Function: Returns + Sized + From<Task<Self>> + 'static {
    /// The function's own type, `fn(u64) -> u64`.
    type Pointer: Copy + Send + Sync + 'static;
    /// The function.
    const POINTER: Self::Pointer;
    /// The tuple of its parameters in their owned forms: `(String, f64)` for `fn(&str, f64)`, `(u64,)` for `fn(u64)`.
    type Owned;
    /// Its place in the registry.
    fn entry() -> &'static Entry;
    /// Appends arguments that are given in their owned forms.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode_owned(owned: &Self::Owned, arguments: &mut Arguments) -> std::result::Result<(), CodecError>;
}

/// Tells that the maps of this function take items of type `Item`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be mapped over items of type `{Item}`",
    label = "the items do not fit the function's parameters",
    note = "one parameter: the item is the argument; several: the item is a tuple of them; none: the item is `()`"
)]
pub trait Accepts<Item>: Function {
    /// Appends the item's arguments.
    ///
    /// # Errors
    ///
    /// What the `Serialize` of an argument says when it refuses.
    fn encode(item: &Item, arguments: &mut Arguments) -> std::result::Result<(), CodecError>;
}

/// The words of the attribute, `#[parallel(timeout = "30s", retries = 2)]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) chunk_size: Option<usize>,
    pub(crate) name: Option<&'static str>,
}

impl Defaults {
    /// No timeout, no retries, a chunk size chosen by the pool, the function's own name.
    pub const fn new() -> Self {
        Self { timeout: None, retries: 0, chunk_size: None, name: None }
    }

    /// `timeout = "…"`
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// `retries = …`
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// `chunk_size = …`
    #[must_use]
    pub const fn chunk_size(mut self, chunk_size: usize) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    /// `name = "…"`
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }
}

/// A `#[parallel]` function with the options of the call to come.
///
/// Every `#[parallel]` function dereferences to its `Task`, and that to the plain function pointer.
pub struct Task<H: Function> {
    pointer: H::Pointer,
    defaults: Defaults,
}

impl<H: Function> Task<H> {
    /// Used by the attribute.
    pub const fn new(defaults: Defaults) -> Self {
        Self { pointer: H::POINTER, defaults }
    }

    /// Used by the attribute: a process for the call whose arguments `encode` appends.
    pub fn spawn(
        &self,
        encode: impl FnOnce(&mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let _ = encode;
        todo!()
    }

    /// Used by the attribute: a task for the pool.
    pub fn submit(
        &self,
        encode: impl FnOnce(&mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let _ = encode;
        todo!()
    }

    /// Returns the plain function.
    pub fn as_fn(&self) -> H::Pointer {
        self.pointer
    }

    /// Limits how long one call may run.
    pub fn timeout(&self, timeout: Duration) -> H {
        let _ = timeout;
        todo!()
    }

    /// Tries again.
    pub fn retries(&self, retries: u32) -> H {
        let _ = retries;
        todo!()
    }

    /// Names the call.
    pub fn name(&self, name: impl Into<Cow<'static, str>>) -> H {
        let _ = name.into();
        todo!()
    }

    /// Items per task.
    pub fn chunk_size(&self, chunk_size: usize) -> H {
        let _ = chunk_size;
        todo!()
    }

    /// Items under way in a lazy map.
    pub fn window(&self, window: usize) -> H {
        let _ = window;
        todo!()
    }

    /// The pool to use.
    pub fn on(&self, pool: &Pool) -> H {
        let _ = pool;
        todo!()
    }

    /// An environment variable of the process to be spawned.
    pub fn env(&self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> H {
        let _ = (key.as_ref(), value.as_ref());
        todo!()
    }

    /// Maps in order.
    pub fn par_map<I>(&self, items: I) -> Result<Vec<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let _ = items;
        todo!()
    }

    /// Maps in order, each with its outcome.
    pub fn par_map_results<I>(&self, items: I) -> Vec<Result<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let _ = items;
        todo!()
    }

    /// Lazy, ordered.
    pub fn par_imap<I>(&self, items: I) -> ParIMap<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let _ = items;
        todo!()
    }

    /// Lazy, as they finish.
    pub fn par_imap_unordered<I>(&self, items: I) -> ParIMapUnordered<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let _ = items;
        todo!()
    }

    /// Runs each, drops results in the worker.
    pub fn par_for_each<I>(&self, items: I) -> Result<()>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let _ = items;
        todo!()
    }

    /// Map and reduce.
    pub fn par_map_reduce<I, M>(&self, items: I, merge: &M) -> Result<Option<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        M: Function<Output = H::Output> + Accepts<(H::Output, H::Output)>,
    {
        let _ = (items, merge);
        todo!()
    }
}

/// Lazy ordered map.
pub struct ParIMap<I, H: Function>(I, H);
impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMap<I, H> {
    type Item = Result<H::Output>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

/// Lazy unordered map.
pub struct ParIMapUnordered<I, H: Function>(I, H);
impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMapUnordered<I, H> {
    type Item = (usize, Result<H::Output>);
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

impl<H: Function> Clone for Task<H> {
    fn clone(&self) -> Self {
        Self { pointer: self.pointer, defaults: self.defaults }
    }
}

impl<H: Function> fmt::Debug for Task<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}

impl<H: Function> Deref for Task<H> {
    type Target = H::Pointer;

    #[inline(always)]
    fn deref(&self) -> &H::Pointer {
        &self.pointer
    }
}
