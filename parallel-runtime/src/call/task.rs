//! The handle a `#[parallel]` function becomes: [`Task`], with the options in front of a call and the calls themselves; its maps are
//! in [`map`](super::map).
//!
//! Longer than 400 lines: much of it is documentation.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytemuck::TransparentWrapper;

use super::handle::JoinHandle;
use super::options::{Defaults, Manner, Options};
use super::spawned::{Request, Spawned};
use super::submitted::Submitted;
use crate::engine::batch::Terms;
use crate::engine::flight::{self, Flight};
use crate::engine::target::Target;
use crate::engine::{Engine, inline};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Pool;
use crate::run::callable::{Callable, NamedArguments};
use crate::run::registry::Entry;
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
        encode: impl Fn(&A, &mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let arguments = Given::new(arguments);
        let flight = self.0.options.spawn(H::entry(), &|bytes| encode(&arguments, bytes));
        JoinHandle::new(flight, H::entry().name(), self.0.options.name.clone(), decode_result::<H>)
    }

    /// Used by the attribute: a task for the pool.
    #[doc(hidden)]
    pub fn submit_with<A>(
        &self,
        arguments: A,
        encode: impl Fn(&A, &mut Arguments) -> std::result::Result<(), CodecError>,
    ) -> JoinHandle<H::Output> {
        let arguments = Given::new(arguments);
        let flight = self.0.options.submit(H::entry(), &|bytes| encode(&arguments, bytes));
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

    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }
}

/// Appends the arguments of a call.
type Encode<'e> = &'e dyn Fn(&mut Arguments) -> std::result::Result<(), CodecError>;

/// How calls are made, whatever their function.
impl Options {
    fn spawn(&self, entry: &'static Entry, encode: Encode<'_>) -> Arc<dyn Flight> {
        let arguments =
            self.check(Manner::Spawn, entry).and_then(|()| entry::check()).and_then(|()| encode_arguments(encode));
        match arguments {
            Ok(arguments) => {
                let request = Request {
                    entry,
                    name: self.name.clone(),
                    timeout: self.timeout,
                    retries: self.retries,
                    environment: self.environment.clone(),
                };
                Spawned::spawn(request, arguments)
            }
            Err(error) => not_made(error, entry),
        }
    }

    fn submit(&self, entry: &'static Entry, encode: Encode<'_>) -> Arc<dyn Flight> {
        let prepared = self.check(Manner::Submit, entry).and_then(|()| Ok((self.engine()?, encode_arguments(encode)?)));
        match prepared {
            Ok((engine, arguments)) => Submitted::submit(&engine, entry, arguments, self.terms(false, false)),
            Err(error) => not_made(error, entry),
        }
    }

    /// Refuses options that make no sense, and a function that workers could not find.
    pub(super) fn check(&self, manner: Manner, entry: &'static Entry) -> Result<()> {
        self.check_for(manner)?;
        entry::check_function(entry)
    }

    pub(super) fn engine(&self) -> Result<Arc<dyn Engine>> {
        match &self.engine {
            Some(engine) => Ok(Arc::clone(engine)),
            None => match inline::within() {
                // A call inside of a call.
                Some(engine) => Ok(engine),
                None => Ok(Pool::global()?.engine()),
            },
        }
    }

    pub(super) fn terms(&self, discard: bool, indexed: bool) -> Arc<Terms> {
        static USUAL: LazyLock<Arc<Terms>> = LazyLock::new(Arc::default);
        let terms = Terms {
            timeout: self.timeout,
            retries: self.retries,
            name: self.name.clone(),
            discard,
            indexed,
            fixed: self.items_per_chunk().is_some(),
            fallible: false,
        };
        // Those of a call without options need no memory of their own.
        if terms == **USUAL { Arc::clone(&USUAL) } else { Arc::new(terms) }
    }
}

/// A call that came to nothing.
fn not_made(error: Error, entry: &'static Entry) -> Arc<dyn Flight> {
    // Not all arguments were encoded, so their depth is unknown.
    given::meet();
    flight::failed(error.in_function(entry.name()))
}

fn encode_arguments(encode: Encode<'_>) -> Result<Payload> {
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

    /// Sets how many items a lazy map takes from its input ahead of what was asked for, exactly; 0 is refused by the call, and so
    /// is any by a call that is no lazy map.
    ///
    /// Without it, that follows the items: 256 for each worker; more of short items, up to 100 ms of work, that of all workers
    /// together; fewer where arguments and results under way and results that wait come to 64 MiB, but two for each worker in any
    /// case. How large a result is, is learned from those that have come back; those that were under way before may be larger.
    ///
    /// `window(1)` makes a map wait for each outcome before it takes the next item: see "Inputs that wait" at
    /// [`par_imap`](Task::par_imap).
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

// SAFETY: `Task` is `repr(transparent)` over that one field, and neither has an invariant that the other lacks.
unsafe impl<H: Callable> TransparentWrapper<Call<H::Pointer>> for Task<H> {}
