//! Tasks past their timeout, and tasks that are tried again.

use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_failures::inside::{forget, note, noted};

use crate::ways::{BAD, Worker, failing, fails_alone, fails_alone_after, hang, joined, tells, ways};

/// Long enough for what is quick, also on a busy machine.
const SHORT: Duration = Duration::from_millis(400);

fn is_timeout(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut { after } if *after == SHORT)
}

#[parallel]
fn hangs(x: u64) -> u64 {
    if x == BAD {
        failing();
        hang();
    }
    x * x
}

pub(crate) fn a_task_past_its_timeout_fails_alone() {
    fails_alone(&ways!(hangs.timeout(SHORT)), Worker::IsReplaced, is_timeout);
}

#[parallel]
fn spins(x: u64) -> u64 {
    if x == BAD {
        failing();
        while std::hint::black_box(true) {}
    }
    x * x
}

pub(crate) fn a_task_that_computes_past_its_timeout_fails_alone() {
    fails_alone(&ways!(spins.timeout(SHORT)), Worker::IsReplaced, is_timeout);
}

#[parallel]
fn stops(x: u64) -> u64 {
    if x == BAD {
        failing();
        // SAFETY: stops this process.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
    x * x
}

pub(crate) fn a_stopped_task_is_ended_by_its_timeout() {
    fails_alone(&ways!(stops.timeout(SHORT)), Worker::IsReplaced, is_timeout);
}

#[parallel]
fn refuses_to_end(x: u64) -> u64 {
    if x == BAD {
        failing();
        // SAFETY: sets a disposition.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        hang();
    }
    x * x
}

pub(crate) fn a_task_that_ignores_signals_is_ended_by_its_timeout() {
    fails_alone(&ways!(refuses_to_end.timeout(SHORT)), Worker::IsReplaced, is_timeout);
}

#[parallel]
#[allow(clippy::zombie_processes, reason = "it outlives the task: that is the case")]
fn starts_others(x: u64) -> u64 {
    if x == BAD {
        failing();
        // In a shell that waits for another: two generations.
        let shell = std::process::Command::new("sh").args(["-c", "sleep 3600; true"]).spawn().unwrap();
        parallel_failures::inside::note_process("started", shell.id());
        hang();
    }
    x * x
}

pub(crate) fn a_timeout_ends_what_the_task_started() {
    fails_alone(&ways!(starts_others.timeout(SHORT)), Worker::IsReplaced, is_timeout);
    let started = noted("started");
    assert_eq!(started.len(), 6);
    for pid in started {
        parallel_failures::eventually("what a task started is gone", || {
            (!parallel_failures::inside::runs(pid)).then_some(())
        });
    }
}

#[parallel]
fn naps(x: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(200));
    x * x
}

pub(crate) fn neighbours_that_are_slow_together_do_not_time_out() {
    let pool = Pool::with_workers(2).unwrap();
    // Each item has 1.5 s; a chunk of 9 takes 1.8 s at least, and the last one waits for two such.
    let limit = Duration::from_millis(1500);
    let started = Instant::now();
    let squares = naps.on(&pool).timeout(limit).chunk_size(9).par_map(0..27).unwrap();
    assert!(started.elapsed() > limit);
    assert_eq!(squares, (0..27).map(|x| x * x).collect::<Vec<_>>());
    let waiting: Vec<_> = (0..18).map(|x| naps.on(&pool).timeout(limit).submit(x)).collect();
    for (x, handle) in (0..18).zip(waiting) {
        assert_eq!(joined(handle).unwrap(), x * x);
    }
    assert_eq!(pool.stats().restarts, 0);
}

pub(crate) fn a_task_waits_for_its_turn_as_long_as_it_takes() {
    let pool = Pool::with_workers(1).unwrap();
    let before = naps.on(&pool).submit(7);
    let mut behind: Vec<_> = (0..4).map(|x| naps.on(&pool).submit(x)).collect();
    // It waits for a second, and runs for no time.
    let quick = hangs.on(&pool).timeout(Duration::from_millis(500)).submit(5);
    assert_eq!(joined(quick).unwrap(), 25);
    assert_eq!(joined(before).unwrap(), 49);
    for (x, handle) in (0..4).zip(behind.drain(..)) {
        assert_eq!(joined(handle).unwrap(), x * x);
    }
}

pub(crate) fn a_timeout_of_all_time_is_kept() {
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(joined(naps.timeout(Duration::MAX).spawn(4)).unwrap(), 16);
    assert_eq!(joined(naps.timeout(Duration::MAX).on(&pool).submit(4)).unwrap(), 16);
    assert_eq!(naps.timeout(Duration::MAX).on(&pool).par_map(0..2).unwrap(), [0, 1]);
}

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

