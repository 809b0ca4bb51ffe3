//! Pools: worker processes that are kept, and the maps and calls that run on them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use crate::ending;
use crate::engine::Engine;
use crate::engine::flight::error_of;
use crate::engine::inline::Inline;
use crate::engine::target::sealed;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::bell::Bell;
use crate::poison::lock;
use crate::process::reactor;
use crate::sys::program;
use crate::worker::entry;

pub(crate) mod builder;
mod core;
pub(crate) mod driver;
mod engine;
mod entered;
mod give;
mod line;
mod load;
mod owner;
mod start;
pub(crate) mod state;
pub(crate) mod stats;
mod take_in;
#[cfg(test)]
mod tests;

use self::builder::PoolBuilder;
use self::core::{Initializer, Settings};
use self::driver::Driver;
use self::state::PoolPhase;
use self::stats::PoolStats;

/// Keeps worker processes ready, and gives them tasks.
///
/// Any number of threads may use a pool at a time.
///
/// Dropping it ends it: pending calls give `Terminated` at once, workers that are busy are killed, and idle ones end as programs
/// do, with their `atexit` handlers, within a second; then they are killed too. [`join`](Self::join) lets the pool finish
/// first, [`terminate`](Self::terminate) kills all of its workers. A pool that is still there when the program ends, as the
/// [global](Self::global) one is, ends like a dropped one.
///
/// Where the program becomes another user's, as with `setuid`, workers that were started before run no further task: what they
/// are at they finish, and new workers of the program's present user take their places.
///
/// A pool belongs to the thread that made it. Its workers, and those that replace them later, are at least as confined as that
/// thread was: by Landlock, seccomp filters, `no_new_privs`, namespaces, users and capabilities, with its niceness, scheduling
/// policy and cores. They are not confined as the threads that *use* the pool: what a confined thread is not to do itself it
/// can have done by a pool that another thread has made. Give such a thread a pool of its own, made after it was confined.
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
/// let pool = Pool::with_workers(2)?;
/// assert_eq!(cube.on(&pool).par_map(0..4)?, [0, 1, 8, 27]);
/// pool.join()?;
/// # Ok(())
/// # }
/// ```
pub struct Pool {
    backend: Backend,
}

/// Where a pool's calls run.
enum Backend {
    /// In worker processes.
    Workers(Arc<Driver>),
    /// In this process.
    Inline(Arc<Inline>),
}

impl Pool {
    /// Starts a pool with the default number of workers: `PARALLEL_WORKERS`, else
    /// [`available_parallelism`](std::thread::available_parallelism).
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// let pool = parallel::Pool::new()?;
    /// assert!(pool.workers() >= 1);
    /// # Ok(())
    /// # }
    /// ```
    // The compiler shows this line, with its comment, where a number is given.
    #[rustfmt::skip]
    pub fn new() -> Result<Self> { // takes no number: write `Pool::with_workers(4)`
        Self::builder().build()
    }

