//! Locks: nobody else wants it, and everybody does. The peer's is between threads of one process.

use std::sync::Mutex;
use std::thread;

use parallel::shared::Value;
use parallel_benches::{Contender, OURS, Row};

use super::workers;
use crate::works::add_to;

const STD: &str = "std, threads";
const OURS_IN_THREADS: &str = "ours, threads";

/// How often each thread or process locks, in one sample.
const TURNS: u32 = 200_000;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("lock", "lock, add 1, unlock: nobody else wants it", alone).aim(STD, 2.0),
        Row::new("contended-lock", "the same, from every core at a time", together),
    ]
}

fn alone() -> Vec<Contender> {
    let ours = || {
        let mutex = parallel::sync::Mutex::new(0_u64).expect("our lock");
        move || {
            let before = *mutex.lock().expect("our lock");
            (0..TURNS).for_each(|_| *mutex.lock().expect("our lock") += 1);
            *mutex.lock().expect("our lock") - before
        }
    };
    let with_std = || {
        let mutex = Box::new(Mutex::new(0_u64));
        move || {
            let before = *mutex.lock().expect("std's lock");
            (0..TURNS).for_each(|_| *mutex.lock().expect("std's lock") += 1);
            *mutex.lock().expect("std's lock") - before
        }
    };
    vec![
        Contender::timed(OURS, TURNS, ours, |turns| *turns == u64::from(TURNS)),
        Contender::timed(STD, TURNS, with_std, |turns| *turns == u64::from(TURNS)),
    ]
}

fn together() -> Vec<Contender> {
    let count = u32::try_from(workers()).expect("the number of cores is small");
    let all = TURNS * count;
    let in_processes = move || {
        let pool = parallel::Pool::with_workers(workers()).expect("our pool");
        let value = Value::new(0_u64).expect("our value");
        move || {
            let before = value.get().expect("our value");
            let calls: Vec<_> = (0..count).map(|_| add_to.on(&pool).submit(value.clone(), TURNS)).collect();
            calls.into_iter().for_each(|call| call.join().expect("ours"));
            value.get().expect("our value") - before
        }
    };
    let in_threads = move || {
        let mutex = parallel::sync::Mutex::new(0_u64).expect("our lock");
        move || {
            let before = *mutex.lock().expect("our lock");
            thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| (0..TURNS).for_each(|_| *mutex.lock().expect("our lock") += 1));
                }
            });
            *mutex.lock().expect("our lock") - before
        }
    };
    let with_std = move || {
        let mutex = Box::new(Mutex::new(0_u64));
        move || {
            let before = *mutex.lock().expect("std's lock");
            thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| (0..TURNS).for_each(|_| *mutex.lock().expect("std's lock") += 1));
                }
            });
            *mutex.lock().expect("std's lock") - before
        }
    };
    vec![
        Contender::timed(OURS, all, in_processes, move |turns| *turns == u64::from(all)),
        Contender::timed(STD, all, with_std, move |turns| *turns == u64::from(all)),
        Contender::timed(OURS_IN_THREADS, all, in_threads, move |turns| *turns == u64::from(all)),
    ]
}
