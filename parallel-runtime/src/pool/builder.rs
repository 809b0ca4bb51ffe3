//! How a pool is made.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::time::Duration;

use super::Pool;
use super::core::{Initializer, Settings};
use crate::current;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};
use crate::run::callable::AcceptsTuple;
use crate::wire::arguments::Arguments;
use crate::wire::given::{self, Given};
use crate::wire::outcome::decode_result;
use crate::worker::entry;

/// Makes a [`Pool`]; see [`Pool::builder`].
///
/// The workers are at least as confined as the thread that calls [`build`](Self::build), whichever thread called the rest.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn variable(name: &str) -> Option<String> { std::env::var(name).ok() }
///
/// # fn main() -> parallel::Result<()> {
/// let pool = Pool::builder().workers(2).env("OMP_NUM_THREADS", "1").build()?;
/// assert_eq!(variable.on(&pool).submit("OMP_NUM_THREADS").join()?.as_deref(), Some("1"));
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until `build()`"]
pub struct PoolBuilder {
    workers: Option<usize>,
    tasks_per_worker: Option<usize>,
    environment: Vec<(OsString, OsString)>,
    initializer: Option<Result<Initializer>>,
    start_timeout: Option<Duration>,
}

/// What an initializer may return: `()`, or `Result<(), E>` with any `E: Display`.
#[diagnostic::on_unimplemented(
    message = "an initializer returns `()` or `Result<(), E>` with an `E` that implements `Display`, not `{Self}`",
    label = "its result would be lost"
)]
pub trait InitializerOutput {
    /// What went wrong, in words.
    ///
    /// # Errors
    ///
    /// The text of an `Err`.
    fn outcome(self) -> std::result::Result<(), String>;
}

impl InitializerOutput for () {
    fn outcome(self) -> std::result::Result<(), String> {
        Ok(())
    }
}

impl<E: Display> InitializerOutput for std::result::Result<(), E> {
    fn outcome(self) -> std::result::Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

impl PoolBuilder {
    /// Sets the number of worker processes; by default `PARALLEL_WORKERS`, else
    /// [`available_parallelism`](std::thread::available_parallelism).
    ///
    /// In a worker the default is that, divided by the number of workers beside it: by the product of the sizes of all pools
    /// that it is in, one inside the other. It is at least one. So calls in calls do not multiply processes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// assert_eq!(parallel::Pool::builder().workers(3).build()?.workers(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Replaces each worker after it has run so many tasks, so that what they leak ends with it; by default never. A
    /// call counts as one task; so does each item of a map.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn pid() -> u32 { std::process::id() }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::builder().workers(1).tasks_per_worker(1).build()?;
    /// assert_ne!(pid.on(&pool).submit().join()?, pid.on(&pool).submit().join()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks_per_worker(mut self, tasks: usize) -> Self {
        self.tasks_per_worker = Some(tasks);
        self
    }

    /// Adds a variable to the workers' environment, or puts it in place of the one there is. Names must not be empty
    /// nor hold `=`; `build()` says so.
    ///
    /// # Examples
    ///
    /// See [`PoolBuilder`].
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs a `#[parallel]` function once in each worker before its first task; `arguments` is the tuple of its
    /// arguments, in the forms that `spawn` takes: `("model.bin",)` for `fn(&str)`, `()` for none.
    ///
    /// It returns `()`, or `Result<(), E>` with any `E: Display`. A panic or an `Err` in it is [`ErrorKind::Start`] with its message, from `build()`, or, for a worker that
    /// replaces another, from the calls that wait for one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::OnceLock;
    /// use parallel::prelude::*;
    ///
    /// static MODEL: OnceLock<String> = OnceLock::new();
    ///
    /// #[parallel]
    /// fn load(path: &str, version: u32) { MODEL.set(format!("{path} v{version}")).unwrap() }
    ///
    /// #[parallel]
    /// fn model() -> String { MODEL.get().unwrap().clone() }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::builder().workers(1).initializer(&load, ("model.bin", 2)).build()?;
    /// assert_eq!(model.on(&pool).submit().join()?, "model.bin v2");
    /// # Ok(())
    /// # }
    /// ```
    pub fn initializer<F, A>(mut self, function: &F, arguments: A) -> Self
    where
        F: AcceptsTuple<A>,
        F::Output: InitializerOutput,
    {
        let _ = function;
        let arguments = Given::new(arguments);
        let mut bytes = Arguments::default();
        self.initializer = Some(match <F as AcceptsTuple<A>>::encode(&arguments, &mut bytes) {
            Ok(()) => Ok(Initializer {
                entry: F::entry(),
                arguments: bytes.into_payload(),
                check: |value| {
                    let met = given::met();
                    let output: F::Output =
                        decode_result::<F>(&value.bytes, &value.handles).map_err(|error| error.to_string())?;
                    given::run(given::met() != met, || output.outcome())
                },
            }),
            Err(error) => Err(Error::new(ErrorKind::Encode(error)).in_function(F::entry().name())),
        });
        self
    }

