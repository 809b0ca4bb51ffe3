//! The place where a number of parties wait for each other.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::object::{Object, ObjectWords};
use super::words::barrier::{BarrierWord, MOST, RoundEnd};
use super::words::platform::WaitDeadline;
use crate::error::{Error, ErrorKind, Result};

// SAFETY: one atomic word, transparently; zeros are a barrier to which no party has come.
unsafe impl ObjectWords for BarrierWord {
    const KIND: u32 = 6;
}

/// Lets a fixed number of parties go on together, again and again.
///
/// If a party dies before it comes, the others wait until the first of their deadlines, which breaks the barrier for all
/// of them. A broken barrier refuses every party until [`reset`](Self::reset).
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
/// use parallel::sync::Barrier;
///
/// #[parallel]
/// fn step(ready: Barrier, done: Array<u8>, me: usize) -> bool {
///     done.set(me, 1).unwrap();
///     ready.wait().unwrap();
///     done.to_vec().unwrap() == [1, 1, 1] // no party goes on before all have come
/// }
///
/// fn main() -> parallel::Result<()> {
///     let (ready, done) = (Barrier::new(3)?, Array::zeroed(3)?);
///     let calls: Vec<_> = (0..3).map(|me| step.spawn(ready.clone(), done.clone(), me)).collect();
///     for call in calls {
///         assert!(call.join()?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Barrier {
    object: Object<BarrierWord, ()>,
    parties: u32,
}

impl Barrier {
    /// Makes a barrier for `parties` parties.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for 0 parties, for 2 to the 20th or more, and where the system has
    /// no memory or no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = parallel::sync::Barrier::new(1)?;
    /// assert!(barrier.wait()?.is_leader());
    /// assert!(parallel::sync::Barrier::new(0).is_err());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn new(parties: usize) -> Result<Self> {
        let parties = u32::try_from(parties)
            .ok()
            .filter(|parties| (1..=MOST).contains(parties))
            .ok_or_else(|| Error::invalid(format!("a barrier has 1 to {MOST} parties, not {parties}")))?;
        Ok(Self { object: Object::zeroed(0)?, parties })
    }

    /// Waits until all parties have come. One of them, the last, is the leader.
    ///
    /// # Errors
    ///
    /// [`Broken`](crate::ErrorKind::Broken) when the barrier is broken or reset before all have come.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = parallel::sync::Barrier::new(2)?;
    /// let leaders = std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| barrier.wait().unwrap().is_leader());
    ///     let mine = barrier.wait().unwrap().is_leader();
    ///     u32::from(mine) + u32::from(other.join().unwrap())
    /// });
    /// assert_eq!(leaders, 1);
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait(&self) -> Result<BarrierWaitResult> {
        self.wait_until(WaitDeadline::NEVER)
    }

    /// Waits for `timeout` until all parties have come; breaks the barrier for all of them when they have not.
    ///
    /// # Errors
    ///
    /// [`Broken`](crate::ErrorKind::Broken) then, and as for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let barrier = parallel::sync::Barrier::new(2)?;
    /// assert!(barrier.wait_timeout(Duration::from_millis(1)).is_err());
    /// assert!(barrier.is_broken());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult> {
        self.wait_until(WaitDeadline::after(timeout))
    }

    fn wait_until(&self, deadline: WaitDeadline) -> Result<BarrierWaitResult> {
        match self.object.words().wait_until(self.parties, deadline) {
            RoundEnd::Leader => Ok(BarrierWaitResult(true)),
            RoundEnd::Follower => Ok(BarrierWaitResult(false)),
            RoundEnd::Broken => Err(Error::new(ErrorKind::Broken)),
        }
    }

    /// Breaks the barrier, for parties that wait and for those that come later.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = parallel::sync::Barrier::new(2)?;
    /// barrier.abort();
    /// assert!(barrier.wait().is_err());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn abort(&self) {
        self.object.words().abort();
    }

    /// Makes the barrier whole and empty. Parties that wait get [`Broken`](crate::ErrorKind::Broken).
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = parallel::sync::Barrier::new(1)?;
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(barrier.wait()?.is_leader());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn reset(&self) {
        self.object.words().reset();
    }

    /// Returns whether the barrier is broken.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!parallel::sync::Barrier::new(2)?.is_broken());
    /// # Ok::<_, parallel::Error>(())
    /// ```
    pub fn is_broken(&self) -> bool {
        self.object.words().is_broken()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("is_broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

/// Tells the party that came last from the others.
///
/// # Examples
///
/// ```
/// assert!(parallel::sync::Barrier::new(1)?.wait()?.is_leader());
/// # Ok::<_, parallel::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Returns whether this party is the leader of its round: exactly one is.
    ///
    /// # Examples
    ///
    /// See [`BarrierWaitResult`].
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
