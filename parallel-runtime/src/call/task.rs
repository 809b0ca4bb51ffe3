//! The handle a `#[parallel]` function becomes: [`Task`], with the options in front of a call and the calls themselves.

use std::borrow::{Borrow, Cow};
use std::ffi::OsStr;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytemuck::TransparentWrapper;

use super::handle::JoinHandle;
use super::map::feeder::MapPlan;
use super::map::lazy::{AsTheyCome, Lazy};
use super::map::ordered::{self, Reorder};
use super::map::reduce;
use super::options::{Defaults, Manner, Options};
use super::spawned::{Request, Spawned};
use super::submitted::Submitted;
use crate::engine::batch::Terms;
use crate::engine::flight;
use crate::engine::target::Target;
use crate::engine::{Engine, inline};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Pool;
use crate::run::callable::{Accepts, ByArguments, Callable, Merges, NamedArguments};
use crate::tuning;
use crate::wire::arguments::Arguments;
use crate::wire::codec::CodecError;
use crate::wire::given::{self, Given};
use crate::wire::outcome::decode_result;
use crate::wire::payload::Payload;
use crate::worker::entry;

/// A `#[parallel]` function, for helpers that take any.
///
/// Only the attribute implements it, for the type of the handle that it makes. A handle is borrowed, `helper(&cube)`, or cloned. In
/// a helper it has the options and the maps; `spawn` and `submit`, which have the parameters of the function itself, are not
/// there: map a single item.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::{Accepts, Function};
///
/// /// Runs a function on every item, in small chunks, and tells how many items failed.
/// fn failures<F, T>(function: &F, items: Vec<T>) -> usize
/// where
///     F: Function + Accepts<T>,
/// {
///     let outcomes = function.chunk_size(8).par_map_results(items);
///     outcomes.iter().filter(|outcome| outcome.is_err()).count()
/// }
///
/// #[parallel]
/// fn half(x: u32) -> u32 {
///     assert!(x % 2 == 0, "{x} is odd");
///     x / 2
/// }
///
/// assert_eq!(failures(&half, vec![1, 2, 3]), 2);
/// ```
pub trait Function: Callable + Deref<Target = Task<Self>> + From<Task<Self>> {}