    /// Sets how long a worker may take from its start until its initializer is done; by default `PARALLEL_START_TIMEOUT` in
    /// seconds, else 30 s. One that takes longer is killed, and counts as one that could not be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn load() { std::thread::sleep(Duration::from_secs(60)) }
    ///
    /// let soon = Duration::from_millis(200);
    /// let error = Pool::builder().workers(1).initializer(&load, ()).start_timeout(soon).build().unwrap_err();
    /// assert!(error.to_string().contains("200ms passed before its initializer `load` was done"), "{error}");
    /// ```
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// Makes a pool that runs its calls in this process, as [`Pool::inline`]; runs the initializer here, once. Options about
    /// workers have no effect.
    ///
    /// # Errors
    ///
    /// `Encode` when the initializer's arguments cannot be sent, `Start` when it fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn cube(x: u64) -> u64 { x * x * x }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::builder().tasks_per_worker(1).inline()?;
    /// assert_eq!(cube.on(&pool).par_map(0..3)?, [0, 1, 8]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn inline(self) -> Result<Pool> {
        Pool::start_inline(self.initializer.transpose()?.as_ref())
    }

    /// Starts the workers; where `PARALLEL_WORKERS` is 0 and no number was set, makes a pool as [`inline`](Self::inline) does.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no workers, no tasks per worker, no time to start, an unusable `PARALLEL_WORKERS` or environment variable;
    /// `Encode` when the initializer's arguments cannot be sent; `Start` when a worker cannot be started, as from a thread
    /// with a seccomp filter that refuses that, or its initializer fails; `NotParallel` where the program cannot start itself again.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// let error = Pool::builder().tasks_per_worker(0).build().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)));
    /// ```
    pub fn build(self) -> Result<Pool> {
        let workers = match self.workers {
            Some(0) => {
                let text = "a pool needs at least one worker: `workers(0)`; `Pool::inline()` has none";
                return Err(Error::invalid(text));
            }
            Some(workers) => workers,
            None => environment::workers(current::share()).map_err(Error::invalid)?,
        };
        let most = environment::most_workers();
        if workers > most {
            return Err(Error::invalid(format!(
                "{workers} workers need more descriptors than this process may have, which allow {most}; ask for fewer, or raise \
                 the limit (`ulimit -n`)"
            )));
        }
        if self.tasks_per_worker == Some(0) {
            return Err(Error::invalid("a worker must run at least one task: `tasks_per_worker(0)`"));
        }
        if self.start_timeout == Some(Duration::ZERO) {
            return Err(Error::invalid("a worker needs some time to start: `start_timeout(Duration::ZERO)`"));
        }
        let initializer = self.initializer.transpose()?;
        if let Some(initializer) = &initializer {
            entry::check_function(initializer.entry)?;
        }
        if workers == 0 {
            return Pool::start_inline(initializer.as_ref());
        }
        Pool::start(Settings {
            workers,
            tasks_per_worker: self.tasks_per_worker,
            environment: self.environment,
            initializer,
            start_timeout: self.start_timeout.unwrap_or_else(environment::start_timeout),
        })
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("workers", &self.workers)
            .field("tasks_per_worker", &self.tasks_per_worker)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
