//! Handles of running calls.
//!
//! Longer than 400 lines: much of it is documentation.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::engine::flight::{Flight, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::poison::lock;
use crate::sys::process::{KILL, TERMINATE};
use crate::wire::codec::CodecError;
use crate::wire::handles::Handle;

/// Reads a call's value from its bytes.
pub(crate) type Decoder<R> = fn(&[u8], &[Handle]) -> std::result::Result<R, CodecError>;

/// A call in flight: what [`spawn`] and [`submit`] return.
///
/// Dropping the handle detaches the call: it goes on, and its result is lost. When the program ends, so does
/// every call.
///
/// [`spawn`]: crate::Task#calls
/// [`submit`]: crate::Task#calls
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
/// let handles: Vec<_> = (1..=3).map(|x| cube.spawn(x)).collect();
/// let cubes: Vec<u64> = handles.into_iter().map(JoinHandle::join).collect::<Result<_, _>>()?;
/// assert_eq!(cubes, [1, 8, 27]);
/// # Ok(())
/// # }
/// ```
///
/// It is a future, too, which any executor waits for without a thread. `&mut handle` can be awaited as well, and the call be
/// ended where it was awaited in vain:
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn cube(x: u64) -> u64 { x * x * x }
///
/// async fn sum() -> parallel::Result<u64> {
///     let mut two = cube.spawn(2);
///     let three = cube.spawn(3);
///     let sum = (&mut two).await? + three.await?;
///     // It has ended by now; otherwise this would end it.
///     two.kill()?;
///     Ok(sum)
/// }
/// # futures_executor::block_on(async { assert_eq!(sum().await.unwrap(), 35) });
/// ```
#[must_use = "dropping the handle detaches the call; `join` it to hear of its result"]
pub struct JoinHandle<R> {
    flight: Arc<dyn Flight>,
    function: &'static str,
    name: Cow<'static, str>,
    taken: bool,
    decode: Decoder<R>,
    /// The waker of the future that polled it last.
    waker: Option<Arc<Mutex<Option<Waker>>>>,
}

/// What it refers to is the runtime's own, which no panic leaves half changed.
impl<R> UnwindSafe for JoinHandle<R> {}
impl<R> RefUnwindSafe for JoinHandle<R> {}

impl<R> JoinHandle<R> {
    pub(crate) fn new(
        flight: Arc<dyn Flight>,
        function: &'static str,
        name: Option<Cow<'static, str>>,
        decode: Decoder<R>,
    ) -> Self {
        Self { flight, function, name: name.unwrap_or(Cow::Borrowed(function)), taken: false, decode, waker: None }
    }

    /// Waits for the call to finish and returns its value. A spawned call has finished when its process has ended.
    ///
    /// # Errors
    ///
    /// Whatever became of the call instead; see [`ErrorKind`]. `Closed` when [`join_timeout`](Self::join_timeout) gave
    /// the value already.
    ///
    /// # Examples
    ///
    /// See [`JoinHandle`].
    pub fn join(mut self) -> Result<R> {
        self.flight.wait(None);
        self.take_value()
    }

    /// Waits for the call to finish, at most `timeout`. `Ok(None)`: it has not; it goes on and can be joined later.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn wait_a_second() -> u8 { std::thread::sleep(Duration::from_secs(1)); 7 }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let mut handle = wait_a_second.spawn();
    /// assert_eq!(handle.join_timeout(Duration::from_millis(10))?, None);
    /// assert_eq!(handle.join_timeout(Duration::MAX)?, Some(7));
    /// assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Closed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<Option<R>> {
        // A deadline beyond the clock's end is none.
        let deadline = Instant::now().checked_add(timeout);
        if self.flight.wait(deadline) { self.take_value().map(Some) } else { Ok(None) }
    }

    fn take_value(&mut self) -> Result<R> {
        let outcome = if self.taken { None } else { self.flight.take_outcome() };
        self.taken = true;
        decode(outcome, self.function, self.decode)
    }

    /// Returns whether the call has finished, with a value or without; `join` does not wait then.
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
    /// let handle = hang.spawn();
    /// assert!(!handle.is_finished());
    /// handle.kill()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_finished(&self) -> bool {
        self.flight.is_finished()
    }

    /// Returns the number of the process that runs the call; `None` while it waits for its turn, and once it has
    /// finished. While a process is being started for it, waits for that.
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
    /// let handle = hang.spawn();
    /// let pid = handle.pid().unwrap();
    /// assert_eq!(parallel::active_children(), [pid]);
    /// handle.kill()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pid(&self) -> Option<u32> {
        self.flight.pid()
    }

    /// Returns whether the call waits for its turn: a spawned one because [as many as may](crate::Task#calls) run already,
    /// a submitted one because every worker is busy. While a process is being started for it, waits for that.
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
    /// assert!(!hang.spawn().is_queued());
    ///
    /// let pool = Pool::with_workers(1)?;
    /// let (first, second) = (hang.on(&pool).submit(), hang.on(&pool).submit());
    /// while first.pid().is_none() {
    ///     std::thread::yield_now();
    /// }
    /// assert!(second.is_queued() && !first.is_queued());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_queued(&self) -> bool {
        self.flight.is_queued()
    }

    /// Returns the call's name: what `.name("…")` gave it, else its function's.
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn cube(x: u64) -> u64 { x * x * x }
    ///
    /// assert_eq!(cube.spawn(1).name(), "cube");
    /// assert_eq!(cube.name("first").spawn(1).name(), "first");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the call's process to end, with SIGTERM, and whatever it started in its process group. A call that has not
    /// started is cancelled; one that has finished is left alone. A call that ends so is not tried again.
    ///
    /// # Errors
    ///
    /// `Signal` when the system refuses the signal, as it does where the call runs as another user than the program by now:
    /// then it runs on.
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
    /// let handle = hang.spawn();
    /// handle.terminate()?;
    /// assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Signaled { signal: 15, .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) -> Result<()> {
        self.flight.signal(TERMINATE)
    }

    /// Ends the call's process at once, with SIGKILL; otherwise as [`terminate`](Self::terminate). Where the system refuses the
    /// signal, the process is told to leave by itself. Should it not do so within 2 s, as one that is stopped, the call fails
    /// with `Signal` all the same.
    ///
    /// # Errors
    ///
    /// `Signal` when the system refuses that, too.
    ///
    /// # Examples
    ///
    /// As for [`terminate`](Self::terminate), with signal 9.
    pub fn kill(&self) -> Result<()> {
        self.flight.signal(KILL)
    }

    /// Returns how the process of a spawned call ended, once it has; `None` for a submitted one: its worker lives on.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn leave(code: i32) { std::process::exit(code) }
    ///
    /// let mut handle = leave.spawn(8);
    /// assert!(handle.join_timeout(Duration::MAX).is_err());
    /// assert_eq!(handle.exit_status().unwrap().code(), Some(8));
    /// ```
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.flight.exit_status()
    }

    /// Withdraws a call that has not started; returns whether it did. Its `join` gives `Cancelled` then.
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
    /// let task = hang.on(&pool);
    /// let (first, second) = (task.submit(), task.submit());
    /// while first.pid().is_none() {
    ///     std::thread::yield_now();
    /// }
    /// assert!(second.cancel());
    /// assert!(!first.cancel());
    /// assert!(matches!(second.join().unwrap_err().kind(), ErrorKind::Cancelled));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) -> bool {
        self.flight.cancel()
    }
}

