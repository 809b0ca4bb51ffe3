//! Workers that cannot start: initializers that fail, and a program without descriptors.

use std::fs::File;
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{Census, forget, note, noted, send_signal};

use crate::ways::{joined, limit};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

/// Goes well so many times, then fails as it is told.
#[parallel]
fn start(well: usize, how: u8) -> Result<(), String> {
    note("starts");
    if noted("starts").len() <= well {
        return Ok(());
    }
    match how {
        0 => panic!("the model is missing"),
        1 => Err("the model is missing".to_string()),
        2 => std::process::exit(8),
        _ => std::process::abort(),
    }
}

/// What an error of a start says of how it failed.
fn says(error: &Error, how: u8) {
    assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
    let text = error.to_string();
    let expected = ["the model is missing", "the model is missing", "8", "SIGABRT"][usize::from(how)];
    assert!(text.contains(expected), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    println!("{text}");
}

pub(crate) fn an_initializer_that_fails_is_an_error_of_the_build() {
    for how in 0..=3 {
        for workers in [1, 4] {
            forget("starts");
            says(&Pool::builder().workers(workers).initializer(&start, (0, how)).build().unwrap_err(), how);
            assert!(noted("starts").len() <= workers, "each worker is tried once");
            // Some go well.
            forget("starts");
            if workers > 1 {
                says(&Pool::builder().workers(workers).initializer(&start, (2, how)).build().unwrap_err(), how);
                assert!(noted("starts").len() <= workers);
            }
        }
    }
}

/// Fails from the second time to the fourth.
#[parallel]
fn start_after_a_while() -> Result<(), String> {
    note("starts");
    match noted("starts").len() {
        2..=4 => Err("the model is missing".to_string()),
        _ => Ok(()),
    }
}

pub(crate) fn a_call_that_may_be_tried_again_outlives_workers_that_do_not_start() {
    for retries in [0, 1, 3] {
        forget("starts");
        let pool = Pool::builder().workers(1).initializer(&start_after_a_while, ()).build().unwrap();
        assert_eq!(joined(square.on(&pool).submit(2)).unwrap(), 4);
        send_signal(pool.pids()[0], libc::SIGKILL);
        eventually("no worker starts", || (noted("starts").len() > 1).then_some(()));
        let outcome = joined(square.on(&pool).retries(retries).submit(3));
        match retries {
            3 => assert_eq!(outcome.unwrap(), 9),
            _ => says(&outcome.unwrap_err(), 1),
        }
    }
}

pub(crate) fn an_initializer_that_fails_later_fails_the_calls_without_a_storm() {
    for how in 0..=3 {
        forget("starts");
        let pool = Pool::builder().workers(1).initializer(&start, (1, how)).build().unwrap();
        assert_eq!(joined(square.on(&pool).submit(2)).unwrap(), 4);
        send_signal(pool.pids()[0], libc::SIGKILL);
        let began = Instant::now();
        for x in 0..3 {
            says(&joined(square.on(&pool).submit(x)).unwrap_err(), how);
        }
        let outcomes = square.on(&pool).par_map_results(0..100);
        assert_eq!(outcomes.len(), 100);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let error = outcome.unwrap_err();
            assert_eq!((error.function(), error.index()), (Some("square"), Some(index)));
            says(&error, how);
        }
        // One for the build; then pauses that double from 100 ms on. The bound holds however slow this machine is.
        let most = 2 + usize::try_from(began.elapsed().as_millis() / 100).unwrap();
        assert!(noted("starts").len() <= most.min(12), "{} starts", noted("starts").len());
        if how == 0 {
            pool.join().unwrap();
        }
    }
}

pub(crate) fn a_worker_that_cannot_come_back_leaves_the_work_to_the_others() {
    forget("starts");
    let pool = Pool::builder().workers(2).initializer(&start, (2, 1)).build().unwrap();
    send_signal(pool.pids()[0], libc::SIGKILL);
    for _ in 0..5 {
        assert_eq!(square.on(&pool).par_map(0..100).unwrap(), (0..100).map(|x| x * x).collect::<Vec<_>>());
    }
    eventually("it was tried again", || (noted("starts").len() > 2).then_some(()));
    assert_eq!(square.on(&pool).par_map(0..3).unwrap(), [0, 1, 4]);
    pool.join().unwrap();
}

#[parallel]
fn recover(bad: usize) {
    note("starts");
    assert_ne!(noted("starts").len(), bad, "not this time");
}

