//! Where two things meet: calls that end as somebody ends them, users' code that calls back, workers that are short of
//! tasks, and what is counted meanwhile.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_failures::inside::{forget, note, noted, runs, send_signal, wait_for_note};
use parallel_failures::{PATIENCE, eventually};
use serde::{Deserialize, Serialize};

use crate::ways::{BAD, Worker, failing, fails_alone, hang, joined, limit, ways};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn hangs() {
    note("hanging");
    hang();
}

#[parallel]
fn digit(x: u32) -> String {
    format!("{x},")
}

#[parallel]
fn join(before: String, after: String) -> String {
    [before, after].concat()
}

pub(crate) fn a_reduction_ends_however_few_tasks_a_worker_runs() {
    for tasks in 1..=3 {
        for chunk_size in [None, Some(1), Some(5)] {
            let pool = Pool::builder().workers(2).tasks_per_worker(tasks).build().unwrap();
            let task = digit.on(&pool);
            let task = chunk_size.map_or_else(|| task.clone(), |size| task.chunk_size(size));
            // On a thread of its own, so that a reduction without end is a failure and no hang.
            let text = in_time("the reduction has ended", move || task.par_map_reduce(0..12, &join));
            assert_eq!(text.unwrap().unwrap(), "0,1,2,3,4,5,6,7,8,9,10,11,");
            pool.join().unwrap();
        }
    }
}

/// What `body` gives, which must not take longer than anything may.
fn in_time<T: Send + 'static>(what: &str, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || done.send(body()));
    let value = outcome.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("waited in vain until {what}: {error}"));
    thread.join().unwrap().unwrap();
    value
}

/// Waits until the process is stopped.
fn is_stopped(pid: u32) {
    eventually("the process is stopped", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status.rsplit(')').next()?.trim_start().starts_with('T').then_some(())
    });
}

pub(crate) fn a_cancelled_call_takes_nothing_of_a_workers_tasks() {
    let pool = Pool::builder().workers(1).tasks_per_worker(1).build().unwrap();
    for x in 0..3 {
        // The successor of the last one is up, and waits for something to do.
        let worker = eventually("there is a new worker", || {
            let pid = pool.pids().first().copied()?;
            (!noted("worked").contains(&pid)).then_some(pid)
        });
        eventually("the worker has reported in", || has_slept(worker).then_some(()));
        send_signal(worker, libc::SIGSTOP);
        is_stopped(worker);
        let first = square.on(&pool).submit(7);
        assert!(first.cancel(), "a stopped worker takes nothing up");
        let second = works.on(&pool).submit(x);
        send_signal(worker, libc::SIGCONT);
        assert_eq!(joined(second).unwrap(), x * x);
        assert!(matches!(joined(first).unwrap_err().kind(), ErrorKind::Cancelled));
    }
    pool.join().unwrap();
}

/// Whether a worker waits for work: its main thread sleeps in the kernel, for a futex.
fn has_slept(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/syscall"))
        .is_ok_and(|text| text.split(' ').next() == Some(&libc::SYS_futex.to_string()))
}

#[parallel]
fn works(x: u64) -> u64 {
    note("worked");
    x * x
}

pub(crate) fn thousands_of_cancelled_calls_take_nothing_of_workers_tasks() {
    for tasks in [1, 3] {
        let pool = Pool::builder().workers(2).tasks_per_worker(tasks).build().unwrap();
        let mut ran = 0;
        for round in 0..100 {
            // Some wait in lanes, most in the queue; some run before they can be cancelled.
            let cancelled: Vec<_> = (0..20).map(|x| square.on(&pool).submit(x)).collect();
            for (x, handle) in (0_u64..).zip(cancelled) {
                let withdrawn = handle.cancel();
                match joined(handle) {
                    Ok(value) => assert!(!withdrawn && value == x * x),
                    Err(error) => assert!(withdrawn && matches!(error.kind(), ErrorKind::Cancelled), "{error}"),
                }
                ran += u64::from(!withdrawn);
            }
            if round % 10 == 0 {
                assert_eq!(joined(square.on(&pool).submit(round)).unwrap(), round * round);
                ran += 1;
            }
        }
        let stats = pool.stats();
        assert_eq!((stats.tasks_done, stats.tasks_failed, stats.queued, stats.running), (ran, 0, 0, 0));
        // Workers are replaced after their tasks, and not for what they did not run.
        assert!(stats.recycled <= ran / tasks as u64, "{ran} ran: {stats:?}");
        pool.join().unwrap();
    }
}

/// Runs long enough for another to be put behind it.
#[parallel]
fn brief(x: u64) -> u64 {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(200) {}
    x * x
}