fn decode<R>(outcome: Option<Outcome>, function: &'static str, decode: Decoder<R>) -> Result<R> {
    match outcome {
        Some(Ok(value)) => decode(&value.bytes, &value.handles)
            .map_err(|error| Error::new(ErrorKind::Decode(error)).in_function(function).after_attempts(1)),
        Some(Err(error)) => Err(error),
        None => Err(Error::new(ErrorKind::Closed).in_function(function)),
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("name", &self.name).field("finished", &self.is_finished()).finish()
    }
}

/// Waits for the call without a thread, on any executor. Once it has given the outcome it gives `Closed`.
impl<R> Future for JoinHandle<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        // Nothing in it is pinned.
        let this = self.get_mut();
        if let Some(waker) = &this.waker {
            *lock(waker) = Some(context.waker().clone());
        } else {
            let waker = Arc::new(Mutex::new(Some(context.waker().clone())));
            this.waker = Some(Arc::clone(&waker));
            this.flight.when_finished(Box::new(move || {
                let waker = lock(&waker).take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }));
        }
        // After the waker is in place: what finishes from here on wakes it.
        if this.flight.is_finished() { Poll::Ready(this.take_value()) } else { Poll::Pending }
    }
}

impl<R> Drop for JoinHandle<R> {
    /// Drops the waker: the call may go on for long, and must not keep the waker's task.
    fn drop(&mut self) {
        let waker = self.waker.as_ref().and_then(|waker| lock(waker).take());
        drop(waker);
    }
}

/// Gives the results of `handles` as they come in, each with its place among them, counted from 0.
///
/// Dropping the iterator detaches the calls that are left.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn sleep(millis: u64) -> u64 { std::thread::sleep(Duration::from_millis(millis)); millis }
///
/// let handles = [400, 0].map(|millis| sleep.spawn(millis));
/// let order: Vec<usize> = parallel::as_completed(handles).map(|(index, _)| index).collect();
/// assert_eq!(order, [1, 0]);
/// ```
pub fn as_completed<R>(handles: impl IntoIterator<Item = JoinHandle<R>>) -> AsCompleted<R> {
    let (finished, completions) = std::sync::mpsc::channel();
    let handles: Vec<Option<JoinHandle<R>>> = handles
        .into_iter()
        .enumerate()
        .map(|(index, handle)| {
            let finished = finished.clone();
            handle.flight.when_finished(Box::new(move || {
                // An error: the iterator was dropped.
                let _ = finished.send(index);
            }));
            Some(handle)
        })
        .collect();
    AsCompleted { left: handles.len(), handles, completions }
}

/// Gives results as they come in; see [`as_completed`].
///
/// # Examples
///
/// See [`as_completed`].
#[derive(Debug)]
pub struct AsCompleted<R> {
    handles: Vec<Option<JoinHandle<R>>>,
    left: usize,
    completions: std::sync::mpsc::Receiver<usize>,
}

impl<R> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.completions.recv().ok()?;
        let handle = self.handles.get_mut(index)?.take()?;
        self.left -= 1;
        Some((index, handle.join()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R> ExactSizeIterator for AsCompleted<R> {}
