//! What a pool has done so far.

use std::time::Duration;

/// Tells what a pool has done so far; see [`Pool::stats`](crate::Pool::stats).
///
/// A call counts as one task; so does each item of a map.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn double(x: u32) -> u32 { 2 * x }
///
/// # fn main() -> parallel::Result<()> {
/// let pool = Pool::with_workers(2)?;
/// double.on(&pool).par_map(0..100)?;
/// let stats = pool.stats();
/// assert_eq!((stats.tasks_done, stats.tasks_failed, stats.queued), (100, 0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Tasks that gave a value.
    pub tasks_done: u64,
    /// Tasks that failed for good: by a panic, the death of their process, a timeout.
    pub tasks_failed: u64,
    /// Attempts that were made again after their process had died.
    pub tasks_retried: u64,
    /// Workers that were replaced after they had died, by a crash, a kill or a timeout.
    pub restarts: u64,
    /// Workers that were replaced after `tasks_per_worker` tasks.
    pub recycled: u64,
    /// Workers that were started by forking the program's zygote, as later ones mostly are: the crate's documentation
    /// says when.
    pub forked: u64,
    /// Workers that were started by executing the program once more, as all are where there is no zygote, or where a
    /// fork of it would not be what a fresh process is.
    pub executed: u64,
    /// Tasks that wait for a worker now.
    pub queued: usize,
    /// Tasks that are in a worker's hands now.
    pub running: usize,
    /// The time that all workers together spent running tasks, up to the last one that ended, well or not.
    pub busy: Duration,
    /// The time that all workers together had nothing to run.
    pub idle: Duration,
}
