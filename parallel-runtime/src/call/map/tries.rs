//! Maps of functions that return a `Result`: what went wrong with the call and what the function says become one error.

use std::error::Error as StdError;
use std::fmt;
use std::iter::FusedIterator;

use super::lazy::{ParIMap, ParIMapUnordered};
use crate::error;
use crate::failure::Failure;
use crate::run::callable::{Accepts, Callable};
use crate::wire::parameter::Returns;

/// What the functions of the `try_` maps return: a `Result` with an error that is, or becomes, a boxed one.
#[diagnostic::on_unimplemented(
    message = "the `try_` maps are for functions that return a `Result<_, E>` with an `E` that becomes a boxed error; this one \
               returns `{Self}`",
    label = "not such a `Result`",
    note = "an `E` becomes a boxed error if it implements `std::error::Error`, `Send` and `Sync`, or is text or \
            `parallel::Failure`; for any other result, use the map without `try_`"
)]
pub trait Fallible {
    /// What is inside of `Ok`.
    type Value;

    /// As a result with an error of its own text.
    ///
    /// # Errors
    ///
    /// The `Err`, as a failure.
    fn into_result(self) -> Result<Self::Value, Failure>;
}

#[diagnostic::do_not_recommend]
impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Fallible for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, Failure> {
        self.map_err(Failure::new)
    }
}

/// What a function's `Ok`s hold.
pub(super) type TryValue<H> = <<H as Returns>::Output as Fallible>::Value;

/// Both layers of one outcome.
pub(super) fn flatten<H: Callable<Output: Fallible>>(
    index: usize,
    outcome: error::Result<H::Output>,
) -> Result<TryValue<H>, Failure> {
    outcome?.into_result().map_err(|failure| failure.in_item(H::entry().name(), index))
}

/// A lazy, ordered map with one error for both layers; see [`Task::try_par_imap`](crate::Task::try_par_imap).
///
/// # Examples
///
/// See [`Task::try_par_imap`](crate::Task::try_par_imap).
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct TryParIMap<I: Iterator, H: Callable> {
    pub(super) map: ParIMap<I, H>,
    pub(super) next: usize,
}

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> Iterator for TryParIMap<I, H> {
    type Item = Result<TryValue<H>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.map.next()?;
        self.next += 1;
        Some(flatten::<H>(self.next - 1, outcome))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.map.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> FusedIterator for TryParIMap<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for TryParIMap<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryParIMap").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}

/// A lazy map with one error for both layers that gives outcomes as they come in; see [`Task::try_par_imap_unordered`](crate::Task::try_par_imap_unordered).
///
/// # Examples
///
/// See [`Task::try_par_imap_unordered`](crate::Task::try_par_imap_unordered).
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct TryParIMapUnordered<I: Iterator, H: Callable>(pub(super) ParIMapUnordered<I, H>);

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> Iterator for TryParIMapUnordered<I, H> {
    type Item = (usize, Result<TryValue<H>, Failure>);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, outcome) = self.0.next()?;
        Some((index, flatten::<H>(index, outcome)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> FusedIterator for TryParIMapUnordered<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for TryParIMapUnordered<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryParIMapUnordered").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}
