//! Pools: from nothing to the end, and while they wait.

use std::thread;
use std::time::Duration;

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row, Unit};
use rayon::prelude::*;

use super::{INSTEAD, PROCSPAWN, RAYON, in_chunks, procspawn_pool, rayon_pool, warm_zygote, workers};
use crate::limits::process::{self, Waiting};
use crate::python::{loky, multiprocessing};
use crate::works::{square_root, square_roots};

const COLD_WORKERS: usize = 2;
const ITEMS: u64 = 10_000;
/// An idle process of this program, which waits for its input.
const WAITING: &str = "a process that waits";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("cold", "pool of 2, map of 10,000, terminate, by the zygote", || cold(warm_zygote))
            .aim(process::SELF_EXEC, 2.5)
            .headline("A fresh pool of 2: start, map 10,000 roots, stop", &INSTEAD),
        Row::new("cold-exec", "pool of 2, map of 10,000, terminate, by exec", || cold(|| ()))
            .env("PARALLEL_ZYGOTE", "0")
            .aim(process::SELF_EXEC, 2.5),
        Row::new("idle-memory", "idle worker: private dirty memory", || idle("idle memory", private_dirty))
            .unit(Unit::Bytes)
            .aim_value(1e6),
        Row::new("idle-switches", "idle workers: context switches in 1 s", || idle("idle switches", context_switches))
            .unit(Unit::Count)
            .aim_value(0.0),
    ]
}

fn cold(prepare: fn()) -> Vec<Contender> {
    let check = |results: &Vec<f64>| results.len() == ITEMS as usize;
    let ours = move || {
        prepare();
        || {
            let pool = Pool::with_workers(COLD_WORKERS).expect("a pool");
            let results = square_roots.on(&pool).par_map(0..ITEMS).expect("ours");
            pool.terminate();
            results
        }
    };
    let with_procspawn = || {
        let numbers: Vec<u64> = (0..ITEMS).collect();
        move || {
            let pool = procspawn::Pool::new(COLD_WORKERS).expect("procspawn's pool");
            let size = numbers.len().div_ceil(COLD_WORKERS);
            in_chunks(&pool, &numbers, size, |chunk| chunk.into_iter().map(square_root).collect())
        }
    };
    let with_rayon = || {
        || {
            let pool = rayon_pool(COLD_WORKERS);
            pool.install(|| (0..ITEMS).into_par_iter().map(square_root).collect())
        }
    };
    vec![
        Contender::timed(OURS, 1, ours, check),
        process::self_exec(),
        Contender::timed(PROCSPAWN, 1, with_procspawn, check),
        multiprocessing("cold", ITEMS, COLD_WORKERS),
        loky("cold", ITEMS, COLD_WORKERS),
        Contender::timed(RAYON, 1, with_rayon, check),
    ]
}

/// What `measure` says about the processes of each contender, after they have worked.
fn idle(of_python: &'static str, measure: fn(&[u32]) -> Option<f64>) -> Vec<Contender> {
    let take = move |pids: &[u32]| measure(pids).ok_or_else(|| "its processes are gone".to_string());
    let ours = move || {
        let pool = Pool::new().map_err(|error| error.to_string())?;
        square_roots.on(&pool).par_map(0..ITEMS).map_err(|error| error.to_string())?;
        Ok(move || take(&pool.pids()))
    };
    let with_procspawn = move || {
        let before = process::children();
        let (pool, numbers) = (procspawn_pool(), (0..ITEMS).collect::<Vec<_>>());
        in_chunks(&pool, &numbers, numbers.len().div_ceil(workers()), |chunk| chunk);
        let pids: Vec<u32> = process::children().into_iter().filter(|pid| !before.contains(pid)).collect();
        Ok(move || {
            // The pool's drop would end its workers.
            let _alive = &pool;
            take(&pids)
        })
    };
    let waiting = move || {
        let process = Waiting::start().map_err(|error| error.to_string())?;
        Ok(move || take(&[process.pid()]))
    };
    vec![
        Contender::gauge(OURS, ours),
        Contender::gauge(WAITING, waiting),
        Contender::gauge(PROCSPAWN, with_procspawn),
        multiprocessing(of_python, ITEMS, workers()),
    ]
}

/// The mean of the processes.
fn private_dirty(pids: &[u32]) -> Option<f64> {
    let bytes: Option<f64> = pids.iter().map(|pid| process::private_dirty(*pid)).sum();
    Some(bytes? / pids.len() as f64)
}

/// The sum over the processes, in one second.
fn context_switches(pids: &[u32]) -> Option<f64> {
    let so_far = || pids.iter().map(|pid| process::context_switches(*pid)).sum::<Option<u64>>();
    let before = so_far()?;
    thread::sleep(Duration::from_secs(1));
    Some((so_far()? - before) as f64)
}
