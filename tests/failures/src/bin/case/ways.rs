//! The ways to call a function, and what every error must tell, whichever way was taken.

use std::time::Duration;

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{forget, note, noted};

/// The argument that makes every function here fail.
pub(crate) const BAD: u64 = 3;
/// What maps are given: [`BAD`] is in the middle.
pub(crate) const ITEMS: std::ops::Range<u64> = 0..10;

/// Notes that the function that is about to fail runs here.
pub(crate) fn failing() {
    note("failing");
}

/// The process in which a function failed last.
fn where_it_failed() -> u32 {
    noted("failing").last().copied().expect("the function ran")
}

pub(crate) type Outcomes = Vec<parallel::Result<u64>>;

/// All ways to call one function that squares, but for [`BAD`].
pub(crate) struct Ways {
    pub(crate) function: &'static str,
    pub(crate) spawn: fn(u64) -> JoinHandle<u64>,
    pub(crate) submit: fn(&Pool, u64) -> JoinHandle<u64>,
    pub(crate) map: fn(&Pool, Option<usize>, Vec<u64>) -> Outcomes,
}

/// All ways to call `$task`, with the options that come after it.
macro_rules! ways {
    ($task:ident $(. $option:ident ($value:expr))*) => {
        $crate::ways::Ways {
            function: stringify!($task),
            spawn: |x| $task $(.$option($value))* .spawn(x),
            submit: |pool, x| $task.on(pool) $(.$option($value))* .submit(x),
            map: |pool, chunk_size, items| {
                let task = $task.on(pool) $(.$option($value))* ;
                match chunk_size {
                    Some(chunk_size) => task.chunk_size(chunk_size).par_map_results(items),
                    None => task.par_map_results(items),
                }
            },
        }
    };
}
pub(crate) use ways;

/// Checks what every error must tell, and that it does so in one line.
pub(crate) fn tells(error: &Error, function: &str, index: Option<usize>, pid: Option<u32>, attempts: u32) {
    let text = error.to_string();
    assert_eq!(error.function(), Some(function), "{text}");
    assert_eq!(error.index(), index, "{text}");
    assert_eq!(error.pid(), pid, "{text}");
    assert_eq!(error.attempts(), attempts, "{text}");
    assert!(text.contains(function), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(index.is_none_or(|index| text.contains(&format!("item {index}"))), "{text}");
    assert!(pid.is_none_or(|pid| text.contains(&format!("process {pid}"))), "{text}");
    println!("{text}");
}

/// Whether a worker is the same after a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    LivesOn,
    IsReplaced,
}

/// Causes the failure in every way, and checks that each time the error tells everything, that others get their values,
/// and that the pool serves on.
pub(crate) fn fails_alone(ways: &Ways, worker: Worker, is_right: impl Fn(&ErrorKind) -> bool) {
    fails_alone_after(ways, worker, 1, is_right);
}

/// As [`fails_alone`], after so many attempts.
pub(crate) fn fails_alone_after(ways: &Ways, worker: Worker, attempts: u32, is_right: impl Fn(&ErrorKind) -> bool) {
    let check = |error: &Error, index| {
        assert!(is_right(error.kind()), "{error:?}");
        tells(error, ways.function, index, Some(where_it_failed()), attempts);
        assert_eq!(noted("failing").len(), attempts as usize, "{error}");
        forget("failing");
    };
    let neighbours = [(ways.spawn)(BAD - 1), (ways.spawn)(BAD + 1)];
    let error = (ways.spawn)(BAD).join().unwrap_err();
    check(&error, None);
    assert_eq!(neighbours.map(|handle| handle.join().unwrap()), [4, 16]);

    let pool = Pool::with_workers(2).unwrap();
    let check_in_pool = |error: &Error, index| {
        let pid = error.pid().unwrap();
        check(error, index);
        eventually("the pool is complete", || (pool.pids().len() == 2).then_some(()));
        assert_eq!(pool.pids().contains(&pid), worker == Worker::LivesOn, "{error}");
    };
    for chunk_size in [None, Some(1), Some(4), Some(10)] {
        let outcomes = (ways.map)(&pool, chunk_size, ITEMS.collect());
        assert_eq!(outcomes.len(), 10);
        for (x, outcome) in ITEMS.zip(&outcomes) {
            match outcome {
                Ok(square) => assert_eq!(*square, x * x),
                Err(error) if x == BAD => check_in_pool(error, Some(3)),
                Err(error) => panic!("item {x}: {error}"),
            }
        }
        assert!(outcomes[3].is_err());
    }
    let [before, bad, after] = [BAD - 1, BAD, BAD + 1].map(|x| (ways.submit)(&pool, x));
    check_in_pool(&bad.join().unwrap_err(), None);
    assert_eq!((before.join().unwrap(), after.join().unwrap()), (4, 16));

    let squares: parallel::Result<Vec<u64>> = (ways.map)(&pool, None, (10..60).collect()).into_iter().collect();
    assert_eq!(squares.unwrap(), (10..60).map(|x| x * x).collect::<Vec<_>>());
    let stats = pool.stats();
    assert_eq!((stats.tasks_failed, stats.queued, stats.running), (5, 0, 0));
    assert_eq!(stats.tasks_done, 4 * 9 + 2 + 50);
    assert_eq!(stats.tasks_retried, 5 * u64::from(attempts - 1));
    let deaths = if worker == Worker::LivesOn { 0 } else { 5 * u64::from(attempts) };
    assert_eq!(stats.restarts, deaths);
    pool.join().unwrap();
}

/// Waits for the call's end, at most so long that it counts as a hang.
pub(crate) fn joined<R>(mut handle: JoinHandle<R>) -> parallel::Result<R> {
    match handle.join_timeout(parallel_failures::PATIENCE) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => panic!("{handle:?} hangs"),
        Err(error) => Err(error),
    }
}

/// Sets a limit of this process and of those it starts.
#[allow(clippy::cast_possible_wrap, reason = "the resource's type differs between C libraries")]
pub(crate) fn limit(resource: libc::__rlimit_resource_t, value: u64) -> u64 {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is memory for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limits) }, 0);
    let before = limits.rlim_cur;
    limits.rlim_cur = value;
    // SAFETY: `limits` was filled above.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limits) }, 0);
    before
}

/// Never comes back, and uses no time.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