/// A `#[parallel]` function with the options of the call to come.
///
/// Every `#[parallel]` function dereferences to its `Task`, and that to the plain function pointer, so the function can
/// be called as before. An option returns the function's handle anew and leaves the function itself unchanged.
///
/// # Calls
///
/// Beside the maps below, the attribute gives each function `spawn` and `submit` with exactly its own parameters:
/// `cube.spawn(3)` starts a process for one call, `cube.submit(3)` queues a task for a pool; both return a
/// [`JoinHandle`].
///
/// At most 1,024 spawned calls run at a time, fewer where the program may have few descriptors: half of those (`ulimit -n`)
/// are for spawned calls, two each, so 256 run where the limit is 1,024. Further ones wait for their turn, in order
/// ([`is_queued`](JoinHandle::is_queued)). So calls that wait for each other, at a barrier for example, must not be more
/// than run at a time: the others would never come. When a call has waited for five seconds, one line on stderr says so,
/// once for the program, with the limit. In a pool as many calls run at a time as it has workers.
///
/// # Options
///
/// Each returns the function's handle anew, for the call that is chained behind it. One that means nothing for that call is
/// refused with `InvalidInput`, by the call; what the attribute says is a default, and passed over where it means nothing.
///
/// | | `spawn` | `submit` | maps | lazy maps |
/// |---|---|---|---|---|
/// | `timeout`, `retries`, `name` | yes | yes | yes | yes |
/// | `on` | refused | yes | yes | yes |
/// | `chunk_size` | refused | refused | yes | yes |
/// | `window` | refused | refused | refused | yes |
/// | `env` | yes | refused | refused | refused |
///
/// # What belongs to a thread
///
/// On Linux, Landlock, `no_new_privs`, seccomp filters, namespaces, users, capabilities, niceness and scheduling policy belong
/// to a thread. What `spawn` starts is at least as confined as the thread that calls, whatever was called before and
/// whether or not the call waits for its turn or is tried again. A thread that differs in any of these from the one that made
/// the program's first call starts its processes itself, by a thread that lives as long as the call; that takes about a
/// millisecond rather than a fraction. Where it cannot, because a filter refuses it, the call fails with `Start`, which says
/// in what the thread differs and what was refused. So does a call that would run with rights which the program had
/// laid down at the call and has taken back since (`seteuid`).
///
/// Where exec would give a process capabilities or a user that its caller has given up, it runs with `no_new_privs`, and
/// cannot gain rights by `sudo` either.
///
/// `submit` and the maps use workers that are there: a [`Pool`] belongs to the thread that made it.
///
/// # Items
///
/// One parameter: the item is the argument. Several: the item is a tuple of them. None: the item is `()`. A single
/// borrowed parameter takes whatever borrows as it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn cube(x: u64) -> u64 { x * x * x }
///
/// #[parallel]
/// fn longest(words: &[String]) -> usize { words.iter().map(String::len).max().unwrap_or(0) }
///
/// # fn main() -> parallel::Result<()> {
/// assert_eq!(cube(3), 27);
/// assert_eq!(cube.spawn(3).join()?, 27);
/// assert_eq!(cube.timeout(Duration::from_secs(5)).retries(1).par_map(1..=3)?, [1, 8, 27]);
/// let texts = vec![vec!["one".to_string()], vec!["a".to_string(), "four".to_string()]];
/// assert_eq!(longest.par_map(&texts)?, [3, 4]);
/// # Ok(())
/// # }
/// ```
#[repr(transparent)]
pub struct Task<H: Callable>(Call<H::Pointer>);

/// A function and the options of the call to come: what a handle holds, whatever its type.
#[derive(Clone)]
pub struct Call<P> {
    pointer: P,
    options: Options,
}

impl<P> Call<P> {
    /// Used by the attribute.
    #[doc(hidden)]
    pub const fn new(pointer: P, defaults: Defaults) -> Self {
        Self { pointer, options: Options::new(defaults) }
    }
}

impl<P> fmt::Debug for Call<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("timeout", &self.options.timeout)
            .field("retries", &self.options.retries)
            .finish_non_exhaustive()
    }
}

impl<H: Callable> Task<H> {
    /// Used by the attribute: a handle's call, as a task.
    #[doc(hidden)]
    #[inline(always)]
    pub fn of(call: &Call<H::Pointer>) -> &Self {
        TransparentWrapper::wrap_ref(call)
    }

    /// Used by the attribute: what a handle holds.
    #[doc(hidden)]
    pub fn into_call(self) -> Call<H::Pointer> {
        self.0
    }

