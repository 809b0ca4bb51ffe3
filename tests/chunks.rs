//! How the items of a map are shared out among the workers.

mod engines;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file that one item waits for.
struct Gate(PathBuf);

impl Gate {
    fn closed(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parallel-gate-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn open(&self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn pool(gate: &Gate) -> Pool {
    Pool::builder().workers(2).env("GATE", &gate.0).build().unwrap()
}

/// Waits for the gate where `x` is divisible by `slow`.
#[parallel]
fn passes(x: u64, slow: u64) -> (u64, u32) {
    if x.is_multiple_of(slow) {
        let gate = PathBuf::from(std::env::var_os("GATE").unwrap());
        let begun = Instant::now();
        while !gate.exists() {
            assert!(begun.elapsed() < PATIENCE, "the gate stays closed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    (x, std::process::id())
}

/// As [`passes`], with a number for its value.
#[parallel]
fn passes_as_number(x: u64, slow: u64) -> u64 {
    passes(x, slow).0
}

#[test]
fn one_long_item_among_many_short_ones_keeps_none_of_them_waiting() {
    const ITEMS: u64 = 300_000;
    const LONG: u64 = 123_456;
    let gate = Gate::closed("one");
    let pool = pool(&gate);
    for numbers in [false, true] {
        let mut seen = vec![false; ITEMS as usize];
        let mut arrives = |x: u64| {
            assert!(!std::mem::replace(&mut seen[x as usize], true), "{x} came twice");
        };
        let items = (1..=ITEMS).map(|x| (if x == LONG { 0 } else { x }, ITEMS + 1));
        if numbers {
            let mut outcomes = passes_as_number.on(&pool).window(1 << 20).par_imap_unordered(items);
            outcomes.by_ref().take(ITEMS as usize - 1).for_each(|(_, x)| arrives(x.unwrap() % ITEMS));
            // All others are here, and it still runs.
            gate.open();
            assert!(matches!(outcomes.next(), Some((_, Ok(0)))));
            assert!(outcomes.next().is_none());
        } else {
            let mut outcomes = passes.on(&pool).window(1 << 20).par_imap_unordered(items);
            outcomes.by_ref().take(ITEMS as usize - 1).for_each(|(_, x)| arrives(x.unwrap().0 % ITEMS));
            gate.open();
            assert!(matches!(outcomes.next(), Some((_, Ok((0, _))))));
            assert!(outcomes.next().is_none());
        }
        drop(std::fs::remove_file(&gate.0));
        assert_eq!(seen.iter().filter(|seen| **seen).count() as u64, ITEMS - 1);
    }
}

#[test]
fn long_items_at_random_places_keep_the_order_and_lose_nothing() {
    #[parallel]
    fn naps(x: u64) -> u64 {
        if x.is_multiple_of(997) {
            std::thread::sleep(Duration::from_millis(20));
        }
        x * x
    }
    let pool = engines::pool(4);
    assert_eq!(naps.on(&pool).par_map(0..20_000).unwrap(), (0..20_000).map(|x| x * x).collect::<Vec<_>>());
    let pairs: Vec<_> = naps.on(&pool).par_imap(0..20_000).map(Result::unwrap).collect();
    assert_eq!(pairs, (0..20_000).map(|x| x * x).collect::<Vec<_>>());
    assert_eq!(pool.stats().tasks_done, 40_000);
}

#[test]
fn a_size_that_was_chosen_stays() {
    let gate = Gate::closed("chosen");
    gate.open();
    let pool = pool(&gate);
    let values = passes.on(&pool).chunk_size(7).par_map((1..700).map(|x| (x, 5))).unwrap();
    for chunk in values.chunks(7) {
        assert!(chunk.iter().all(|(_, pid)| *pid == chunk[0].1), "{chunk:?}");
    }
}

/// Ends as `x` says; most of the time at once and well.
#[parallel]
fn short(x: u64) -> u64 {
    match x % 1_000 {
        250 => panic!("no {x}"),
        500 => std::process::exit(8),
        750 => passes(0, 1).0,
        900 => {
            std::fs::write(std::env::var_os("GATE").unwrap(), "").unwrap();
            0
        }
        _ => x * x,
    }
}

/// Takes long enough that all workers get some of it.
#[parallel]
fn serves(_: u64) -> u32 {
    std::thread::sleep(Duration::from_millis(2));
    std::process::id()
}

/// Waits until all workers serve, and makes the pool know that the calls are short.
fn warm(pool: &Pool) {
    let begun = Instant::now();
    loop {
        let serving = serves.on(pool).par_map(0..8).unwrap();
        if pool.pids().iter().all(|pid| serving.contains(pid)) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", pool.stats());
    }
    hurry(pool);
}

/// Makes the pool know that the calls are short, so that they travel together.
fn hurry(pool: &Pool) {
    let handles: Vec<_> = (1..100).map(|x| short.on(pool).submit(x)).collect();
    for (x, handle) in (1..100).zip(handles) {
        assert_eq!(handle.join().unwrap(), x * x);
    }
}

#[test]
fn short_calls_that_travel_together_end_each_for_itself() {
    let gate = Gate::closed("together");
    gate.open();
    let pool = pool(&gate);
    warm(&pool);
    let before = pool.stats().tasks_done;
    let handles: Vec<_> = (0..10_000).map(|x| short.on(&pool).submit(x)).collect();
    for (x, handle) in (0..10_000_u64).rev().zip(handles.into_iter().rev()) {
        let outcome = handle.join();
        match x % 1_000 {
            250 => assert!(
                matches!(outcome.unwrap_err().kind(), ErrorKind::Panicked(report) if report.message() == format!("no {x}"))
            ),
            500 => {
                let error = outcome.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Exited { code: 8 }), "{error}");
                assert_eq!((error.function(), error.index(), error.attempts()), (Some("short"), None, 1));
                assert!(error.pid().is_some());
            }
            750 | 900 => assert_eq!(outcome.unwrap(), 0),
            _ => assert_eq!(outcome.unwrap(), x * x),
        }
    }
    let stats = pool.stats();
    assert_eq!((stats.tasks_done - before, stats.tasks_failed, stats.restarts), (9_980, 20, 10));
}

#[test]
fn a_long_call_among_short_ones_keeps_none_of_them_waiting_and_can_be_ended_alone() {
    for ended in [false, true] {
        let gate = Gate::closed("alone");
        let pool = pool(&gate);
        warm(&pool);
        let before: Vec<_> = (1..200).map(|x| short.on(&pool).submit(x)).collect();
        let long = short.on(&pool).submit(750);
        let behind: Vec<_> = (1..200).map(|x| short.on(&pool).submit(x)).collect();
        for (x, handle) in (1..200).chain(1..200).zip(before.into_iter().chain(behind)) {
            assert_eq!(handle.join().unwrap(), x * x);
        }
        // It runs, and shows where.
        let begun = Instant::now();
        while long.pid().is_none() {
            assert!(!long.is_finished() && begun.elapsed() < PATIENCE);
        }
        assert!(pool.pids().contains(&long.pid().unwrap()));
        assert!(!long.cancel());
        if ended {
            long.kill().unwrap();
            let error = long.join().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Signaled { signal: 9, .. }), "{error}");
        } else {
            gate.open();
            assert_eq!(long.join().unwrap(), 0);
        }
        assert_eq!(pool.stats().tasks_failed, u64::from(ended));
    }
}

/// Short calls wait for others to travel with; but not for long, whoever waits for them or does not.
#[test]
fn short_calls_start_though_nobody_waits_for_them() {
    let gate = Gate::closed("nobody");
    let pool = pool(&gate);
    warm(&pool);
    // The last opens the gate: behind other short ones, and behind one that waits for it.
    for calls in [&[1, 2, 3, 4, 5, 6, 7, 900][..], &[1, 900], &[750, 900], &[1, 2, 3, 750, 900]] {
        for _ in 0..5 {
            let _ = std::fs::remove_file(&gate.0);
            hurry(&pool);
            // Nobody looks at the pool any more for what was before.
            std::thread::sleep(Duration::from_millis(300));
            let begun = Instant::now();
            let handles: Vec<_> = calls.iter().map(|x| short.on(&pool).submit(*x)).collect();
            while !gate.0.exists() {
                assert!(begun.elapsed() < PATIENCE, "{calls:?}: {:?}", pool.stats());
                std::thread::yield_now();
            }
            for (x, handle) in calls.iter().zip(handles) {
                assert_eq!(handle.join().unwrap(), if *x < 750 { x * x } else { 0 });
            }
        }
    }
}

#[test]
fn a_call_can_be_cancelled_as_long_as_it_has_not_started_whatever_it_travels_with() {
    let gate = Gate::closed("cancelled");
    let pool = pool(&gate);
    warm(&pool);
    let begun = Instant::now();
    // On a busy machine a worker may be through with a group before the call that is to hold it up.
    while !cancels_all(&pool, &gate) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", pool.stats());
    }
}

/// Holds up both workers, each by a call in front of a group, and cancels some of the calls behind; whether none of these had ended.
fn cancels_all(pool: &Pool, gate: &Gate) -> bool {
    let _ = std::fs::remove_file(&gate.0);
    let held: Vec<_> = (0..2).map(|_| short.on(pool).submit(750)).collect();
    let handles: Vec<_> = (1..200).map(|x| short.on(pool).submit(x)).collect();
    let begun = Instant::now();
    while held.iter().any(|handle| handle.pid().is_none()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", pool.stats());
    }
    let mut ended = 0;
    let cancel = |(at, handle): (usize, &JoinHandle<u64>)| {
        let is_cancelled = at % 3 == 0 && handle.cancel();
        // Both workers are held up, so what has not ended has not started.
        ended += usize::from(handle.is_finished() && !is_cancelled);
        assert!(at % 3 > 0 || is_cancelled || handle.is_finished(), "call {at} waits, and is not cancelled");
        is_cancelled
    };
    let cancelled: Vec<bool> = handles.iter().enumerate().map(cancel).collect();
    gate.open();
    for ((x, handle), cancelled) in (1..).zip(handles).zip(&cancelled) {
        match handle.join() {
            Ok(value) => assert!(!cancelled && value == x * x),
            Err(error) => assert!(*cancelled && matches!(error.kind(), ErrorKind::Cancelled), "{error}"),
        }
    }
    held.into_iter().for_each(|handle| assert_eq!(handle.join().unwrap(), 0));
    ended == 0
}

#[parallel]
fn low(x: i8) -> i8 {
    x
}

#[parallel]
fn signed(x: i64) -> i64 {
    x
}

#[parallel]
fn wide(x: u128) -> String {
    x.to_string()
}

#[parallel]
fn borrowed(x: &usize) -> usize {
    *x
}

/// Whatever range the numbers come from, and whatever takes them.
#[test]
fn a_range_is_mapped_as_its_numbers_are() {
    let pool = engines::pool(2);
    assert_eq!(low.on(&pool).par_map(i8::MIN..=i8::MAX).unwrap(), (i8::MIN..=i8::MAX).collect::<Vec<_>>());
    assert_eq!(low.on(&pool).par_map(0..0).unwrap(), []);
    assert_eq!(low.on(&pool).par_map(i8::MAX..=i8::MAX).unwrap(), [i8::MAX]);
    for (from, to) in [(-100_000, 100_000), (i64::MIN, i64::MIN + 100_000), (i64::MAX - 100_000, i64::MAX)] {
        assert_eq!(signed.on(&pool).par_map(from..to).unwrap(), (from..to).collect::<Vec<_>>());
        assert_eq!(signed.on(&pool).par_map((from..=to).rev()).unwrap(), (from..=to).rev().collect::<Vec<_>>());
        assert_eq!(signed.on(&pool).chunk_size(7).par_map(from..from + 100).unwrap(), Vec::from_iter(from..from + 100));
    }
    let beyond = u128::from(u64::MAX) - 5_000;
    let texts = wide.on(&pool).par_map(beyond..beyond + 10_000).unwrap();
    assert!(texts.iter().zip(beyond..).all(|(text, x)| *text == x.to_string()) && texts.len() == 10_000);
    assert_eq!(borrowed.on(&pool).par_map(5..50_000).unwrap(), Vec::from_iter(5..50_000));
    // It is not known how many there are, and they never end.
    let first: Vec<i64> = signed.on(&pool).par_imap(-3..i64::MAX).take(70_000).map(Result::unwrap).collect();
    assert_eq!(first, Vec::from_iter(-3..69_997));
    let sum = signed.on(&pool).par_map_reduce(-1_000..=200_000, &add).unwrap();
    assert_eq!(sum, Some((-1_000..=200_000).sum::<i64>()));
}

#[parallel]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Ends its process at some of the numbers.
#[parallel]
fn ends_at(x: u64) -> u64 {
    if x % 100_003 == 99_999 {
        std::process::abort();
    }
    x
}

/// What a dead worker had of a range goes on where it stood.
#[test]
fn a_range_goes_on_behind_the_items_that_end_their_process() {
    const ITEMS: u64 = 700_000;
    let pool = engines::pool(2);
    let outcomes = ends_at.on(&pool).par_map_results(0..ITEMS);
    assert_eq!(outcomes.len() as u64, ITEMS);
    let ends = (0..ITEMS).filter(|x| x % 100_003 == 99_999).count();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), ends);
    for (x, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(value) => assert_eq!(value, x),
            Err(error) => {
                assert_eq!(x % 100_003, 99_999, "{error}");
                assert_eq!(error.index(), Some(x as usize), "{error}");
            }
        }
    }
}

