//! Maps: items go through an engine in chunks, and their outcomes come back in order, lazily, or merged.
//!
//! Longer than 400 lines: much of it is documentation.

mod asking;
mod chunker;
pub(crate) mod feeder;
mod input;
pub(crate) mod lazy;
pub(crate) mod ordered;
mod outbox;
pub(crate) mod reduce;
pub(crate) mod tries;
mod window;

use std::borrow::Borrow;

use self::feeder::MapPlan;
use self::lazy::{AsTheyCome, Lazy, ParIMap, ParIMapUnordered};
use self::ordered::Reorder;
use self::reduce::ReduceError;
use self::tries::{Fallible, TryParIMap, TryParIMapUnordered, TryValue, flatten};
use super::options::{Manner, Options};
use super::task::Task;
use crate::error::Result;
use crate::failure::Failure;
use crate::run::callable::{Accepts, ByArguments, Callable, Merges, NamedArguments};
use crate::run::registry::Entry;
use crate::tuning::{self, RESERVED_RESULTS};
use crate::wire::given::{self, Given};
use crate::worker::entry;

/// How a map of this function is to run.
fn plan(options: &Options, entry: &'static Entry, manner: Manner, discard: bool) -> Result<MapPlan> {
    let plan = || -> Result<MapPlan> {
        options.check(manner, entry)?;
        Ok(MapPlan {
            engine: options.engine()?,
            terms: options.terms(discard, true),
            merge: None,
            chunk_size: options.items_per_chunk(),
            window: None,
        })
    };
    plan().map_err(|error| {
        // The items are not encoded, so their depth is unknown.
        given::meet();
        error.in_function(entry.name())
    })
}

impl<H: Callable> Task<H> {
    pub(crate) fn plan(&self, discard: bool) -> Result<MapPlan> {
        self.plan_of(Manner::Map, discard)
    }

    fn plan_of(&self, manner: Manner, discard: bool) -> Result<MapPlan> {
        plan(self.options(), H::entry(), manner, discard)
    }

    fn lazy_plan(&self) -> Result<MapPlan> {
        let plan = self.plan_of(Manner::LazyMap, false)?;
        let window = self.options().window;
        // A chunk that is larger than the window could never be sent.
        let most = window.unwrap_or(tuning::WINDOW_PER_WORKER * plan.engine.shape().workers);
        let chunk_size = plan.chunk_size.map(|size| size.min(most));
        Ok(MapPlan { window, chunk_size, ..plan })
    }