    /// Used by the attribute: a process for the call; `encode` appends `arguments`, and others that are borrowed.
    #[doc(hidden)]
    pub fn spawn_with<A>(
        &self,
        arguments: A,
        encode: impl FnOnce(&A, &mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let arguments = Given::new(arguments);
        let prepared = self
            .check(Manner::Spawn)
            .and_then(|()| entry::check())
            .and_then(|()| encode_arguments(|bytes| encode(&arguments, bytes)));
        if prepared.is_err() {
            // Not all arguments were encoded, so their depth is unknown.
            given::meet();
        }
        let flight = match prepared {
            Ok(arguments) => {
                let order = Request {
                    entry: H::entry(),
                    name: self.0.options.name.clone(),
                    timeout: self.0.options.timeout,
                    retries: self.0.options.retries,
                    environment: self.0.options.environment.clone(),
                };
                Spawned::spawn(order, arguments)
            }
            Err(error) => flight::failed(error.in_function(H::entry().name())),
        };
        JoinHandle::new(flight, H::entry().name(), self.0.options.name.clone(), decode_result::<H>)
    }

    /// Used by the attribute: a task for the pool.
    #[doc(hidden)]
    pub fn submit_with<A>(
        &self,
        arguments: A,
        encode: impl FnOnce(&A, &mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let arguments = Given::new(arguments);
        let prepared = self
            .check(Manner::Submit)
            .and_then(|()| Ok((self.engine()?, encode_arguments(|bytes| encode(&arguments, bytes))?)));
        if prepared.is_err() {
            // Not all arguments were encoded, so their depth is unknown.
            given::meet();
        }
        let flight = match prepared {
            Ok((engine, arguments)) => Submitted::submit(&engine, H::entry(), arguments, self.terms(false, false)),
            Err(error) => flight::failed(error.in_function(H::entry().name())),
        };
        JoinHandle::new(flight, H::entry().name(), self.0.options.name.clone(), decode_result::<H>)
    }

    /// Starts a process for this one call, with arguments that are given as their struct; nothing is cloned.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel(args)]
    /// fn norm(row: &[f64], p: f64) -> f64 {
    ///     row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
    /// }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let job = NormArgs { row: vec![3.0, 4.0], p: 2.0 };
    /// assert_eq!(norm.spawn_args(&job).join()?, 5.0);
    /// assert_eq!(norm.submit_args(&job).join()?, 5.0);
    /// assert_eq!(norm.par_map_args([job])?, [5.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn_args(&self, arguments: &H::Arguments) -> JoinHandle<H::Output>
    where
        H: NamedArguments,
    {
        self.spawn_with((), |(), bytes| H::encode_arguments(arguments, bytes))
    }

    /// Gives this one call to the pool, with arguments that are given as their struct; nothing is cloned.
    ///
    /// # Examples
    ///
    /// See [`spawn_args`](Self::spawn_args).
    pub fn submit_args(&self, arguments: &H::Arguments) -> JoinHandle<H::Output>
    where
        H: NamedArguments,
    {
        self.submit_with((), |(), bytes| H::encode_arguments(arguments, bytes))
    }

    /// Returns the plain function, for where a function is asked for by value.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn cube(x: u64) -> u64 { x * x * x }
    ///
    /// assert_eq!((1..=3).map(cube.as_fn()).sum::<u64>(), 36);
    /// ```
    pub fn as_fn(&self) -> H::Pointer {
        self.0.pointer
    }

    /// Refuses options that make no sense, and a function that workers could not find.
    fn check(&self, manner: Manner) -> Result<()> {
        self.0.options.check(manner)?;
        entry::check_function(H::entry())
    }

    fn engine(&self) -> Result<Arc<dyn Engine>> {
        match &self.0.options.engine {
            Some(engine) => Ok(Arc::clone(engine)),
            None => match inline::within() {
                // A call inside of a call.
                Some(engine) => Ok(engine),
                None => Ok(Pool::global()?.engine()),
            },
        }
    }

    fn terms(&self, discard: bool, indexed: bool) -> Arc<Terms> {
        static USUAL: LazyLock<Arc<Terms>> = LazyLock::new(Arc::default);
        let terms = Terms {
            timeout: self.0.options.timeout,
            retries: self.0.options.retries,
            name: self.0.options.name.clone(),
            discard,
            indexed,
            fixed: self.0.options.items_per_chunk().is_some(),
            fallible: false,
        };
        // Those of a call without options need no memory of their own.
        if terms == **USUAL { Arc::clone(&USUAL) } else { Arc::new(terms) }
    }

    pub(crate) fn plan(&self, discard: bool) -> Result<MapPlan> {
        self.plan_of(Manner::Map, discard)
    }

    fn plan_of(&self, manner: Manner, discard: bool) -> Result<MapPlan> {
        let plan = || -> Result<MapPlan> {
            self.check(manner)?;
            Ok(MapPlan {
                engine: self.engine()?,
                terms: self.terms(discard, true),
                merge: None,
                chunk_size: self.0.options.items_per_chunk(),
                window: None,
            })
        };
        plan().map_err(|error| {
            // The items are not encoded, so their depth is unknown.
            given::meet();
            error.in_function(H::entry().name())
        })
    }

    fn lazy_plan(&self) -> Result<MapPlan> {
        let plan = self.plan_of(Manner::LazyMap, false)?;
        let window = self.0.options.window.unwrap_or(tuning::WINDOW_PER_WORKER * plan.engine.shape().workers);
        // A chunk that is larger than the window could never be sent.
        let chunk_size = plan.chunk_size.map(|size| size.min(window));
        Ok(MapPlan { window: Some(window), chunk_size, ..plan })
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

    /// Runs the function on the items as its outcomes are asked for, in order. At most a window of items, by default
    /// 256 for each worker, is taken from `items` ahead of that; endless iterators are fine.
    ///
    /// Dropping it drops what has not started.
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
        ParIMap(Lazy::new(self.lazy_plan(), items.into_iter(), Reorder::new()))
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
    pub fn par_imap_unordered<I>(&self, items: I) -> ParIMapUnordered<I::IntoIter, H>
    where
        I: IntoIterator,
        H: Accepts<I::Item>,
    {
        ParIMapUnordered(Lazy::new(self.lazy_plan(), items.into_iter(), AsTheyCome::default()))
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
        ParIMap(Lazy::new(self.lazy_plan(), items.into_iter(), Reorder::new()))
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
        ParIMapUnordered(Lazy::new(self.lazy_plan(), items.into_iter(), AsTheyCome::default()))
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

fn encode_arguments(encode: impl FnOnce(&mut Arguments) -> std::result::Result<(), CodecError>) -> Result<Payload> {
    let mut arguments = Arguments::default();
    encode(&mut arguments).map_err(|error| Error::new(ErrorKind::Encode(error)))?;
    let payload = arguments.into_payload();
    #[cfg(test)]
    ENCODED.set(payload.bytes.clone());
    Ok(payload)
}

#[cfg(test)]
thread_local! {
    /// The bytes of the latest call that this thread made.
    pub(crate) static ENCODED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl<H: Function> Task<H> {
    fn with(&self, change: impl FnOnce(&mut Options)) -> H {
        let mut task = self.clone();
        change(&mut task.0.options);
        H::from(task)
    }

    /// Limits how long a call may run, counted from the moment it starts to run; at the end its process is killed, and
    /// the call, or the item of a map, fails with `TimedOut`. By default there is no limit. A limit of zero is refused
    /// with `InvalidInput`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// let error = hang.timeout(Duration::from_millis(50)).spawn().join().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::TimedOut { .. }));
    /// ```
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn timeout(&self, timeout: Duration) -> H {
        self.with(|options| options.timeout = Some(timeout))
    }

    /// Tries a call, or an item, again up to so many times after `Signaled`, `Exited`, `TimedOut` or `Start`; never
    /// after a panic or the function's own `Err`. By default 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn leave() { std::process::exit(1) }
    ///
    /// assert_eq!(leave.retries(2).spawn().join().unwrap_err().attempts(), 3);
    /// ```
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn retries(&self, retries: u32) -> H {
        self.with(|options| options.retries = retries)
    }

    /// Names the call, for [`JoinHandle::name`] and [`current`](crate::current); by default it has the function's name.
    ///
    /// # Examples
    ///
    /// See [`JoinHandle::name`].
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn name(&self, name: impl Into<Cow<'static, str>>) -> H {
        let name = name.into();
        self.with(|options| options.name = Some(name))
    }

    /// Sets how many items of a map are handed to a worker at a time; by default the pool chooses, from how long they
    /// take. 0 is refused by the call; so is any for a single call, by `spawn` or `submit`.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn cube(x: u64) -> u64 { x * x * x }
    ///
    /// assert_eq!(cube.chunk_size(2).par_map(0..5).unwrap(), [0, 1, 8, 27, 64]);
    /// assert!(matches!(cube.chunk_size(0).par_map(0..5).unwrap_err().kind(), ErrorKind::InvalidInput(_)));
    /// ```
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn chunk_size(&self, chunk_size: usize) -> H {
        self.with(|options| options.chunk_size = Some(chunk_size))
    }

    /// Sets how many items a lazy map takes from its input ahead of what was asked for; by default 256 for each worker.
    /// 0 is refused by the call; so is any by a call that is no lazy map.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn cube(x: u64) -> u64 { x * x * x }
    ///
    /// let taken = Cell::new(0);
    /// let mut cubes = cube.window(3).par_imap((0..).inspect(|_| taken.set(taken.get() + 1)));
    /// assert_eq!(cubes.next().unwrap().unwrap(), 0);
    /// assert!(taken.get() <= 3);
    /// ```
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn window(&self, window: usize) -> H {
        self.with(|options| options.window = Some(window))
    }

    /// Uses this pool rather than the global one; `spawn`, which uses none, refuses it. The pool's workers live as long as `pool`:
    /// once it has ended, calls give `Closed` or `Terminated`.
    ///
    /// # Examples
    ///
    /// See [`Pool`].
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn on<T: Target + ?Sized>(&self, pool: &T) -> H {
        let engine = pool.engine().0;
        self.with(|options| options.engine = Some(engine))
    }

    /// Adds a variable to the environment of the process to be spawned, or puts it in place of the one there is. Only
    /// for `spawn`: other calls refuse it with `InvalidInput`.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn variable(name: &str) -> Option<String> { std::env::var(name).ok() }
    ///
    /// let handle = variable.env("COLOR", "blue").spawn("COLOR");
    /// assert_eq!(handle.join().unwrap().as_deref(), Some("blue"));
    /// ```
    #[must_use = "an option is for the call that is chained behind it"]
    pub fn env(&self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> H {
        let variable = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.with(|options| options.environment.push(variable))
    }
}

impl<H: Callable> Clone for Task<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Callable> fmt::Debug for Task<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("function", &H::entry().name())
            .field("timeout", &self.0.options.timeout)
            .field("retries", &self.0.options.retries)
            .finish_non_exhaustive()
    }
}

impl<H: Callable> Deref for Task<H> {
    type Target = H::Pointer;

    #[inline(always)]
    fn deref(&self) -> &H::Pointer {
        &self.0.pointer
    }
}

/// A lazy, ordered map; see [`Task::par_imap`].
///
/// # Examples
///
/// See [`Task::par_imap`].
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct ParIMap<I: Iterator, H: Callable>(Lazy<I, H, Reorder>);

impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMap<I, H> {
    type Item = Result<H::Output>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(_, outcome)| outcome)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item>> FusedIterator for ParIMap<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for ParIMap<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParIMap").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}

/// A lazy map that gives outcomes as they come in; see [`Task::par_imap_unordered`].
///
/// # Examples
///
/// See [`Task::par_imap_unordered`].
#[must_use = "a lazy map runs as its outcomes are asked for"]
pub struct ParIMapUnordered<I: Iterator, H: Callable>(Lazy<I, H, AsTheyCome>);

impl<I: Iterator, H: Accepts<I::Item>> Iterator for ParIMapUnordered<I, H> {
    type Item = (usize, Result<H::Output>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I: Iterator, H: Accepts<I::Item>> FusedIterator for ParIMapUnordered<I, H> {}

impl<I: Iterator, H: Callable> fmt::Debug for ParIMapUnordered<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParIMapUnordered").field("function", &H::entry().name()).finish_non_exhaustive()
    }
}

// SAFETY: `Task` is `repr(transparent)` over that one field, and neither has an invariant that the other lacks.
unsafe impl<H: Callable> TransparentWrapper<Call<H::Pointer>> for Task<H> {}