/// Waits for the others at some items; the rest take next to nothing.
#[parallel]
fn meets(x: u64, every: u64, meeting: &parallel::sync::Barrier) -> u64 {
    if x % every == every - 1 {
        meeting.wait_timeout(PATIENCE).unwrap();
    }
    x
}

/// Short items keep only as many workers busy as there are cores for; but when some of them wait after all, the others come.
#[test]
fn items_that_wait_among_short_ones_get_all_workers() {
    const WORKERS: u64 = 16;
    const ITEMS: u64 = 20_000;
    let pool = engines::pool(WORKERS as usize);
    let nobody = parallel::sync::Barrier::new(1).unwrap();
    let items = |every| (0..ITEMS).map(move |x| (x, every));
    for _ in 0..3 {
        // It is known from now on how short they are.
        let done = meets.on(&pool).par_map(items(u64::MAX).map(|(x, every)| (x, every, &nobody))).unwrap();
        assert!((0..ITEMS).eq(done));
        let meeting = parallel::sync::Barrier::new(WORKERS as usize).unwrap();
        let met = meets.on(&pool).par_map(items(ITEMS / WORKERS).map(|(x, every)| (x, every, &meeting))).unwrap();
        assert!((0..ITEMS).eq(met));
    }
}

/// Sleeps so long, and says where.
#[parallel]
fn naps(millis: u64) -> u32 {
    if millis > 0 {
        std::thread::sleep(Duration::from_millis(millis));
    }
    std::process::id()
}