/// Tries the moments around a call's end. The one moment at which the next call is hit, and run again, is rare here; a
/// unit test beside the code makes it.
pub(crate) fn a_call_that_is_signalled_at_about_its_end_takes_no_other_along() {
    let pool = Pool::with_workers(1).unwrap();
    let mut random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
    let mut hits = [0; 3];
    // How long to wait before the signal: found by trying, so that most come at about the call's end.
    let mut moment = 100_u64;
    for round in 0..1_000_u64 {
        // After a quick one, a worker gets the next one ahead.
        assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
        let [first, second] = [round, round + 1].map(|x| brief.on(&pool).submit(x));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        while first.pid().is_none() && !first.is_finished() {
            std::thread::yield_now();
        }
        for _ in 0..moment * (96 + (random >> 58)) / 128 {
            std::hint::spin_loop();
        }
        if round % 2 == 0 { first.kill() } else { first.terminate() }.unwrap();
        let outcome = joined(first);
        moment = if outcome.is_ok() { moment - moment / 16 } else { moment + moment / 16 + 1 };
        match outcome.as_ref().map_err(Error::kind) {
            Ok(value) => {
                assert_eq!(*value, round * round);
                hits[0] += 1;
            }
            Err(ErrorKind::Cancelled) => hits[1] += 1,
            Err(ErrorKind::Signaled { .. }) => hits[2] += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(joined(second).unwrap(), (round + 1) * (round + 1), "in round {round}, after {hits:?}");
    }
    println!("ended, cancelled, killed: {hits:?}");
    assert_eq!(pool.stats().tasks_failed, hits[2]);
}

/// An error whose text is not to be had without trouble.
#[derive(Serialize, Deserialize)]
enum Trouble {
    Panics,
    Calls,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panics => panic!("no words"),
            Self::Calls => {
                let spawned = square.spawn(3).join().map_err(|_| fmt::Error)?;
                let pool = Pool::with_workers(1).map_err(|_| fmt::Error)?;
                let mapped = square.on(&pool).par_map([4]).map_err(|_| fmt::Error)?;
                write!(f, "{spawned} and {mapped:?}")
            }
        }
    }
}

#[parallel]
fn troubles(calls: bool) -> Result<(), Trouble> {
    Err(if calls { Trouble::Calls } else { Trouble::Panics })
}

fn is_refused(calls: bool, text: &str) {
    let other = Pool::with_workers(1).unwrap();
    for workers in [1, 3] {
        let error = in_time("the build has failed", move || {
            Pool::builder().workers(workers).initializer(&troubles, (calls,)).build().unwrap_err()
        });
        assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
        assert!(error.to_string().contains("`troubles`") && error.to_string().contains(text), "{error}");
        println!("{error}");
        assert_eq!(joined(square.on(&other).submit(3)).unwrap(), 9);
        assert_eq!(joined(square.spawn(3)).unwrap(), 9);
        let later = Pool::with_workers(1).unwrap();
        assert_eq!(square.on(&later).par_map(0..3).unwrap(), [0, 1, 4]);
    }
    other.join().unwrap();
}

pub(crate) fn an_initializer_whose_error_cannot_be_told_is_an_error_of_the_build() {
    is_refused(false, "no words");
}

pub(crate) fn an_initializer_whose_error_calls_us_is_an_error_of_the_build() {
    is_refused(true, "9 and [16]");
}

/// Ends when the gate of this name is opened.
#[parallel]
fn gated(name: &str) {
    note(&format!("{name}-runs"));
    wait_for_note(name);
}

/// Waits until alarms that are set already have rung: they would hide that nobody listens.
fn settle() {
    std::thread::sleep(Duration::from_millis(300));
}

/// Waits for another call where it is woken.
struct Joins(Mutex<Option<JoinHandle<()>>>);

impl Wake for Joins {
    fn wake(self: Arc<Self>) {
        let handle = self.0.lock().unwrap().take().expect("one call is woken once");
        note("woken");
        handle.join().unwrap();
        note("waited");
    }
}

