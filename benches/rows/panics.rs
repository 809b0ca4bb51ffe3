//! Panics: what one costs the worker in which it happens, and a process that ends with one.

use std::panic;

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row};

use super::warm_zygote;
use crate::works::{half, halves};

const ITEMS: u64 = 20_000;
const PANICS: u64 = ITEMS / 2;

/// The name of the contender that panics in this process.
const CAUGHT: &str = "std, caught";
/// The name of the call that returns.
const RETURNS: &str = "parallel, returns";

pub(super) fn rows() -> Vec<Row> {
    // Where a backtrace is asked for, std's look for the names in it takes all the time.
    [
        Row::new("panics", "10,000 panics of 20,000 items, a worker's time each", panics).aim_value(5e-6),
        Row::new("spawn-panics", "spawn().join() of a function that panics", spawns).aim(RETURNS, 1.5),
    ]
    .map(|row| row.env("RUST_BACKTRACE", "0"))
    .into()
}

fn panics() -> Vec<Contender> {
    let ours = || {
        let pool = Pool::with_workers(1).map_err(|error| error.to_string())?;
        Ok(move || {
            let worker = pool.pids().first().copied().ok_or("there is no worker")?;
            let before = processor_time(worker)?;
            let outcomes = halves.on(&pool).par_map_results(0..ITEMS);
            let taken = processor_time(worker)? - before;
            let panics = outcomes.iter().filter(|outcome| outcome.is_err()).count() as u64;
            if panics == PANICS { Ok(taken / PANICS as f64) } else { Err(format!("{panics} panics")) }
        })
    };
    let caught = || {
        // As silent as ours.
        panic::set_hook(Box::new(|_| ()));
        || (0..ITEMS).filter(|number| panic::catch_unwind(|| half(*number)).is_err()).count() as u64
    };
    vec![
        Contender::gauge(OURS, ours),
        Contender::timed(CAUGHT, u32::try_from(PANICS).expect("a small number"), caught, |panics| *panics == PANICS),
    ]
}

/// The time that the first thread of a process has run, in seconds.
fn processor_time(pid: u32) -> Result<f64, String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).map_err(|error| error.to_string())?;
    let nanoseconds: f64 = text.split(' ').next().and_then(|first| first.parse().ok()).ok_or("no time")?;
    Ok(nanoseconds / 1e9)
}

fn spawns() -> Vec<Contender> {
    let panics = || {
        warm_zygote();
        || halves.spawn(3).join().is_err()
    };
    let returns = || {
        warm_zygote();
        || halves.spawn(4).join().is_ok()
    };
    vec![Contender::timed(OURS, 1, panics, |failed| *failed), Contender::timed(RETURNS, 1, returns, |value| *value)]
}