/// A function is believed to be as quick as it was; where it is not, its items are shared out all the same.
#[test]
fn items_that_are_long_where_they_were_short_before_get_all_workers() {
    for workers in [2, 4] {
        let pool = engines::pool(workers);
        for _ in 0..3 {
            assert_eq!(naps.on(&pool).par_map(std::iter::repeat_n(0, 10_000)).unwrap().len(), 10_000);
        }
        let ran_in = naps.on(&pool).par_map([40; 32]).unwrap();
        let shares = pool.pids().into_iter().map(|pid| ran_in.iter().filter(|other| **other == pid).count());
        let shares: Vec<usize> = shares.collect();
        let fair = 32 / workers;
        assert!(shares.iter().all(|share| (fair / 2..=fair * 2).contains(share)), "{shares:?}");
        assert_eq!(shares.iter().sum::<usize>(), 32);
    }
}

/// How many workers a pool needs to have more of them than there are cores.
fn twice_the_cores() -> usize {
    2 * std::thread::available_parallelism().unwrap().get()
}

/// Computes so long, and sleeps so long.
#[parallel]
fn computes(micros: u64, millis: u64) -> u32 {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_micros(micros) {}
    naps(millis)
}

/// Submitted calls go to all workers at once, also where a map of such items would keep only some of them busy.
#[test]
fn calls_that_are_long_where_they_were_short_before_get_all_workers() {
    const LONG: u64 = 100;
    let workers = twice_the_cores();
    let pool = engines::pool(workers);
    for pace in [0, 12, 15, 100] {
        let idle = |_| {
            let known = computes.on(&pool).par_map(std::iter::repeat_n((pace, 0), 1_000)).unwrap();
            assert_eq!(known.len(), 1_000);
            let handles: Vec<_> = (0..workers).map(|_| computes.on(&pool).submit(0, LONG)).collect();
            let mut ran_in: Vec<u32> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
            ran_in.sort_unstable();
            ran_in.dedup();
            workers - ran_in.len()
        };
        // Mostly none waits for another, nor until somebody happens to look again.
        let mut idle: Vec<usize> = (0..5).map(idle).collect();
        idle.sort_unstable();
        assert_eq!(idle[2], 0, "{pace} µs: {idle:?}");
    }
}