    /// Runs the function on every item, in the pool's workers; returns the values in the order of the items.
    ///
    /// A function's own `Err` is a value like another.
    ///
    /// # Errors
    ///
    /// The first failure; the items that have not started are dropped then. `InvalidInput` for options that make no
    /// sense.
    ///
    /// # Panics
    ///
    /// When `items` panics; what had started goes on and is dropped.
    ///
    /// # What the compiler says
    ///
    /// Items of another type than the parameter's are E0271, "type mismatch resolving `<… as IntoIterator>::Item == u64`", with what
    /// was expected and what was found. An owned parameter takes its own type only, so that `"7".parse().unwrap()` and
    /// literals need no type:
    ///
    /// - expected `u64`, found `&u64`, at `par_map(&v)` or `par_map(v.iter())`: write `v.iter().copied()`, `v.iter().cloned()`, or `v`.
    /// - expected `String`, found `&str`: write `["a".to_string()]`, or make the parameter a `&str`, which takes both.
    /// - expected a tuple: the function has several parameters; write `[(1, 2), (3, 4)]`, or `a.into_iter().zip(b)`.
    ///
    /// # Examples
    ///
    /// See [`Task`].
    pub fn par_map<I>(&self, items: I) -> Result<Vec<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let items = Given::new(items);
        ordered::map::<_, H>(self.plan(false)?, items.into_inner().into_iter())
    }

    /// Runs the function on every item, as [`par_map`](Self::par_map); every item has its own outcome, in the order of
    /// the items.
    ///
    /// When the call as a whole is refused, as for `chunk_size(0)`, every outcome says so.
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
    /// fn half(x: u32) -> u32 {
    ///     assert!(x % 2 == 0, "{x} is odd");
    ///     x / 2
    /// }
    ///
    /// let halves = half.par_map_results([2, 3, 4]);
    /// assert_eq!(*halves[0].as_ref().unwrap(), 1);
    /// assert_eq!(halves[1].as_ref().unwrap_err().index(), Some(1));
    /// assert_eq!(*halves[2].as_ref().unwrap(), 2);
    /// ```
    pub fn par_map_results<I>(&self, items: I) -> Vec<Result<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        ordered::map_results::<_, H>(self.plan(false), items.into_iter())
    }

    /// Runs the function on the items as its outcomes are asked for, in order. At most a [window](Task::window) of items is taken
    /// from `items` ahead of that; endless iterators are fine.
    ///
    /// Dropping it drops what has not started.
    ///
    /// # Inputs that wait
    ///
    /// `items` runs on the caller's thread, in `next`, and while it waits for an item, no outcome is given. So what has been taken is
    /// sent, and what is ready is given, before an input is asked that has shown to be slow; the outcome of a function that takes some
    /// microseconds is then given within a millisecond of its item. It may come later where the function takes more than an eighth
    /// of the time that the input takes for an item, or more than 50 ms: the next item is asked for meanwhile. Late, too, are those
    /// taken before an input shows to be slow, at its beginning or after quick items, and those of chunks of a chosen size.
    ///
    /// The input may wait for what the caller makes of earlier outcomes, as that of a crawler does:
    ///
    /// - A receiver of [`std::sync::mpsc`], given as it is or as a reference, is never waited for while an outcome is to come. Such a
    ///   loop ends, and what it feeds runs in parallel. What another thread sends is taken within a millisecond.
    /// - Any other input, a channel of another crate or a receiver behind an adapter such as `iter()` or `map`, may be asked while
    ///   outcomes are to come. If it waits for one of those, it waits for ever. With `window(1)` it is asked only after all earlier
    ///   outcomes have been given, so that each such loop ends, and one item runs at a time.
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
    /// fn square(x: u64) -> u64 { x * x }
    ///
    /// let first = square.par_imap(1..).map(Result::unwrap).find(|&y| y > 100);
    /// assert_eq!(first, Some(121));
    /// ```
    pub fn par_imap<I>(&self, items: I) -> ParIMap<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        ParIMap(Lazy::new(self.lazy_plan(), items, Reorder::new()))
    }

    /// As [`par_imap`](Self::par_imap), but gives outcomes as they come in, each with the index of its item.
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
    /// fn square(x: usize) -> usize { x * x }
    ///
    /// for (index, value) in square.par_imap_unordered(0..100) {
    ///     assert_eq!(value.unwrap(), index * index);
    /// }
    /// ```
    ///
    /// A loop that feeds its own input: the divisors of divisors, each once. It ends when the sender is dropped.
    ///
    /// ```
    /// use parallel::prelude::*;
    /// use std::collections::HashSet;
    /// use std::sync::mpsc;
    ///
    /// #[parallel]
    /// fn divisors(n: u64) -> Vec<u64> { (1..n).filter(|d| n % d == 0).collect() }
    ///
    /// let (sender, items) = mpsc::channel();
    /// sender.send(60).unwrap();
    /// let (mut seen, mut left, mut sender) = (HashSet::from([60]), 1, Some(sender));
    /// for (_, found) in divisors.par_imap_unordered(items) {
    ///     left -= 1;
    ///     for new in found.unwrap().into_iter().filter(|&n| seen.insert(n)) {
    ///         left += 1;
    ///         sender.as_ref().unwrap().send(new).unwrap();
    ///     }
    ///     if left == 0 {
    ///         sender = None;
    ///     }
    /// }
    /// assert_eq!(seen.len(), 12);
    /// ```
    pub fn par_imap_unordered<I>(&self, items: I) -> ParIMapUnordered<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        ParIMapUnordered(Lazy::new(self.lazy_plan(), items, AsTheyCome::default()))
    }

    /// Runs the function on every item; the values are dropped in the workers.
    ///
    /// # Errors
    ///
    /// As [`par_map`](Self::par_map).
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
    /// fn check(x: u32) { assert!(x < 100) }
    ///
    /// assert!(check.par_for_each(0..100).is_ok());
    /// assert!(check.par_for_each(0..101).is_err());
    /// ```
    pub fn par_for_each<I>(&self, items: I) -> Result<()>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        let items = Given::new(items);
        ordered::for_each::<_, H>(self.plan(true)?, items.into_inner().into_iter())
    }

    /// Runs the function on every item and merges the values into one, in the workers too; `None` for no items.
    ///
    /// `merge` must be associative. Neighbours are merged in the order of the items, so it need not be commutative.
    ///
    /// Items are taken from the input as workers have room for them, and merged while the rest is mapped. So the input may be
    /// larger than memory, and the values that are here at a time are a few for each worker and each power of four of the number
    /// of chunks.
    ///
    /// # Errors
    ///
    /// The first failure, of the function or of `merge`; otherwise as [`par_map`](Self::par_map).
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
    /// fn length(word: &str) -> usize { word.len() }
    ///
    /// #[parallel]
    /// fn add(a: usize, b: usize) -> usize { a + b }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// assert_eq!(length.par_map_reduce(["one", "two", "three"], &add)?, Some(11));
    /// assert_eq!(length.par_map_reduce([""; 0], &add)?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn par_map_reduce<I, M>(&self, items: I, merge: &M) -> Result<Option<H::Output>>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
        M: Merges<H::Output>,
    {
        let _ = merge;
        let items = Given::new(items);
        let plan = self.plan(false)?;
        entry::check_function(M::merge_entry()).inspect_err(|_| given::meet())?;
        reduce::map_reduce::<_, H>(plan, items.into_inner().into_iter(), M::merge_entry())
    }

    /// Runs the function on every item as [`par_map`](Self::par_map) does; the items are structs of its arguments, or
    /// borrow as such.
    ///
    /// # Errors
    ///
    /// As [`par_map`](Self::par_map).
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn par_map_args<I>(&self, items: I) -> Result<Vec<H::Output>>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
    {
        ordered::map::<_, ByArguments<H>>(self.plan(false)?, items.into_iter())
    }

    /// As [`par_map_results`](Self::par_map_results), for items that are structs of the function's arguments.
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
    /// #[parallel(args(name = Job, derive(Clone)))]
    /// fn half(x: u32) -> u32 {
    ///     assert!(x % 2 == 0, "{x} is odd");
    ///     x / 2
    /// }
    ///
    /// let jobs = [Job { x: 2 }, Job { x: 3 }];
    /// let outcomes = half.par_map_results_args(&jobs);
    /// let failed: Vec<Job> = outcomes.iter().zip(&jobs).filter(|(o, _)| o.is_err()).map(|(_, job)| job.clone()).collect();
    /// assert_eq!(failed[0].x, 3);
    /// ```
    pub fn par_map_results_args<I>(&self, items: I) -> Vec<Result<H::Output>>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
    {
        ordered::map_results::<_, ByArguments<H>>(self.plan(false), items.into_iter())
    }

    /// As [`par_imap`](Self::par_imap), for items that are structs of the function's arguments.
    ///
    /// # Panics
    ///
    /// When `items` panics, in `next`.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn par_imap_args<I>(&self, items: I) -> ParIMap<I::IntoIter, ByArguments<H>>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
    {
        ParIMap(Lazy::new(self.lazy_plan(), items, Reorder::new()))
    }

    /// As [`par_imap_unordered`](Self::par_imap_unordered), for items that are structs of the function's arguments.
    ///
    /// # Panics
    ///
    /// When `items` panics, in `next`.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn par_imap_unordered_args<I>(&self, items: I) -> ParIMapUnordered<I::IntoIter, ByArguments<H>>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
    {
        ParIMapUnordered(Lazy::new(self.lazy_plan(), items, AsTheyCome::default()))
    }

    /// As [`par_for_each`](Self::par_for_each), for items that are structs of the function's arguments.
    ///
    /// # Errors
    ///
    /// As [`par_map`](Self::par_map).
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn par_for_each_args<I>(&self, items: I) -> Result<()>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
    {
        ordered::for_each::<_, ByArguments<H>>(self.plan(true)?, items.into_iter())
    }

    /// As [`par_map_reduce`](Self::par_map_reduce), for items that are structs of the function's arguments.
    ///
    /// # Errors
    ///
    /// As [`par_map_reduce`](Self::par_map_reduce).
    ///
    /// # Panics
    ///
    /// When `items` panics.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn par_map_reduce_args<I, M>(&self, items: I, merge: &M) -> Result<Option<H::Output>>
    where
        I: IntoIterator<Item: Borrow<H::Arguments>>,
        H: NamedArguments,
        M: Merges<H::Output>,
    {
        let _ = merge;
        let plan = self.plan(false)?;
        entry::check_function(M::merge_entry())?;
        reduce::map_reduce::<_, ByArguments<H>>(plan, items.into_iter(), M::merge_entry())
    }
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

    fn try_each<I>(&self, items: I, mut take: impl FnMut(TryValue<H>)) -> Result<(), Failure>
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
