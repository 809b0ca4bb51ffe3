//! What something costs beside much, against what it costs beside little: the shape of a cost, which is the same on any machine.

use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel::sync::Event;

#[parallel]
fn successor(x: u64) -> u64 {
    x + 1
}

/// Runs until it may end.
#[parallel]
fn hold(may_end: Event) {
    may_end.wait();
}

/// The least of several times: what else the machine does only adds to one.
fn least(times: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| measure()).min().expect("it is measured")
}

/// The usual one of several times.
fn median(times: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..times).map(|_| measure()).collect();
    all.sort_unstable();
    all[times / 2]
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let since = Instant::now();
    let result = work();
    let took = since.elapsed();
    drop(result);
    took
}

/// Fails where `large`, the cost beside much, is more than so many times the cost beside little.
fn assert_flat(what: &str, small: Duration, large: Duration, most: u32) {
    println!("{what}: {small:?} beside little, {large:?} beside much");
    assert!(large <= small * most, "{what} takes {large:?} beside much, and {small:?} beside little");
}

fn short_call(pool: &Pool) -> Duration {
    time(|| assert_eq!(successor.on(pool).submit(1).join().unwrap(), 2))
}

#[test]
fn a_call_takes_as_long_however_many_threads_wait_for_others() {
    const MANY: usize = 96;
    let pool = Pool::with_workers(MANY + 1).unwrap();
    let may_end = Event::new().unwrap();
    let calls = 300;
    thread::scope(|scope| {
        let wait = || {
            let (pool, may_end) = (&pool, may_end.clone());
            scope.spawn(move || hold.on(pool).submit(may_end).join().unwrap());
        };
        wait();
        let few = median(calls, || short_call(&pool));
        (1..MANY).for_each(|_| wait());
        while pool.stats().running < MANY {
            thread::yield_now();
        }
        let many = median(calls, || short_call(&pool));
        may_end.set();
        assert_flat("a short call, while others wait,", few, many, 4);
    });
}

#[test]
fn a_look_at_a_call_takes_as_long_however_many_workers_have_nothing_to_do() {
    let [few, many] = [2, 200].map(|workers| {
        let pool = Pool::with_workers(workers).unwrap();
        let may_end = Event::new().unwrap();
        let held = hold.on(&pool).submit(may_end.clone());
        let look = least(2_000, || time(|| assert!(!held.is_finished())));
        may_end.set();
        look
    });
    assert_flat("to ask whether a call has finished, beside idle workers,", few, many, 4);
}

/// A pool whose only worker is held, with so many calls that wait for it.
fn queued(calls: u64, may_end: &Event) -> (Pool, Vec<JoinHandle<u64>>) {
    let pool = Pool::with_workers(1).unwrap();
    drop(hold.on(&pool).submit(may_end.clone()));
    let on_pool = successor.on(&pool);
    let handles = (0..calls).map(|x| on_pool.submit(x)).collect();
    (pool, handles)
}

#[test]
fn what_waits_is_cancelled_and_counted_as_fast_however_much_else_waits() {
    const SOME: u32 = 500;
    let may_end = Event::new().unwrap();
    let mut cancels = Vec::new();
    let mut looks = Vec::new();
    for calls in [1_000, 100_000] {
        let (pool, mut handles) = queued(calls, &may_end);
        looks.push(least(100, || time(|| pool.stats())));
        let cancel = least(2, || {
            let last = handles.split_off(handles.len() - SOME as usize);
            time(|| last.into_iter().rev().for_each(|call| assert!(call.cancel())))
        });
        cancels.push(cancel / SOME);
        pool.terminate();
    }
    assert_flat("to cancel a call", cancels[0], cancels[1], 4);
    assert_flat("to ask for statistics", looks[0], looks[1], 4);
}

#[test]
fn a_lazy_map_is_dropped_as_fast_however_many_calls_of_others_wait() {
    let [few, many] = [100, 100_000].map(|calls| {
        let pool = Pool::with_workers(1).unwrap();
        let may_end = Event::new().unwrap();
        let mut maps: Vec<_> = (0..10).map(|_| successor.on(&pool).window(8).par_imap(0..)).collect();
        maps.iter_mut().for_each(|map| assert_eq!(map.next().unwrap().unwrap(), 1));
        drop(hold.on(&pool).submit(may_end));
        let on_pool = successor.on(&pool);
        let _handles: Vec<JoinHandle<u64>> = (0..calls).map(|x| on_pool.submit(x)).collect();
        // With a window of 8, one more of each map waits behind the calls.
        maps.iter_mut().for_each(|map| assert_eq!(map.nth(2).unwrap().unwrap(), 4));
        let dropped = maps.into_iter().map(|map| time(|| drop(map))).min().expect("there are some");
        pool.terminate();
        dropped
    });
    assert_flat("to drop a lazy map", few, many, 4);
}