    /// Makes a pool without workers: its calls run in this process, on the thread that makes them, one after the other. It is for
    /// debuggers, profilers, coverage, and tests that want no processes.
    ///
    /// Arguments and values are encoded and decoded as always, and a panic is `Panicked`. [`submit`](crate::Task) runs the call before
    /// it returns; a call inside of a call runs here, too. What crashes or exits does so to the program; a task cannot be killed,
    /// and one that took longer than its `timeout` gives `TimedOut` once it has ended. Options that are about workers have no effect.
    ///
    /// `PARALLEL_WORKERS=0` makes [`global`](Self::global) and [`new`](Self::new) such pools, without a change of the code.
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
    /// let pool = Pool::inline();
    /// assert_eq!(pool.workers(), 0);
    /// assert_eq!(pid.on(&pool).submit().join()?, std::process::id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn inline() -> Self {
        Self { backend: Backend::Inline(Inline::new()) }
    }

    /// Starts a pool with `workers` workers.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    ///
    /// # Examples
    ///
    /// See [`Pool`].
    pub fn with_workers(workers: usize) -> Result<Self> {
        Self::builder().workers(workers).build()
    }

    /// Makes a pool with more to say about it; see [`PoolBuilder`].
    ///
    /// # Examples
    ///
    /// See [`PoolBuilder`].
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// Returns the pool that calls use when no `.on(&pool)` says otherwise, started on first use. It ends with the program, as
    /// a dropped one does.
    ///
    /// It belongs to the thread that uses it first, as any pool to the thread that made it (see [`Pool`]): where that thread is
    /// confined, so are its workers, for all others too. To choose the thread, call this on it early.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`]; the next use tries again.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// let pids = parallel::Pool::global()?.pids();
    /// assert_eq!(pids, parallel::Pool::global()?.pids());
    /// # Ok(())
    /// # }
    /// ```
    pub fn global() -> Result<&'static Self> {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(pool) = GLOBAL.get() {
            return Ok(pool);
        }
        let _starting = lock(&STARTING);
        if let Some(pool) = GLOBAL.get() {
            return Ok(pool);
        }
        let pool = Self::new()?;
        Ok(GLOBAL.get_or_init(|| pool))
    }

    /// Returns how many workers the pool keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// assert_eq!(parallel::Pool::with_workers(2)?.workers(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(&self) -> usize {
        match &self.backend {
            Backend::Workers(driver) => driver.settings.workers,
            Backend::Inline(_) => 0,
        }
    }

    /// Returns the workers' process numbers, in the order of their indices.
    ///
    /// While a worker is being replaced, waits for that, a few milliseconds; one that cannot be started is missing.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> parallel::Result<()> {
    /// assert_eq!(parallel::Pool::with_workers(2)?.pids().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pids(&self) -> Vec<u32> {
        let Backend::Workers(driver) = &self.backend else { return Vec::new() };
        let all = driver.wait_until(None, |core| {
            let is_settled = core.lines.iter().all(Option::is_some)
                || core.state.starts.latest().is_some()
                || core.state.phase != PoolPhase::Open;
            is_settled.then(|| core.lines.iter().flatten().map(|line| line.child.pid()).collect())
        });
        all.unwrap_or_default()
    }

    /// Tells what the pool has done so far.
    ///
    /// # Examples
    ///
    /// See [`PoolStats`].
    pub fn stats(&self) -> PoolStats {
        match &self.backend {
            Backend::Workers(driver) => driver.stats(),
            Backend::Inline(inline) => {
                let counts = inline.counts();
                PoolStats {
                    tasks_done: counts.values,
                    tasks_failed: counts.failures,
                    tasks_retried: counts.retries,
                    running: counts.running,
                    busy: counts.busy,
                    ..PoolStats::default()
                }
            }
        }
    }

    /// Finishes what is queued, then stops the workers and waits for their end. Calls made meanwhile give `Closed`.
    ///
    /// A worker that takes longer than 10 s for its `atexit` handlers is killed.
    ///
    /// # Errors
    ///
    /// `Terminated` when the pool was terminated meanwhile.
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
    /// let pool = Pool::with_workers(1)?;
    /// let later = cube.on(&pool);
    /// let handle = later.submit(3);
    /// pool.join()?;
    /// assert_eq!(handle.join()?, 27);
    /// assert!(matches!(later.submit(4).join().unwrap_err().kind(), ErrorKind::Closed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(self) -> Result<()> {
        match &self.backend {
            Backend::Workers(driver) => driver.finish(),
            Backend::Inline(inline) => {
                inline.close();
                Ok(())
            }
        }
    }

    /// Ends the pool at once: all workers are killed, idle ones too, and pending calls give `Terminated`.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::with_workers(1)?;
    /// let handle = hang.on(&pool).submit();
    /// pool.terminate();
    /// assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Terminated));
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(self) {
        match &self.backend {
            Backend::Workers(driver) => driver.end(None),
            Backend::Inline(inline) => inline.terminate(),
        }
    }

    pub(crate) fn start(settings: Settings) -> Result<Self> {
        entry::check()?;
        ending::check()?;
        program::environment(&settings.environment).map_err(|error| Error::invalid(error.to_string()))?;
        let failed = |error| Error::new(ErrorKind::Start(error));
        let (reactor, caller) = reactor::get_for_call().map_err(failed)?;
        let driver = Driver::new(settings, caller, Bell::create().map_err(failed)?, reactor);
        // From here on an early return ends what has started.
        let pool = Self { backend: Backend::Workers(Arc::clone(&driver)) };
        driver.populate()?;
        Ok(pool)
    }

    /// A pool that runs its calls in this process; runs the initializer.
    fn start_inline(initializer: Option<&Initializer>) -> Result<Self> {
        // Also where the program could not start itself again: nothing is started.
        ending::check()?;
        let inline = Inline::new();
        let pool = Self { backend: Backend::Inline(Arc::clone(&inline)) };
        if let Some(Initializer { entry, arguments, check }) = initializer {
            let failed = |text: String| Error::new(ErrorKind::Start(std::io::Error::other(text)));
            let name = entry.name();
            let value = inline.call(entry, arguments);
            let value =
                value.map_err(|failure| failed(format!("its initializer `{name}`: {}", error_of(failure).kind())))?;
            check(&value).map_err(|text| failed(format!("its initializer `{name}` failed: {text}")))?;
        }
        Ok(pool)
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        match &self.backend {
            Backend::Workers(driver) => Arc::clone(driver) as Arc<dyn Engine>,
            Backend::Inline(inline) => Arc::clone(inline) as Arc<dyn Engine>,
        }
    }

    #[cfg(test)]
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        match &self.backend {
            Backend::Workers(driver) => driver,
            Backend::Inline(_) => panic!("it has no workers"),
        }
    }
}

impl sealed::Target for Pool {
    fn engine(&self) -> sealed::EngineRef {
        sealed::EngineRef(Self::engine(self))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        match &self.backend {
            Backend::Workers(driver) => driver.end(Some(ending::grace())),
            Backend::Inline(inline) => inline.terminate(),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("workers", &self.workers()).finish_non_exhaustive()
    }
}
