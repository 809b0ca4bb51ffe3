//! A signal between processes that is set or not set.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::object::{Object, ObjectWords};
use super::words::event::EventWord;
use super::words::platform::WaitDeadline;
use crate::error::Result;

// SAFETY: one atomic word, transparently; zeros are an event that is not set.
unsafe impl ObjectWords for EventWord {
    const KIND: u32 = 4;
}

/// Tells any number of processes that something has happened.
///
/// What a process did before it set the event is seen by all processes that find the event set.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn answer(asked: Event, question: Value<i32>) -> i32 {
///     asked.wait();
///     question.get().unwrap() * 2
/// }
///
/// fn main() -> parallel::Result<()> {
///     let (asked, question) = (Event::new()?, Value::new(0)?);
///     let call = answer.spawn(asked.clone(), question.clone());
///     question.set(21)?;
///     asked.set();
///     assert_eq!(call.join()?, 42);
///     Ok(())
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Event(Object<EventWord, ()>);

impl Event {
    /// Makes an event that is not set.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where the system has no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!parallel::sync::Event::new()?.is_set());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        Object::zeroed(0).map(Self)
    }

    /// Sets the event, and ends all waits for it, also if it is cleared right after.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = parallel::sync::Event::new()?;
    /// event.set();
    /// assert!(event.is_set());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn set(&self) {
        self.0.words().set();
    }

    /// Makes the event not set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = parallel::sync::Event::new()?;
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn clear(&self) {
        self.0.words().clear();
    }

    /// Returns whether the event is set.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!parallel::sync::Event::new()?.is_set());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn is_set(&self) -> bool {
        self.0.words().is_set()
    }

    /// Waits until the event is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = parallel::sync::Event::new()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.set());
    ///     event.wait();
    /// });
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait(&self) {
        while !self.0.words().wait_until(WaitDeadline::NEVER) {}
    }

    /// Waits for `timeout` until the event is set; returns whether it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let event = parallel::sync::Event::new()?;
    /// assert!(!event.wait_timeout(Duration::from_millis(1)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::ZERO));
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // The clock is read last: it may cost a system call.
        self.is_set() || self.0.words().wait_until(WaitDeadline::after(timeout))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}
