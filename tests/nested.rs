//! Calls in calls: the machine is shared among the workers that there are already, so processes do not multiply.

use std::collections::BTreeSet;

use parallel::prelude::*;

/// Returns the number, and the processes that worked on each level of calls.
#[parallel]
fn fibonacci(n: u32, level: usize) -> (u64, Vec<BTreeSet<u32>>) {
    let mut levels = vec![BTreeSet::new(); level];
    levels.push(BTreeSet::from([std::process::id()]));
    if n < 2 {
        return (u64::from(n), levels);
    }
    let calls = [fibonacci.submit(n - 1, level + 1), fibonacci.submit(n - 2, level + 1)];
    let mut sum = 0;
    for call in calls {
        let (number, below) = call.join().unwrap();
        sum += number;
        levels.resize(levels.len().max(below.len()), BTreeSet::new());
        levels.iter_mut().zip(below).for_each(|(level, more)| level.extend(more));
    }
    (sum, levels)
}

/// The size of the pool that calls from here use, and of the one that calls from its workers use.
#[parallel]
fn sizes(deeper: bool) -> (usize, Option<usize>) {
    let size = Pool::global().unwrap().workers();
    (size, deeper.then(|| sizes.submit(false).join().unwrap().0))
}

#[test]
fn a_recursive_call_has_no_more_processes_on_a_level_than_cores() {
    let pool = Pool::builder().workers(2).env("PARALLEL_WORKERS", "2").build().unwrap();
    let (number, levels) = fibonacci.on(&pool).submit(10, 0).join().unwrap();
    assert_eq!((number, levels.len()), (55, 10));
    assert!(levels.iter().all(|pids| pids.len() <= 2), "{levels:?}");
}

#[test]
fn the_cores_are_divided_by_the_workers_beside_a_worker() {
    // A spawned call counts as one.
    assert_eq!(sizes.env("PARALLEL_WORKERS", "4").spawn(true).join().unwrap(), (4, Some(1)));
    for (workers, here, there) in [(1, 7, 1), (2, 3, 1), (3, 2, 1), (8, 1, 1)] {
        let pool = Pool::builder().workers(workers).env("PARALLEL_WORKERS", "7").build().unwrap();
        assert_eq!(sizes.on(&pool).submit(true).join().unwrap(), (here, Some(there)), "{workers}");
    }
}
