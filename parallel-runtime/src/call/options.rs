//! What may stand in front of a call: the attribute's words as defaults, and the options that are chained.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sys::program;

/// The words of the attribute, `#[parallel(timeout = "30s", retries = 2)]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    timeout: Option<Duration>,
    retries: u32,
    chunk_size: Option<usize>,
    name: Option<&'static str>,
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

/// What was chained in front of a call.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) chunk_size: Option<usize>,
    /// The attribute's word, passed over by calls that it means nothing for.
    default_chunk_size: Option<usize>,
    pub(crate) window: Option<usize>,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) engine: Option<Arc<dyn Engine>>,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Spawn,
    Submit,
    Map,
    LazyMap,
}

impl Options {
    pub(crate) const fn new(defaults: Defaults) -> Self {
        let name = match defaults.name {
            Some(name) => Some(Cow::Borrowed(name)),
            None => None,
        };
        Self {
            timeout: defaults.timeout,
            retries: defaults.retries,
            chunk_size: None,
            default_chunk_size: defaults.chunk_size,
            window: None,
            name,
            engine: None,
            environment: Vec::new(),
        }
    }

    /// The size of a map's chunks, where the caller or the attribute chose it.
    pub(crate) fn items_per_chunk(&self) -> Option<usize> {
        self.chunk_size.or(self.default_chunk_size)
    }

    /// Refuses options that make no sense, or none for this call.
    pub(super) fn check_for(&self, manner: Manner) -> Result<()> {
        if let Some(text) = self.refusal(manner) {
            return Err(Error::invalid(text));
        }
        if !self.environment.is_empty() {
            program::environment(&self.environment).map_err(|error| Error::invalid(error.to_string()))?;
        }
        Ok(())
    }

    fn refusal(&self, manner: Manner) -> Option<&'static str> {
        use Manner::{LazyMap, Spawn, Submit};
        let is_one = matches!(manner, Spawn | Submit);
        let refusals = [
            (
                self.timeout == Some(Duration::ZERO),
                "a timeout of zero leaves no time to run: `timeout(Duration::ZERO)`",
            ),
            (self.items_per_chunk() == Some(0), "a chunk needs at least one item: `chunk_size(0)`"),
            (self.window == Some(0), "a lazy map needs room for at least one item: `window(0)`"),
            (
                self.engine.is_some() && manner == Spawn,
                "`.on()` is for `submit` and the maps: `spawn` starts a process of its own, and uses no pool",
            ),
            (
                self.chunk_size.is_some() && is_one,
                "`.chunk_size()` is for maps: `spawn` and `submit` have no items to hand out together",
            ),
            (
                self.window.is_some() && manner != LazyMap,
                "`.window()` is for the lazy maps, `par_imap` and `par_imap_unordered`: other calls take no items ahead",
            ),
            (
                !self.environment.is_empty() && manner != Spawn,
                "`.env()` is for `spawn`: a pool's workers get their environment from `Pool::builder().env()`",
            ),
        ];
        refusals.into_iter().find_map(|(is_refused, text)| is_refused.then_some(text))
    }
}
