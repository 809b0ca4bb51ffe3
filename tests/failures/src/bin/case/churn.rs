//! Pools under stress: workers that come and go, and pools that end with all hands full.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{note, send_signal, wait_for_note};

use crate::ways::{hang, joined};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn square_here(x: u64) -> (u64, u32) {
    (x * x, std::process::id())
}

#[parallel]
fn waits(x: u64) -> u64 {
    note("waiting");
    std::thread::sleep(Duration::from_secs(300));
    x
}

fn is_terminated<R: std::fmt::Debug>(outcome: parallel::Result<R>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Terminated), "{error:?}");
    assert_eq!(error.to_string().lines().count(), 1);
}

pub(crate) fn a_terminated_pool_ends_at_once_with_thousands_pending() {
    for by_drop in [false, true] {
        let pool = Pool::with_workers(2).unwrap();
        let later = square.on(&pool);
        let handles: Vec<_> = (0..10_000).map(|x| waits.on(&pool).submit(x)).collect();
        wait_for_note("waiting");
        let began = Instant::now();
        if by_drop {
            drop(pool)
        } else {
            pool.terminate()
        }
        // Ten thousand of 300 s would take 17 days.
        assert!(began.elapsed() < Duration::from_secs(30));
        for handle in handles {
            assert!(handle.is_finished());
            assert_eq!(handle.pid(), None);
            is_terminated(joined(handle));
        }
        is_terminated(joined(later.submit(3)));
        is_terminated(later.par_map(0..3));
        let outcomes = later.par_map_results(0..3);
        assert_eq!(outcomes.len(), 3);
        outcomes.into_iter().for_each(is_terminated);
    }
}

pub(crate) fn maps_end_with_their_pool() {
    let pool = Pool::with_workers(2).unwrap();
    let (map, results, lazy, each) = (waits.on(&pool), waits.on(&pool).chunk_size(5), waits.on(&pool), waits.on(&pool));
    std::thread::scope(|scope| {
        scope.spawn(move || is_terminated(map.par_map(0..1000)));
        scope.spawn(move || {
            let outcomes = results.par_map_results(0..1000);
            assert_eq!(outcomes.len(), 1000);
            outcomes.into_iter().for_each(is_terminated);
        });
        // Endless, but for the pool's end.
        scope.spawn(move || lazy.par_imap(0..).for_each(is_terminated));
        scope.spawn(move || is_terminated(each.par_for_each(0..1000)));
        wait_for_note("waiting");
        pool.terminate();
    });
}

pub(crate) fn a_closed_pool_finishes_what_it_has_and_takes_no_more() {
    let pool = Pool::with_workers(2).unwrap();
    let later = square.on(&pool);
    let handles: Vec<_> = (0..2_000).map(|x| square.on(&pool).submit(x)).collect();
    pool.join().unwrap();
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(joined(handle).unwrap(), x * x);
    }
    let error = joined(later.submit(3)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error:?}");
    println!("{error}");
    assert!(matches!(later.par_map(0..3).unwrap_err().kind(), ErrorKind::Closed));
}

pub(crate) fn workers_are_replaced_after_their_tasks_with_thousands_pending() {
    const TASKS: usize = 50;
    let pool = Pool::builder().workers(2).tasks_per_worker(TASKS).build().unwrap();
    let handles: Vec<_> = (0..2_000).map(|x| square_here.on(&pool).submit(x)).collect();
    let mut calls: HashMap<u32, usize> = HashMap::new();
    for (x, handle) in (0..).zip(handles) {
        let (value, pid) = joined(handle).unwrap();
        assert_eq!(value, x * x);
        *calls.entry(pid).or_default() += 1;
    }
    for (chunk_size, items) in [(None, 1_000_u64), (Some(7), 200), (Some(120), 400)] {
        let task = square_here.on(&pool);
        let task = chunk_size.map_or_else(|| task.clone(), |size| task.chunk_size(size));
        for (x, (value, pid)) in (0..).zip(task.par_map(0..items).unwrap()) {
            assert_eq!(value, x * x);
            *calls.entry(pid).or_default() += 1;
        }
    }
    assert!(calls.values().all(|calls| *calls <= TASKS), "{calls:?}");
    assert_eq!(calls.values().sum::<usize>(), 3_600);
    let stats = pool.stats();
    assert_eq!((stats.tasks_done, stats.tasks_failed, stats.restarts), (3_600, 0, 0));
    assert!(stats.recycled >= 3_600 / TASKS as u64 - 2, "{stats:?}");
    // Nobody waits in the pool: the reactor alone hands on.
    let handles: Vec<_> = (0..300).map(|x| square.on(&pool).submit(x)).collect();
    for (x, outcome) in parallel::as_completed(handles) {
        assert_eq!(outcome.unwrap(), (x * x) as u64);
    }
    pool.join().unwrap();
}