/// A process that is stopped as long as this lives.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Self {
        send("-STOP", pid);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        send("-CONT", self.0);
    }
}

fn send(signal: &str, pid: u32) {
    assert!(std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Workers that somebody has stopped keep nothing that the others could do.
#[test]
fn what_a_stopped_worker_has_not_begun_goes_to_others() {
    let pool = engines::pool(twice_the_cores());
    for _ in 0..3 {
        assert_eq!(naps.on(&pool).par_map(std::iter::repeat_n(0, 10_000)).unwrap().len(), 10_000);
    }
    let stopped: Vec<Stopped> = pool.pids().into_iter().take(twice_the_cores() / 2).map(Stopped::stop).collect();
    let ran_in = naps.on(&pool).par_map(std::iter::repeat_n(0, 1_000)).unwrap();
    assert!(stopped.iter().all(|stopped| !ran_in.contains(&stopped.0)));
    let handles: Vec<_> = (0..100).map(|_| naps.on(&pool).submit(0)).collect();
    for handle in handles {
        let ran_in = handle.join().unwrap();
        assert!(stopped.iter().all(|stopped| stopped.0 != ran_in));
    }
    drop(stopped);
    assert_eq!(naps.on(&pool).par_map(std::iter::repeat_n(0, 1_000)).unwrap().len(), 1_000);
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too(
        "all_of_this_holds_inline",
        &[
            ("a_range_goes_on_behind_the_items_that_end_their_process", "it ends its process"),
            ("items_that_wait_among_short_ones_get_all_workers", "its items wait for each other"),
            ("items_that_are_long_where_they_were_short_before_get_all_workers", "it counts workers"),
            ("calls_that_are_long_where_they_were_short_before_get_all_workers", "it counts workers"),
            ("what_a_stopped_worker_has_not_begun_goes_to_others", "it stops workers"),
        ],
    );
}
