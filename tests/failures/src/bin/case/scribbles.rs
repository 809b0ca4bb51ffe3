//! Tasks that spoil what belongs to the runtime in their own process.

use parallel::prelude::*;
use parallel_failures::inside::{block_on, note, noted};

use crate::ways::{joined, limit};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

/// A generator of random bytes: splitmix64, from Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Overwrites words of the memory that this process shares with its parent: all of them, or one in `sparse`; in its
/// first page alone, where the words of the protocol are, or everywhere.
#[parallel]
fn scribble(seed: u64, sparse: u64, head: bool) -> u64 {
    note("scribbling");
    let mut random = Random(seed);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps.lines().filter(|line| line.contains("memfd:parallel"));
    let mut written = 0;
    for line in shared {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
        let end = if head { start + 4096 } else { end };
        for at in (start..end).step_by(8) {
            if random.next().is_multiple_of(sparse) {
                // Small numbers are the more dangerous ones: they look like states, counts and lengths.
                let word = if random.next().is_multiple_of(2) { random.next() } else { random.next() % 6 };
                // SAFETY: none; it is mapped and writable, and that it is somebody else's is the point.
                unsafe { (at as *mut u64).write_volatile(word) };
                written += 1;
            }
        }
    }
    written
}

fn scribbles(rounds: u64, sparse: u64, head: bool) {
    let mut pool = Pool::with_workers(3).unwrap();
    for round in 0..rounds {
        let bad = scribble.on(&pool).submit(round, sparse, head);
        let handles: Vec<_> = (0..6).map(|x| square.on(&pool).submit(x)).collect();
        let outcomes = square.on(&pool).chunk_size(2).par_map_results(0..20);
        assert_eq!(outcomes.len(), 20);
        let _ = joined(bad);
        let spoilt = noted("scribbling");
        let check = |x: u64, outcome: parallel::Result<u64>| match outcome {
            Ok(value) => assert_eq!(value, x * x, "round {round}"),
            // It was in the same lane: that may be lost, but then it says so.
            Err(error) => {
                assert!(error.pid().is_none_or(|pid| spoilt.contains(&pid)), "round {round}: {error}");
                println!("round {round}: {error}");
            }
        };
        for (x, outcome) in (0..).zip(outcomes) {
            check(x, outcome);
        }
        for (x, handle) in (0..).zip(handles) {
            check(x, joined(handle));
        }
        if round % 20 == 19 {
            // With nobody who waits in the pool, the reactor alone looks after it.
            let watched = scribble.on(&pool).submit(round, sparse, head);
            let squares: Vec<_> = (0..10).map(|x| square.on(&pool).submit(x)).collect();
            let _ = block_on(watched);
            let spoilt = noted("scribbling");
            for (x, outcome) in parallel::as_completed(squares) {
                match outcome {
                    Ok(value) => assert_eq!(value, (x * x) as u64),
                    Err(error) => assert!(error.pid().is_none_or(|pid| spoilt.contains(&pid)), "{error}"),
                }
            }
        }
        if round % 50 == 49 {
            // Ending it is not to hang either.
            let old = std::mem::replace(&mut pool, Pool::with_workers(3).unwrap());
            if round % 100 == 49 {
                old.join().unwrap();
            }
        }
    }
}

pub(crate) fn a_worker_that_overwrites_its_lane_hurts_only_its_own_tasks() {
    scribbles(100, 1, false);
}

pub(crate) fn a_worker_that_overwrites_words_here_and_there_hurts_only_its_own_tasks() {
    scribbles(100, 5, true);
}

/// Closes every descriptor above the standard ones.
#[parallel]
fn close_all(x: u64) -> u64 {
    note("closing");
    // SAFETY: none; they are somebody else's, and that is the point.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0) };
    x * x
}

pub(crate) fn a_task_that_closes_all_descriptors_hurts_only_itself() {
    // Spawned, its result has no way back.
    let error = joined(close_all.spawn(3)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Exited { .. }), "{error:?}");
    println!("{error}");
    for workers in [1, 2] {
        let pool = Pool::with_workers(workers).unwrap();
        for round in 0..3 {
            // In the pool its result is in the lane already.
            assert_eq!(joined(close_all.on(&pool).submit(3)).unwrap(), 9);
            assert_eq!(square.on(&pool).par_map(0..20).unwrap(), (0..20).map(|x| x * x).collect::<Vec<_>>());
            // Nor does it hurt what was right behind it, and does not fit the lane.
            let closes = close_all.on(&pool).submit(4);
            let grown = [300_000, 3_000_000].map(|bytes| (bytes, grow.on(&pool).submit(bytes)));
            assert_eq!(joined(closes).unwrap(), 16);
            for (bytes, grown) in grown {
                assert_eq!(joined(grown).unwrap().len(), bytes);
            }
            assert_eq!(close_all.on(&pool).chunk_size(3).par_map(0..9).unwrap(), [0, 1, 4, 9, 16, 25, 36, 49, 64]);
            assert_eq!(block_on(close_all.on(&pool).submit(4)).unwrap(), 16);
            let handles: Vec<_> = (0..8).map(|x| close_all.on(&pool).submit(x)).collect();
            for (x, outcome) in parallel::as_completed(handles) {
                assert_eq!(outcome.unwrap(), (x * x) as u64, "round {round}");
            }
            let large = grow.on(&pool).par_map([100_000; 4]).unwrap();
            assert!(large.iter().all(|text| text.len() == 100_000));
        }
        pool.join().unwrap();
    }
}

#[parallel]
fn grow(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Leaves no descriptor for whoever comes next.
#[parallel]
fn exhaust(x: u64) -> u64 {
    limit(libc::RLIMIT_NOFILE, 3);
    x * x
}

pub(crate) fn a_task_that_exhausts_its_descriptors_hurts_only_what_needs_some() {
    assert_eq!(joined(exhaust.spawn(3)).unwrap(), 9);
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(joined(exhaust.on(&pool).submit(3)).unwrap(), 9);
    assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
    let error = joined(grow.on(&pool).submit(4 << 20)).unwrap_err();
    assert!(error.to_string().contains("Too many open files"), "{error}");
    assert_eq!(error.function(), Some("grow"));
    println!("{error}");
    assert_eq!(joined(square.on(&pool).submit(4)).unwrap(), 16);
    pool.join().unwrap();
}

/// Replaces the hook, and panics.
#[parallel]
fn hooks(x: u64) -> u64 {
    std::panic::set_hook(Box::new(|_| {}));
    panic!("hooked {x}");
}

pub(crate) fn a_task_that_replaces_the_panic_hook_loses_only_the_place() {
    let pool = Pool::with_workers(1).unwrap();
    for handle in [hooks.spawn(1), hooks.on(&pool).submit(1), hooks.on(&pool).submit(1)] {
        let error = joined(handle).unwrap_err();
        let ErrorKind::Panicked(report) = error.kind() else { panic!("{error:?}") };
        assert_eq!(report.message(), "hooked 1");
    }
}