pub(crate) fn a_waker_may_wait_for_another_call_of_the_same_pool() {
    let pool = Pool::with_workers(3).unwrap();
    for who_leads in ["nobody", "this"] {
        let [first, second, third] = ["first", "second", "third"].map(|name| gated.on(&pool).submit(name));
        for name in ["first-runs", "second-runs", "third-runs"] {
            wait_for_note(name);
        }
        let waker = Arc::new(Joins(Mutex::new(Some(second)))).into();
        let mut first = pin!(first);
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let gates = || {
            note("first");
            wait_for_note("woken");
            settle();
            note("second");
            wait_for_note("waited");
        };
        if who_leads == "this" {
            // Whoever waits in the pool may be the one that runs wakers.
            let waits = std::thread::spawn(move || joined(third));
            settle();
            gates();
            note("third");
            waits.join().unwrap().unwrap();
        } else {
            gates();
            note("third");
            joined(third).unwrap();
        }
        assert!(matches!(first.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(()))));
        for name in ["first", "second", "third"] {
            forget(name);
            forget(&format!("{name}-runs"));
        }
        forget("woken");
        forget("waited");
    }
    pool.join().unwrap();
}

/// Moves this process out of the group that it leads, into its parent's.
fn leave_group() {
    // SAFETY: a plain system call.
    let parent = unsafe { libc::getppid() };
    // SAFETY: as above.
    let group = unsafe { libc::getpgid(parent) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setpgid(0, group) }, 0);
    // SAFETY: as above.
    assert_ne!(unsafe { libc::getpgrp() }, unsafe { libc::getpid() });
}

#[parallel]
fn leaves(x: u64) -> u64 {
    if x == BAD {
        failing();
        leave_group();
        note("left");
        hang();
    }
    x * x
}

pub(crate) fn a_task_that_left_its_group_is_ended_by_its_timeout() {
    let timeout = Duration::from_millis(400);
    let ways = ways!(leaves.timeout(Duration::from_millis(400)));
    fails_alone(&ways, Worker::IsReplaced, |kind| matches!(kind, ErrorKind::TimedOut { after } if *after == timeout));
}

pub(crate) fn a_task_that_left_its_group_is_ended_by_its_handle_and_its_pool() {
    let pool = Pool::with_workers(1).unwrap();
    for round in 0..4 {
        let handle = if round % 2 == 0 { leaves.spawn(BAD) } else { leaves.on(&pool).submit(BAD) };
        let pid = wait_for_note("left");
        forget("left");
        if round < 2 { handle.kill() } else { handle.terminate() }.unwrap();
        assert!(matches!(joined(handle).unwrap_err().kind(), ErrorKind::Signaled { .. }));
        eventually("it is gone", || (!runs(pid)).then_some(()));
    }
    let handle = leaves.on(&pool).submit(BAD);
    let pid = wait_for_note("left");
    drop(pool);
    assert!(!runs(pid));
    assert!(matches!(joined(handle).unwrap_err().kind(), ErrorKind::Terminated));
}

/// That the reactor hears of some before it has started all is seen by unit tests beside the code, also on a machine that
/// would start them all in time.
pub(crate) fn hundreds_of_calls_at_once_start_within_a_short_time_limit() {
    // SAFETY: no other thread of this program reads the environment now.
    unsafe { std::env::set_var("PARALLEL_START_TIMEOUT", "0.5") };
    let handles: Vec<_> = (0..600).map(|x| square.spawn(x)).collect();
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(joined(handle).unwrap(), x * x);
    }
    // SAFETY: as above.
    unsafe { std::env::remove_var("PARALLEL_START_TIMEOUT") };
}

/// The first call leaves no descriptor for what comes after it; every third result does not fit the lane.
#[parallel]
fn swells(x: u8) -> Vec<u8> {
    limit(libc::RLIMIT_NOFILE, 3);
    vec![x; if x % 3 == 1 { 4 << 20 } else { 10 }]
}

pub(crate) fn large_results_in_a_chunk_without_descriptors_fail_alone() {
    for chunk_size in [1, 4, 10] {
        let pool = Pool::with_workers(1).unwrap();
        for first in [0, 100] {
            let outcomes = swells.on(&pool).chunk_size(chunk_size).par_map_results(first..first + 20);
            assert_eq!(outcomes.len(), 20);
            for (x, (at, outcome)) in (first..).zip(outcomes.into_iter().enumerate()) {
                match outcome {
                    Ok(value) => assert_eq!((x % 3 == 1, value), (false, vec![x; 10])),
                    Err(error) => {
                        assert_eq!((x % 3, error.index()), (1, Some(at)), "{error:?}");
                        assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error:?}");
                    }
                }
            }
        }
        assert_eq!(pool.stats().restarts, 0);
        assert_eq!(joined(square.on(&pool).submit(4)).unwrap(), 16);
    }
}

/// An item that may refuse to be encoded.
#[derive(Clone, Copy, Deserialize)]
struct Item(u64, bool);

impl Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.1 {
            return Err(serde::ser::Error::custom("it refuses"));
        }
        (self.0, self.1).serialize(serializer)
    }
}