pub(crate) fn a_timeout_of_no_time_is_refused_by_every_call() {
    let pool = Pool::with_workers(1).unwrap();
    let task = crashes_noting.on(&pool).timeout(Duration::ZERO);
    let outcomes: [(&str, Option<Error>); 8] = [
        ("spawn", joined(task.spawn(BAD)).err()),
        ("submit", joined(task.submit(BAD)).err()),
        ("par_map", task.par_map([BAD]).err()),
        ("par_map_results", task.par_map_results([BAD]).remove(0).err()),
        ("par_imap", task.par_imap([BAD]).next().unwrap().err()),
        ("par_imap_unordered", task.par_imap_unordered([BAD]).next().unwrap().1.err()),
        ("par_for_each", task.par_for_each([BAD]).err()),
        ("par_map_reduce", task.par_map_reduce([BAD], &add).err()),
    ];
    for (call, error) in outcomes {
        let error = error.unwrap_or_else(|| panic!("{call} went well"));
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{call}: {error:?}");
        assert!(error.to_string().contains("a timeout of zero leaves no time to run"), "{call}: {error}");
    }
    assert_eq!(noted("failing").len(), 0, "nothing ran");
    // The shortest that there is passes, and ends the call.
    let error = joined(hangs.on(&pool).timeout(Duration::from_nanos(1)).submit(BAD)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut { .. }), "{error:?}");
}

pub(crate) fn a_map_stops_at_the_first_timeout() {
    let pool = Pool::with_workers(2).unwrap();
    let error = hangs.on(&pool).timeout(SHORT).par_map(0..1_000_000).unwrap_err();
    assert!(is_timeout(error.kind()));
    tells(&error, "hangs", Some(3), noted("failing").last().copied(), 1);
    let error = hangs.on(&pool).timeout(SHORT).par_for_each(0..1_000_000).unwrap_err();
    assert!(is_timeout(error.kind()));
    assert_eq!(error.index(), Some(3));
    assert_eq!(joined(hangs.on(&pool).submit(4)).unwrap(), 16);
}

/// Fails as it is told until it was tried so many times.
#[parallel]
fn fails_at_first(how: u8, times: usize) -> Result<usize, String> {
    note("tried");
    let tried = noted("tried").len();
    if tried > times {
        return Ok(tried);
    }
    match how {
        0 => std::process::abort(),
        1 => std::process::exit(8),
        2 => hang(),
        3 => panic!("a panic"),
        _ => Err("an error".to_string()),
    }
}

pub(crate) fn only_the_death_of_a_process_is_tried_again() {
    let pool = Pool::with_workers(2).unwrap();
    for how in 0..=4 {
        for retries in [1, 2] {
            let task = fails_at_first.retries(retries).timeout(SHORT);
            let attempts = [
                &|| joined(task.spawn(how, 2)),
                &|| joined(task.on(&pool).submit(how, 2)),
                &|| task.on(&pool).par_map_results([(how, 2)]).remove(0),
                &|| task.on(&pool).par_imap([(how, 2)]).next().unwrap(),
            ] as [&dyn Fn() -> parallel::Result<Result<usize, String>>; 4];
            for attempt in attempts {
                forget("tried");
                let outcome = attempt();
                let tried = u32::try_from(noted("tried").len()).unwrap();
                match (how, &outcome) {
                    (0..=2, Ok(Ok(3))) if retries == 2 => assert_eq!(tried, 3),
                    (0..=2, Err(error)) if retries == 1 => {
                        tells(error, "fails_at_first", error.index(), noted("tried").last().copied(), 2);
                        assert_eq!(tried, 2);
                    }
                    (3, Err(error)) => assert_eq!((error.attempts(), tried), (1, 1)),
                    (4, Ok(Err(_))) => assert_eq!(tried, 1),
                    _ => panic!("{how} with {retries} retries: {outcome:?}"),
                }
            }
        }
    }
}

#[parallel]
fn crashes_noting(x: u64) -> u64 {
    note(&format!("item-{x}"));
    if x == BAD {
        failing();
        std::process::abort();
    }
    x * x
}

pub(crate) fn an_item_is_tried_again_without_its_neighbours() {
    let ways = ways!(crashes_noting.retries(2));
    fails_alone_after(&ways, Worker::IsReplaced, 3, |kind| {
        matches!(kind, ErrorKind::Signaled { signal: libc::SIGABRT, .. })
    });
    // Four maps, and once more for those that were called singly.
    assert_eq!(noted("item-9").len(), 4);
    assert_eq!(noted("item-2").len(), 6);
    assert_eq!(noted("item-3").len(), 6 * 3);
    assert_eq!(noted("item-4").len(), 6);
}
