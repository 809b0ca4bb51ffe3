//! One attribute turns an ordinary function into one that runs in other processes.
//!
//! ```
//! use parallel::prelude::*;
//!
//! #[parallel]
//! fn cube(x: u64) -> u64 {
//!     x * x * x
//! }
//!
//! fn main() -> parallel::Result<()> {
//!     assert_eq!(cube(3), 27); // still an ordinary call, in this process
//!     assert_eq!(cube.spawn(3).join()?, 27); // a process of its own
//!     let cubes: Vec<u64> = cube.par_map(0..1_000)?; // a pool, one worker process per core
//!     assert_eq!(cubes[10], 1_000);
//!     Ok(())
//! }
//! ```
//!
//! Use threads where they serve: they are cheaper. Use processes where a call may crash, hang or leak without harm to
//! the rest, where it must be stopped from outside, or where a library allows only one user per process.
//!
//! This page is an overview. The [guide] has all tables: what can travel, what the compiler says to usual mistakes, what is good
//! to know, and where the words of Python's `multiprocessing` are here.
//!
//! # Calls
//!
//! The attribute leaves the function callable as it is, and adds ways to call it elsewhere:
//!
//! | written | what happens | returns |
//! |---|---|---|
//! | `cube(3)`, `iter.map(cube.as_fn())` | runs here | `u64` |
//! | `cube.spawn(3)` | starts a process for this one call | [`JoinHandle<u64>`](JoinHandle) |
//! | `cube.submit(3)` | a task for the pool | [`JoinHandle<u64>`](JoinHandle) |
//! | `cube.par_map(items)` | ordered; the first failure cancels the rest | `Result<Vec<u64>>` |
//! | `cube.par_map_results(items)` | ordered; every item has its own outcome | `Vec<Result<u64>>` |
//! | `cube.par_imap(items)` | lazy, ordered, with a bounded window of items under way | an iterator of `Result<u64>` |
//! | `cube.par_imap_unordered(items)` | lazy, as they finish | an iterator of `(usize, Result<u64>)` |
//! | `cube.par_for_each(items)` | results dropped in the worker | `Result<()>` |
//! | `read.try_par_map(items)` and the others | for functions that return a `Result`: one error for both layers, [`Failure`] | `Result<Vec<T>, Failure>` |
//! | `cube.par_map_reduce(items, &merge)` | results merged in the workers, by another `#[parallel]` function | `Result<Option<u64>>` |
//!
//! A function of one parameter maps over arguments, one of several over tuples of them, one of none over `()`. The
//! function's own `Err` is a value like any other: a map does not stop at it.
//!
//! `#[parallel(args)]` names the struct of the arguments: calls as data, kept in a file or built by the parameters' names, run by
//! `spawn_args`, `submit_args`, `par_map_args` and their kin.
//!
//! Parameters may be owned or borrowed, `&T`, `&str`, `&[T]`, and are given as in an ordinary call; they and the result
//! need serde's `Serialize` and `Deserialize`.
//!
//! # Options
//!
//! Options come before the call, return the same kind of handle, and leave the function itself unchanged; the attribute
//! takes some of them as defaults:
//!
//! ```
//! use std::time::Duration;
//! use parallel::prelude::*;
//!
//! #[parallel(timeout = "30s", retries = 2)]
//! fn norm(row: &[f64], p: f64) -> f64 {
//!     row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
//! }
//!
//! fn main() -> parallel::Result<()> {
//!     let norm_in_time = norm.timeout(Duration::from_secs(5));
//!     assert_eq!(norm_in_time.spawn(&[3.0, 4.0], 2.0).join()?, 5.0);
//!     Ok(())
//! }
//! ```
//!
//! | option | |
//! |---|---|
//! | `timeout(duration)` | counted from the moment the call starts to run; at its end the process is killed |
//! | `retries(n)` | tries again after a crash, an exit, a timeout, a failed start; never after a panic or an `Err` |
//! | `on(&pool)` | this pool in place of the global one |
//! | `chunk_size(n)` | items per task of a map; chosen by the pool when left out |
//! | `window(n)` | items that a lazy map takes ahead of what was asked for |
//! | `name(text)` | what the call is called |
//! | `env(key, value)` | an environment variable of a spawned process |
//!
//! # Pools
//!
//! Calls that name no pool share [`Pool::global`], which starts on first use with one worker per core, or as many as
//! the environment variable `PARALLEL_WORKERS` says; with 0, as in [`Pool::inline`], calls run in the program itself. [`Pool::builder`] makes others: with another size, with workers
//! that are replaced after some tasks, with a function that runs once in each worker.
//!
//! # How processes start
//!
//! The first ones by executing the program once more. After some starts a *zygote* is ready, which `ps` shows under this
//! name: the program once more with a single thread, from which later processes are forked in a third of the time; beside it
//! waits a copy of it for the next call, under the same name. They
//! are the same otherwise. What the zygote could not hand on as it is now (an environment, folder, umask, limit or right
//! that has changed since it was started) is still executed, and so is everything while there is no zygote: killing it
//! harms no call. A constructor of a library that starts a thread or opens a descriptor rules it out; handlers of
//! `pthread_atfork` are not run. `PARALLEL_ZYGOTE=0` does without one, and [`PoolStats`] tells which way workers came.
//!
//! # State that workers share
//!
//! Handles to shared memory can be arguments, results and queue messages of `#[parallel]` calls; a clone, and what
//! arrives, is the same data. [`shared`] has data: a [`Value`](shared::Value), an [`Array`](shared::Array), and
//! [`Frozen`](shared::Frozen) data that every process reads in place. [`sync`] has locks and signals, [`channel`] has
//! queues and channels. A lock whose holder died says so to the next one.
//!
//! ```
//! use parallel::prelude::*;
//!
//! #[parallel]
//! fn add(numbers: Queue<u64>, total: Value<u64>) {
//!     for number in &numbers {
//!         total.update(|total| *total += number).unwrap();
//!     }
//! }
//!
//! fn main() -> parallel::Result<()> {
//!     let (numbers, total) = (Queue::bounded(8)?, Value::new(0)?);
//!     let calls: Vec<_> = (0..2).map(|_| add.spawn(numbers.clone(), total.clone())).collect();
//!     for number in 1..=20 {
//!         numbers.send(number)?; // waits while eight are waiting
//!     }
//!     numbers.close(); // what was sent still arrives
//!     calls.into_iter().try_for_each(JoinHandle::join)?;
//!     assert_eq!(total.get()?, 210);
//!     Ok(())
//! }
//! ```
//!
//! # Errors
//!
//! A call that gives no value gives an [`Error`]: its [`kind`](Error::kind) tells a panic from an exit, a signal, a
//! timeout and the rest, and it knows the function, the item, the process and the number of attempts. An item that
//! fails takes no other item with it, and a worker that dies is replaced.
//!
//! # Where a call runs
//!
//! In a process that was started afresh from this program's own executable, or forked from one that was and has done
//! nothing since; the running program itself is never forked. It has the program's arguments, directory, environment and
//! standard output and error, but none of its memory: what a call needs comes by its arguments, handles to shared memory
//! among them. It may run on the cores of the thread that called; a niceness that a thread has given itself since the
//! first call stays its own. `main` does not run there, and the program needs no call at its start. When the program ends,
//! however it ends, its workers end too: where it returns from `main` or exits, those of pools that are idle as programs do, with
//! their `atexit` handlers, within a second; all others at once. A call that is made after that is `Closed`.

