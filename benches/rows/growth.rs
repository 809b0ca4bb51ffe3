//! Growth: more items, more workers than cores, a long queue.

use std::thread;

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row, Unit};
use rayon::prelude::*;

use super::{RAYON, ends, maps_a_sample, repeated, workers};
use crate::limits::process;
use crate::works::{identities, is_perfect, perfects, sleepers, square_root, square_roots};

/// The sizes, as powers of ten.
const POWERS: [u32; 5] = [3, 4, 5, 6, 7];
const MANY_WORKERS: usize = 64;
const PERFECT_TO: u64 = 20_000;
const TINY: u64 = 1_000_000;
const QUEUED: u32 = 1_000_000;
const FEW: usize = 2;
const WAITING: usize = 256;
const IDLE: usize = 512;
/// So many calls make a sample.
const CALLS: u32 = 100;

pub(super) fn rows() -> Vec<Row> {
    let sizes = POWERS.windows(2).map(|pair| by_size(pair[0], pair[1]));
    let one_for_each_core = format!("{OURS}, a worker a core");
    let many = [
        Row::new("many-compute", "64 workers: perfect numbers to 20,000", many_compute).aim(&one_for_each_core, 1.1),
        Row::new("many-tiny", "64 workers: sqrt of 1,000,000", many_tiny).aim(&one_for_each_core, 1.3),
    ];
    let queue = Row::new("queue", "1,000,000 queued: memory of one", queue).unit(Unit::Bytes);
    let beside = [
        Row::new("beside-waiting", "a call while 256 threads wait for others", beside_waiting).aim(&beside(FEW), 2.0),
        Row::new("beside-idle", "a call beside 511 idle workers", beside_idle).aim(&beside(FEW), 1.5),
    ];
    sizes.chain(many).chain(beside).chain([queue]).collect()
}

/// The time of one item at one size, against that at the size before.
fn by_size(before: u32, power: u32) -> Row {
    let contenders = move || {
        let size = size(power);
        let with_rayon =
            move || move || repeated(size, || (0..size).into_par_iter().map(square_root).collect::<Vec<f64>>());
        vec![
            ours_of_size(OURS, power),
            ours_of_size(&at_size(before), before),
            Contender::timed(RAYON, items_a_sample(size), with_rayon, check_roots(size)),
        ]
    };
    Row::new(format!("growth-{power}"), format!("sqrt, one item of 10^{power}"), contenders).aim(&at_size(before), 1.0)
}

fn size(power: u32) -> u64 {
    10_u64.pow(power)
}

fn at_size(power: u32) -> String {
    format!("{OURS}, one of 10^{power}")
}

fn ours_of_size(name: &str, power: u32) -> Contender {
    let size = size(power);
    let work = move || move || repeated(size, || square_roots.par_map(0..size).expect("ours"));
    Contender::timed(name, items_a_sample(size), work, check_roots(size))
}

fn items_a_sample(size: u64) -> u32 {
    maps_a_sample(size) * u32::try_from(size).expect("sizes are counted in 32 bits")
}

fn check_roots(size: u64) -> impl Fn(&Vec<f64>) -> bool {
    ends(size as usize, square_root(0), square_root(size - 1))
}

/// A pool with far more workers than cores, and one with as many.
fn many<R: 'static, C: Fn(&R) -> bool + 'static>(map: fn(&Pool) -> R, check: fn() -> C) -> Vec<Contender> {
    let with = move |name: &str, workers: usize| {
        let work = move || {
            let pool = Pool::with_workers(workers).expect("a pool");
            move || map(&pool)
        };
        Contender::timed(name, 1, work, check())
    };
    vec![with(OURS, MANY_WORKERS), with(&format!("{OURS}, a worker a core"), workers())]
}

fn many_compute() -> Vec<Contender> {
    many(
        |pool| perfects.on(pool).par_map(1..=PERFECT_TO).expect("ours"),
        || ends(PERFECT_TO as usize, is_perfect(1), is_perfect(PERFECT_TO)),
    )
}

fn many_tiny() -> Vec<Contender> {
    many(|pool| square_roots.on(pool).par_map(0..TINY).expect("ours"), || check_roots(TINY))
}

fn beside(others: usize) -> String {
    format!("{OURS}, beside {others}")
}

/// One short call after the other, while others do something.
fn calls_beside(name: &str, pool: impl FnOnce() -> Pool + 'static) -> Contender {
    let work = || {
        let pool = pool();
        move || {
            let on_pool = identities.on(&pool);
            (0..CALLS).map(|_| on_pool.submit(1).join().expect("ours")).sum::<u64>()
        }
    };
    Contender::timed(name, CALLS, work, |&sum| sum == u64::from(CALLS))
}

/// A pool in which so many calls run, each with a thread that waits for it, and that has one worker more.
fn waited_for(calls: usize) -> Pool {
    let pool = Pool::with_workers(calls + 1).expect("a pool");
    for _ in 0..calls {
        let call = sleepers.on(&pool).submit();
        // It fails as the pool ends.
        thread::spawn(move || drop(call.join()));
    }
    while pool.stats().running < calls {
        thread::yield_now();
    }
    pool
}

fn beside_waiting() -> Vec<Contender> {
    vec![calls_beside(OURS, || waited_for(WAITING)), calls_beside(&beside(FEW), || waited_for(FEW))]
}

fn beside_idle() -> Vec<Contender> {
    let idle = |workers| move || Pool::with_workers(workers).expect("a pool");
    vec![calls_beside(OURS, idle(IDLE)), calls_beside(&beside(FEW), idle(FEW))]
}

/// What this process holds for each task that waits behind one that never ends.
fn queue() -> Vec<Contender> {
    let sample = || {
        let words = |error: parallel::Error| error.to_string();
        let pool = Pool::with_workers(1).map_err(words)?;
        let _runs = sleepers.on(&pool).submit();
        let before = process::own_memory().ok_or("no memory figures")?;
        let on_pool = identities.on(&pool);
        let handles: Vec<_> = (0..u64::from(QUEUED)).map(|i| on_pool.submit(i)).collect();
        let after = process::own_memory().ok_or("no memory figures")?;
        pool.terminate();
        drop(handles);
        Ok((after - before) / f64::from(QUEUED))
    };
    vec![Contender::gauge(OURS, move || Ok(sample))]
}
