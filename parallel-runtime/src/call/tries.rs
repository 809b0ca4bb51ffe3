//! Maps of functions that return a `Result`: what went wrong with the call and what the function says become one error.

use std::error::Error as StdError;
use std::fmt;
use std::iter::FusedIterator;

use super::map::ordered;
use super::map::reduce::{self, ReduceError};
use super::task::{ParIMap, ParIMapUnordered, Task};
use crate::error;
use crate::failure::Failure;
use crate::run::callable::{Accepts, Callable, Merges};
use crate::tuning::RESERVED_RESULTS;
use crate::wire::given::{self, Given};
use crate::wire::parameter::Returns;
use crate::worker::entry;

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
type Value<H> = <<H as Returns>::Output as Fallible>::Value;

/// Both layers of one outcome.
fn flatten<H: Callable<Output: Fallible>>(
    index: usize,
    outcome: error::Result<H::Output>,
) -> Result<Value<H>, Failure> {
    outcome?.into_result().map_err(|failure| failure.in_item(H::entry().name(), index))
}

impl<H: Callable> Task<H> {
    /// Runs the function on every item as [`par_map`](Self::par_map) does, and ends at the first `Err` of the function, too.
    ///
    /// # Errors
    ///
    /// What the function returned for the first of the items that failed, with its index; or what befell the call, as
    /// [`par_map`](Self::par_map) tells it. The rest is cancelled.
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn parse(text: &str) -> Result<u32, String> {
    ///     text.parse().map_err(|error| format!("{text:?}: {error}"))
    /// }
    ///
    /// # fn main() -> Result<(), parallel::Failure> {
    /// assert_eq!(parse.try_par_map(["1", "2"])?, [1, 2]);
    /// let failure = parse.try_par_map(["1", "x"]).unwrap_err();
    /// assert_eq!(failure.to_string(), "`parse`, item 1: \"x\": invalid digit found in string");
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_par_map<I, T>(&self, items: I) -> Result<Vec<T>, Failure>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        H::Output: Fallible<Value = T>,
    {
        let items = items.into_iter();
        let mut values = Vec::with_capacity(items.size_hint().0.min(RESERVED_RESULTS));
        self.try_each(items, |value| values.push(value))?;
        Ok(values)
    }

    /// Runs the function on every item as [`par_for_each`](Self::par_for_each) does, and ends at the first `Err` of the function, too.
    ///
    /// # Errors
    ///
    /// As [`try_par_map`](Self::try_par_map).
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::Failure;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn remove(path: &str) -> Result<(), Failure> { Ok(std::fs::remove_file(path)?) }
    ///
    /// let failure = remove.try_par_for_each(["/no such file"]).unwrap_err();
    /// assert_eq!((failure.function(), failure.index()), (Some("remove"), Some(0)));
    /// ```
    pub fn try_par_for_each<I>(&self, items: I) -> Result<(), Failure>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        H::Output: Fallible,
    {
        self.try_each(items.into_iter(), drop)
    }

    /// Runs the function on every item and merges the values in its results, as [`par_map_reduce`](Self::par_map_reduce) does;
    /// ends at the first `Err` of the function, too. `merge` takes what is inside of `Ok`.
    ///
    /// # Errors
    ///
    /// As [`try_par_map`](Self::try_par_map), and the first failure of `merge`.
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn parse(text: &str) -> Result<u32, String> {
    ///     text.parse().map_err(|error| format!("{text:?}: {error}"))
    /// }
    ///
    /// #[parallel]
    /// fn add(a: u32, b: u32) -> u32 { a + b }
    ///
    /// # fn main() -> Result<(), parallel::Failure> {
    /// assert_eq!(parse.try_par_map_reduce(["1", "2"], &add)?, Some(3));
    /// assert_eq!(parse.try_par_map_reduce(["1", "x"], &add).unwrap_err().index(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_par_map_reduce<I, M, T>(&self, items: I, merge: &M) -> Result<Option<T>, Failure>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        H::Output: Fallible<Value = T>,
        M: Merges<T>,
    {
        let _ = merge;
        let items = Given::new(items);
        let plan = self.plan(false)?;
        entry::check_function(M::merge_entry()).inspect_err(|_| given::meet())?;
        match reduce::try_map_reduce::<_, H>(plan, items.into_inner().into_iter(), M::merge_entry()) {
            Ok(None) => Ok(None),
            Ok(Some(result)) => flatten::<H>(0, Ok(result)).map(Some),
            Err(ReduceError::Failed(error)) => Err(error.into()),
            Err(ReduceError::Returned { index, result }) => flatten::<H>(index, Ok(result)).map(Some),
        }
    }

    fn try_each<I>(&self, items: I, mut take: impl FnMut(Value<H>)) -> Result<(), Failure>
    where
        I: Iterator,
        H: Accepts<I::Item>,
        H::Output: Fallible,
    {
        ordered::each::<_, H, Failure>(self.plan(false)?, items, |index, outcome| {
            take(flatten::<H>(index, Ok(outcome))?);
            Ok(())
        })
    }

    /// Runs the function as its outcomes are asked for, as [`par_imap`](Self::par_imap) does, with one error for both layers.
    ///
    /// # Panics
    ///
    /// When `items` panics, in `next`.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn even(x: u32) -> Result<u32, String> { if x % 2 == 0 { Ok(x) } else { Err(format!("{x} is odd")) } }
    ///
    /// let first: Result<Vec<u32>, parallel::Failure> = even.try_par_imap(4..).take(2).collect();
    /// assert_eq!(first.unwrap_err().to_string(), "`even`, item 1: 5 is odd");
    /// ```
    pub fn try_par_imap<I>(&self, items: I) -> TryParIMap<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        H::Output: Fallible,
    {
        TryParIMap { map: self.par_imap(items), next: 0 }
    }

    /// As [`try_par_imap`](Self::try_par_imap), but gives outcomes as they come in, each with the index of its item.
    ///
    /// # Panics
    ///
    /// When `items` panics, in `next`.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn even(x: usize) -> Result<usize, String> { if x % 2 == 0 { Ok(x) } else { Err(format!("{x} is odd")) } }
    ///
    /// for (index, outcome) in even.try_par_imap_unordered(0..10) {
    ///     assert_eq!(outcome.is_ok(), index % 2 == 0);
    /// }
    /// ```
    pub fn try_par_imap_unordered<I>(&self, items: I) -> TryParIMapUnordered<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        H::Output: Fallible,
    {
        TryParIMapUnordered(self.par_imap_unordered(items))
    }
}

/// A lazy, ordered map with one error for both layers; see [`Task::try_par_imap`].
///
/// # Examples
///
/// See [`Task::try_par_imap`].
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct TryParIMap<I: Iterator, H: Callable> {
    map: ParIMap<I, H>,
    next: usize,
}

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> Iterator for TryParIMap<I, H> {
    type Item = Result<Value<H>, Failure>;

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

/// A lazy map with one error for both layers that gives outcomes as they come in; see [`Task::try_par_imap_unordered`].
///
/// # Examples
///
/// See [`Task::try_par_imap_unordered`].
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct TryParIMapUnordered<I: Iterator, H: Callable>(ParIMapUnordered<I, H>);

impl<I: Iterator, H: Accepts<I::Item> + Callable<Output: Fallible>> Iterator for TryParIMapUnordered<I, H> {
    type Item = (usize, Result<Value<H>, Failure>);

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
