//! Single calls: a process of its own, the way to a warm pool and back, and many on the way at once.

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row};

use super::{INSTEAD, PROCSPAWN, RAYON, procspawn_pool, rayon_pool, warm_zygote, workers};
use crate::limits::{futex, process};
use crate::python::{loky, multiprocessing};
use crate::works::{firsts, identities, identity};

const TRIPS: u32 = 1_000;
const SUBMITS: u32 = 10_000;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("spawn", "spawn().join() of a fresh process, by the zygote", || spawn(warm_zygote))
            .aim(process::SELF_EXEC, 0.35),
        Row::new("spawn-exec", "spawn().join() of a fresh process, by exec", || spawn(|| ()))
            .env("PARALLEL_ZYGOTE", "0")
            .aim(process::SELF_EXEC, 1.05),
        Row::new("round-trip", "submit(x).join() on a warm pool", round_trip)
            .aim(PROCSPAWN, 1.0)
            .aim(futex::SPIN_THEN_PARK, 2.0)
            .headline("A call on a warm pool: submit(x).join()", &INSTEAD),
        Row::new("frozen", "100 MB Frozen as an argument, submit(x).join()", frozen).aim(NUMBER, 1.0),
        Row::new("submits", "10,000 submits, then all joins", submits).aim(futex::SPINNING, 2.0),
    ]
}

fn spawn(prepare: fn()) -> Vec<Contender> {
    let check = |value: &u64| *value == 3;
    let ours = move || {
        prepare();
        || identities.spawn(3).join().expect("ours")
    };
    vec![
        Contender::timed(OURS, 1, ours, check),
        process::self_exec(),
        process::fork(),
        Contender::timed(PROCSPAWN, 1, || || procspawn::spawn(3, identity).join().expect("procspawn"), check),
        multiprocessing("spawn", 1, 1),
    ]
}

fn round_trip() -> Vec<Contender> {
    let check = |sum: &u64| *sum == (0..u64::from(TRIPS)).sum::<u64>();
    let ours = || || (0..u64::from(TRIPS)).map(|i| identities.submit(i).join().expect("ours")).sum();
    let with_procspawn = || {
        let pool = procspawn_pool();
        move || (0..u64::from(TRIPS)).map(|i| pool.spawn(i, identity).join().expect("procspawn")).sum()
    };
    let with_rayon = || {
        let pool = rayon_pool(workers());
        move || (0..u64::from(TRIPS)).map(|i| pool.install(|| identity(i))).sum()
    };
    vec![
        Contender::timed(OURS, TRIPS, ours, check),
        Contender::timed(PROCSPAWN, TRIPS, with_procspawn, check),
        // Ten times as many: each sample begins with a partner that must be woken.
        futex::spinning(10 * TRIPS, 10 * TRIPS),
        futex::spin_then_park(TRIPS, TRIPS),
        futex::parked(TRIPS, TRIPS),
        multiprocessing("round trip", TRIPS.into(), workers()),
        loky("round trip", TRIPS.into(), workers()),
        Contender::timed(RAYON, TRIPS, with_rayon, check),
    ]
}

/// The name of the call that has a number for its argument.
const NUMBER: &str = "parallel, a number";

/// The same call, of shared memory and of a number.
fn frozen() -> Vec<Contender> {
    let check = |sum: &u64| *sum == u64::from(TRIPS);
    let ours = || {
        let table = Frozen::from_vec(vec![1_u8; 100_000_000]).expect("shared memory");
        move || (0..TRIPS).map(|_| firsts.submit(table.clone()).join().expect("ours")).sum()
    };
    let of_numbers = || || (0..TRIPS).map(|_| identities.submit(1).join().expect("ours")).sum();
    vec![Contender::timed(OURS, TRIPS, ours, check), Contender::timed(NUMBER, TRIPS, of_numbers, check)]
}

fn submits() -> Vec<Contender> {
    let ours = || {
        || {
            let handles: Vec<_> = (0..u64::from(SUBMITS)).map(|i| identities.submit(i)).collect();
            handles.into_iter().map(|handle| handle.join().expect("ours")).sum::<u64>()
        }
    };
    vec![
        Contender::timed(OURS, 1, ours, |sum| *sum == (0..u64::from(SUBMITS)).sum::<u64>()),
        futex::spinning(SUBMITS, 1),
        multiprocessing("submits", SUBMITS.into(), workers()),
        loky("submits", SUBMITS.into(), workers()),
        Contender::skipped(PROCSPAWN, "panics: out of descriptors"),
    ]
}