#[parallel]
fn works(x: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(500));
    x * x
}

pub(crate) fn kills_at_random_moments_lose_no_value() {
    let pool = Pool::with_workers(4).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
            let mut kills = 0;
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(3) || kills < 30 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pids = pool.pids();
                if let Some(pid) = pids.get((random >> 33) as usize % 4) {
                    send_signal(*pid, libc::SIGKILL);
                    kills += 1;
                }
                std::thread::sleep(Duration::from_micros(random >> 50));
            }
            println!("{kills} kills");
            over.store(true, Ordering::Relaxed);
        });
        let mut rounds = 0;
        while !over.load(Ordering::Relaxed) {
            let task = works.on(&pool).retries(1_000);
            match rounds % 4 {
                0 => assert_eq!(task.par_map(0..200).unwrap(), (0..200).map(|x| x * x).collect::<Vec<_>>()),
                1 => {
                    let squares = task.chunk_size(13).par_map(0..200).unwrap();
                    assert_eq!(squares, (0..200).map(|x| x * x).collect::<Vec<_>>());
                }
                2 => {
                    let sum = task.par_map_reduce(0..200, &add).unwrap();
                    assert_eq!(sum, Some((0..200).map(|x| x * x).sum()));
                }
                _ => {
                    let handles: Vec<_> = (0..100).map(|x| task.submit(x)).collect();
                    for (x, outcome) in parallel::as_completed(handles) {
                        assert_eq!(outcome.unwrap(), (x * x) as u64);
                    }
                }
            }
            rounds += 1;
        }
        println!("{rounds} rounds");
    });
    eventually("the pool is complete", || (pool.pids().len() == 4).then_some(()));
    assert_eq!(pool.stats().tasks_failed, 0);
    assert_eq!(square.on(&pool).par_map(0..100).unwrap(), (0..100).map(|x| x * x).collect::<Vec<_>>());
}

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[parallel]
fn adds_badly(a: u64, b: u64) -> u64 {
    match a + b {
        5 => panic!("a bad sum"),
        25 => hang(),
        41 => std::process::abort(),
        sum => sum,
    }
}

pub(crate) fn a_merge_that_fails_is_told_by_its_own_name() {
    let pool = Pool::with_workers(2).unwrap();
    let merge = |items: [u64; 3]| {
        let task = square.on(&pool).chunk_size(3).timeout(Duration::from_millis(400));
        let error = task.par_map_reduce(items, &adds_badly).unwrap_err();
        assert_eq!((error.function(), error.index()), (Some("adds_badly"), None), "{error}");
        println!("{error}");
        error
    };
    assert!(matches!(merge([1, 2, 0]).kind(), ErrorKind::Panicked(_)));
    assert!(matches!(merge([3, 4, 0]).kind(), ErrorKind::TimedOut { .. }));
    assert!(matches!(merge([4, 5, 0]).kind(), ErrorKind::Signaled { .. }));
    // The mapped function's own failure is told by item.
    let error = sometimes.on(&pool).chunk_size(3).par_map_reduce([(1, 1), (6, 1), (2, 1)], &adds_badly).unwrap_err();
    assert_eq!((error.function(), error.index()), (Some("sometimes"), Some(1)), "{error}");
    assert_eq!(square.on(&pool).par_map_reduce(0..3, &add).unwrap(), Some(5));
}

pub(crate) fn many_threads_share_a_pool_whose_tasks_fail() {
    let pool = Pool::with_workers(2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..10 {
                    let outcomes = sometimes.on(pool).par_map_results((0..30).map(|x| (x, thread)));
                    for (x, outcome) in (0..).zip(outcomes) {
                        match outcome {
                            Ok(value) => assert_eq!(value, x + thread),
                            Err(error) => {
                                assert_eq!((x + thread) % 10, 7, "{error}");
                                assert_eq!(error.index(), usize::try_from(x).ok());
                            }
                        }
                    }
                    assert_eq!(joined(sometimes.on(pool).submit(round, 100)).is_err(), round == 7);
                }
            });
        }
    });
    assert_eq!(pool.stats().tasks_failed, 8 * (10 * 3 + 1));
}

#[parallel]
fn sometimes(x: u64, y: u64) -> u64 {
    if (x + y) % 10 == 7 {
        if y.is_multiple_of(2) {
            std::process::exit(3);
        }
        panic!("sometimes");
    }
    x + y
}