pub(crate) fn a_worker_that_fails_to_start_once_is_tried_again() {
    forget("starts");
    let pool = Pool::builder().workers(1).initializer(&recover, (2,)).build().unwrap();
    send_signal(pool.pids()[0], libc::SIGKILL);
    eventually("the second start has failed and the third goes well", || (noted("starts").len() == 3).then_some(()));
    // Until that has reported in, calls may still hear of the second.
    assert_eq!(eventually("calls go well", || joined(square.on(&pool).submit(3)).ok()), 9);
    assert_eq!(noted("starts").len(), 3);
}

#[parallel]
fn never_ready() {
    note("starts");
    crate::ways::hang();
}

pub(crate) fn a_pool_that_waits_for_its_initializer_can_be_given_up() {
    // It is killed by its deadline: the one of starts is given by the environment.
    // SAFETY: no other thread of this program reads the environment now.
    unsafe { std::env::set_var("PARALLEL_START_TIMEOUT", "0.3") };
    let error = Pool::builder().workers(2).initializer(&never_ready, ()).build().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
    assert!(error.to_string().contains("300ms"), "{error}");
    println!("{error}");
    // SAFETY: as above.
    unsafe { std::env::remove_var("PARALLEL_START_TIMEOUT") };
}

/// Takes all descriptors that are free, but for so many.
fn without_descriptors<T>(left: usize, body: impl FnOnce() -> T) -> T {
    let before = limit(libc::RLIMIT_NOFILE, 128);
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - left);
    let value = body();
    drop(taken);
    limit(libc::RLIMIT_NOFILE, before);
    value
}

pub(crate) fn without_descriptors_nothing_starts_and_later_it_does() {
    for left in [0, 1, 2, 3, 4] {
        // What the last round had is given back.
        Census::at_rest();
        let (spawned, pool) = without_descriptors(left, || (joined(square.spawn(3)), Pool::with_workers(2)));
        // What is left may suffice, for one process more than for two workers.
        for error in [spawned.err(), pool.err()].into_iter().flatten() {
            assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
            assert!(error.to_string().contains("Too many open files"), "{error}");
            println!("{left}: {error}");
        }
    }
    Census::at_rest();
    let (spawned, pool) = without_descriptors(0, || (joined(square.spawn(3)), Pool::with_workers(2)));
    assert!(spawned.is_err() && pool.is_err());
    assert_eq!(joined(square.spawn(3)).unwrap(), 9);
    let pool = Pool::with_workers(2).unwrap();
    assert_eq!(square.on(&pool).par_map(0..3).unwrap(), [0, 1, 4]);
}

pub(crate) fn a_pool_without_descriptors_fails_its_calls_and_recovers() {
    let pool = Pool::with_workers(1).unwrap();
    without_descriptors(0, || {
        // What needs none goes on.
        assert_eq!(square.on(&pool).par_map(0..3).unwrap(), [0, 1, 4]);
        send_signal(pool.pids()[0], libc::SIGKILL);
        // The dead worker gives its own back: its successor may take more, so they are taken too.
        eventually("it is gone", || pool.pids().is_empty().then_some(()));
        let more: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let outcome = joined(square.on(&pool).submit(3));
        if let Err(error) = &outcome {
            assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
            println!("{error}");
        }
        drop(more);
    });
    let began = Instant::now();
    eventually("it recovers", || joined(square.on(&pool).submit(3)).ok());
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[parallel]
fn grow(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[parallel]
fn length(text: &str) -> usize {
    text.len()
}

pub(crate) fn large_values_without_descriptors_are_errors_of_their_calls() {
    let pool = Pool::with_workers(2).unwrap();
    let large = "x".repeat(4 << 20);
    without_descriptors(0, || {
        for error in [
            joined(grow.on(&pool).submit(4 << 20)).unwrap_err(),
            grow.on(&pool).par_map_results([10, 4 << 20, 20]).remove(1).unwrap_err(),
            joined(length.on(&pool).submit(&large)).unwrap_err(),
            length.on(&pool).par_map_results(["a", &large, "b"]).remove(1).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("ulimit -n") || text.contains("Too many open files"), "{error}");
            assert!(!text.contains("could not be started"), "the process was there: {error}");
            assert!(error.function().is_some_and(|function| text.contains(function)), "{error}");
            println!("{error}");
        }
        // Neighbours get their values.
        let lengths = grow.on(&pool).chunk_size(3).par_map_results([10, 4 << 20, 20]);
        assert_eq!(lengths[0].as_ref().unwrap().len(), 10);
        assert_eq!(lengths[2].as_ref().unwrap().len(), 20);
    });
    assert_eq!(joined(grow.on(&pool).submit(4 << 20)).unwrap().len(), 4 << 20);
    assert_eq!(joined(length.on(&pool).submit(&large)).unwrap(), 4 << 20);
}