#[parallel]
fn square_of(item: Item) -> u64 {
    item.0 * item.0
}

pub(crate) fn every_item_has_one_outcome_when_the_pool_ends_under_a_bad_item() {
    for len in [1, 2, 3, 7, 20] {
        for bad in [0, len / 2, len - 1] {
            for chunk_size in [None, Some(1), Some(4), Some(20)] {
                let pool = Pool::with_workers(2).unwrap();
                let task = square_of.on(&pool);
                let task = chunk_size.map_or_else(|| task.clone(), |size| task.chunk_size(size));
                let mut pool = Some(pool);
                let outcomes = task.par_map_results((0..len).map(|x| {
                    if x == bad {
                        pool.take().expect("one item is bad").terminate();
                    }
                    Item(x, x == bad)
                }));
                assert_eq!(outcomes.len() as u64, len);
                for (x, outcome) in (0..).zip(outcomes) {
                    match outcome {
                        Ok(value) => assert!(x < bad && value == x * x),
                        Err(error) => {
                            assert_eq!(error.index(), usize::try_from(x).ok(), "{error:?}");
                            assert_eq!(error.function(), Some("square_of"), "{error:?}");
                            let encode = matches!(error.kind(), ErrorKind::Encode(_));
                            assert!(encode || matches!(error.kind(), ErrorKind::Terminated), "{error:?}");
                            assert!(encode == (x == bad), "item {x}: {error:?}");
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn what_waits_behind_a_long_task_goes_to_a_free_worker_though_nobody_waits() {
    // Behind which of the two it waits is the pool's choice, so each is the long one once.
    for (long, short) in [("one", "other"), ("other", "one")] {
        let pool = Pool::with_workers(2).unwrap();
        // After quick tasks, each worker gets one ahead.
        let pids = pool.pids();
        eventually("both have worked", || {
            square_here.on(&pool).chunk_size(1).par_map(0..100).unwrap();
            pids.iter().all(|pid| noted("here").contains(pid)).then_some(())
        });
        forget("here");
        // Nothing slow was the latest.
        square.on(&pool).chunk_size(1).par_map(0..100).unwrap();
        let gates = ["one", "other"].map(|name| gated.on(&pool).submit(name));
        for name in ["one-runs", "other-runs"] {
            wait_for_note(name);
        }
        let behind = works.on(&pool).submit(3);
        settle();
        note(short);
        wait_for_note("worked");
        assert!(!gates[usize::from(long == "other")].is_finished());
        note(long);
        gates.into_iter().for_each(|gate| joined(gate).unwrap());
        assert_eq!(joined(behind).unwrap(), 9);
        for name in ["one", "other", "one-runs", "other-runs", "worked"] {
            forget(name);
        }
        pool.join().unwrap();
    }
}

#[parallel]
fn square_here(x: u64) -> u64 {
    note("here");
    x * x
}

#[parallel]
fn works_and_crashes(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
    std::process::abort();
}

pub(crate) fn time_until_a_timeout_or_a_crash_is_busy_time() {
    let limit = Duration::from_millis(300);
    for chunk_size in [1, 3] {
        let began = Instant::now();
        let pool = Pool::with_workers(1).unwrap();
        assert!(joined(hangs.on(&pool).timeout(limit).submit()).is_err());
        assert!(joined(works_and_crashes.on(&pool).submit(300)).is_err());
        let outcomes = works_and_crashes.on(&pool).chunk_size(chunk_size).par_map_results([300, 0, 0]);
        assert!(outcomes.iter().all(Result::is_err));
        let stats = pool.stats();
        // Each of the three ran for so long; the one worker was busy or idle at any time, never both.
        assert!(stats.busy >= 3 * limit, "{stats:?}");
        assert!(stats.busy + stats.idle <= began.elapsed(), "{stats:?}");
    }
}

pub(crate) fn time_of_a_task_that_runs_is_not_idle() {
    let began = Instant::now();
    let pool = Pool::with_workers(1).unwrap();
    let running = gated.on(&pool).submit("gate");
    wait_for_note("gate-runs");
    let before = pool.stats();
    let started = Instant::now();
    eventually("some time has passed", || (started.elapsed() > Duration::from_millis(200)).then_some(()));
    let now = pool.stats();
    assert!(now.idle < before.idle + Duration::from_millis(100), "{before:?}, then {now:?}");
    note("gate");
    joined(running).unwrap();
    let stats = pool.stats();
    assert!(stats.busy >= Duration::from_millis(200), "{stats:?}");
    assert!(stats.busy + stats.idle <= began.elapsed(), "{stats:?}");
}
