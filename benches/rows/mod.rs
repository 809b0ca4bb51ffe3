//! The rows, by family.

mod calls;
mod data;
mod growth;
mod locks;
mod maps;
mod panics;
mod pools;
mod queues;
mod reduce;

use std::collections::VecDeque;
use std::hint::black_box;

use parallel_benches::Row;

use crate::python::{LOKY, MULTIPROCESSING};

/// The name of the contender with threads.
const RAYON: &str = "rayon";
/// The name of the contender with processes.
const PROCSPAWN: &str = "procspawn";
/// What a reader would use instead: the columns of the main README.
const INSTEAD: [&str; 4] = [RAYON, PROCSPAWN, MULTIPROCESSING, LOKY];
/// The name of the contender without any of them.
const SERIAL: &str = "serial";

/// Why there is no cell where arguments are large.
const HANGS: &str = "hangs on arguments beyond the socket buffer";

/// Every row, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    [
        maps::rows(),
        calls::rows(),
        panics::rows(),
        data::rows(),
        reduce::rows(),
        pools::rows(),
        growth::rows(),
        locks::rows(),
        queues::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The size of every pool, unless a row says otherwise. `Pool::new` and rayon take the same, where the environment does
/// not say otherwise.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A check for the results of a map: their number, and both ends.
fn ends<R: PartialEq + 'static>(count: usize, first: R, last: R) -> impl Fn(&Vec<R>) -> bool {
    move |results| results.len() == count && results.first() == Some(&first) && results.last() == Some(&last)
}

/// Small maps are repeated until a sample has this many items.
const ITEMS_A_SAMPLE: u64 = 1_000_000;

/// How many maps of this size make a sample.
fn maps_a_sample(size: u64) -> u32 {
    u32::try_from(ITEMS_A_SAMPLE / size).expect("the quotient is small").max(1)
}

/// Runs a map of this size as often as a sample asks; returns the last results.
fn repeated<R>(size: u64, mut map: impl FnMut() -> R) -> R {
    // What nobody looks at would not be computed.
    (1..maps_a_sample(size)).for_each(|_| drop(black_box(map())));
    map()
}

/// How many small items make a task of procspawn's: a larger one would not fit the socket's buffer, and hang.
const CHUNK: usize = 1_000;

/// How many tasks procspawn has under way: it opens two channels for each.
const UNDER_WAY: usize = 64;

/// procspawn has no map: chunks of the items, made by hand, as tasks of their own.
fn in_chunks<T, R>(pool: &procspawn::Pool, items: &[T], size: usize, function: fn(Vec<T>) -> Vec<R>) -> Vec<R>
where
    T: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    let mut tasks = items.chunks(size).map(|chunk| pool.spawn(chunk.to_vec(), function));
    let mut under_way: VecDeque<_> = tasks.by_ref().take(UNDER_WAY).collect();
    let mut results = Vec::with_capacity(items.len());
    while let Some(task) = under_way.pop_front() {
        results.extend(task.join().expect("procspawn's chunk"));
        under_way.extend(tasks.next());
    }
    results
}

/// Starts workers until one is forked, so that the next ones are as well.
fn warm_zygote() {
    for _ in 0..1_000 {
        let pool = parallel::Pool::with_workers(1).expect("a pool");
        if pool.stats().forked == 1 {
            return;
        }
    }
    panic!("no worker was forked");
}

fn procspawn_pool() -> procspawn::Pool {
    procspawn::Pool::new(workers()).expect("procspawn's pool")
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("rayon's pool")
}