pub use parallel_macros::parallel;
#[doc(hidden)]
pub use parallel_runtime::__private;
pub use parallel_runtime::*;

/// What a program usually needs: `use parallel::prelude::*;`.
///
/// `Mutex`, `Condvar` and `Barrier` share the names of std's, and are left in [`sync`].
pub mod prelude {
    pub use crate::channel::{Duplex, Queue, Receiver, Sender, channel, duplex};
    pub use crate::shared::{Array, Frozen, Value};
    pub use crate::sync::{Event, ReentrantMutex, Semaphore};
    pub use crate::{Error, ErrorKind, JoinHandle, Pool, parallel};
}

/// Makes the module `guide` of docs/guide.md. The page links the examples by paths in the repository; of two definitions of a
/// link the first counts, so that here, and on docs.rs, they lead to the sources of this version.
macro_rules! guide {
    ($($example:ident)*) => {
        $(#[doc = concat!(
            "[`", stringify!($example), "`]: https://docs.rs/crate/parallel/", env!("CARGO_PKG_VERSION"), "/source/examples/",
            stringify!($example), ".rs"
        )])*
        #[doc = ""]
        #[doc = include_str!("../docs/guide.md")]
        #[cfg(any(doc, doctest))]
        pub mod guide {}
    };
}

guide! {
    cube_map
    factorials
    hello_process
    histogram
    jobs
    lazy_map
    lock_and_print
    ping_pong
    pipeline
    pool_of_five
    producer_consumer
    quicksort
    random_forest
    recursive_lock
    semaphore
    shared_sum
    square_roots
    start_together
    stop_a_process
    take_turns
    value_array_queue
    who_am_i
}

/// The code of README.md, as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
