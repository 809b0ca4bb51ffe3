//! A pool without workers: its calls run in this very process.

use std::cell::Cell;
use std::future::Future;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, Instant};

use parallel::ErrorKind;
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[parallel]
fn process() -> u32 {
    std::process::id()
}

#[parallel]
fn fails(x: u64) -> u64 {
    assert!(!x.is_multiple_of(3), "{x} is a multiple of 3");
    x
}

thread_local! {
    static RAN: Cell<u32> = const { Cell::new(0) };
}

/// Counts its calls on this thread, and takes so long.
#[parallel]
fn naps(millis: u64) -> u32 {
    RAN.set(RAN.get() + 1);
    std::thread::sleep(Duration::from_millis(millis));
    RAN.get()
}

#[test]
fn a_submitted_call_has_run_on_this_thread_when_submit_returns() {
    let pool = Pool::inline();
    let before = RAN.get();
    let handle = naps.on(&pool).submit(0);
    assert_eq!(RAN.get(), before + 1);
    assert!(handle.is_finished() && handle.pid().is_none() && !handle.cancel());
    handle.kill().unwrap();
    handle.terminate().unwrap();
    assert_eq!(handle.join().unwrap(), before + 1);
    assert_eq!(process.on(&pool).submit().join().unwrap(), std::process::id());
    assert_ne!(process.spawn().join().unwrap(), std::process::id());
}

#[test]
fn it_has_no_workers_and_counts_what_it_does() {
    let pool = Pool::inline();
    assert_eq!((pool.workers(), pool.pids()), (0, vec![]));
    assert_eq!(cube.on(&pool).par_map(0..100).unwrap().len(), 100);
    assert!(fails.on(&pool).submit(3).join().is_err());
    let stats = pool.stats();
    assert_eq!((stats.tasks_done, stats.tasks_failed, stats.queued, stats.running), (100, 1, 0, 0));
    assert_eq!((stats.restarts, stats.recycled, stats.forked, stats.executed), (0, 0, 0, 0));
    assert!(format!("{pool:?}").contains('0'));
}

#[test]
fn a_panic_is_an_error_of_its_item() {
    let pool = Pool::inline();
    let error = fails.on(&pool).submit(9).join().unwrap_err();
    let ErrorKind::Panicked(report) = error.kind() else { panic!("{error}") };
    assert_eq!(report.message(), "9 is a multiple of 3");
    assert!(report.location().contains("inline.rs"));
    assert_eq!((error.function(), error.index(), error.pid(), error.attempts()), (Some("fails"), None, None, 1));
    assert!(!error.worker_replaced());
    let outcomes = fails.on(&pool).par_map_results(1..=7);
    let failed: Vec<usize> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.index()).collect();
    assert_eq!(failed, [2, 5]);
    let error = fails.on(&pool).par_map(1..).unwrap_err();
    assert_eq!(error.index(), Some(2));
}

/// What `cargo test` would capture if the panic were told.
#[test]
fn a_panic_is_as_silent_as_in_a_worker() {
    const WITHIN: &str = "INLINE_PANIC";
    if std::env::var_os(WITHIN).is_some() {
        assert!(fails.on(&Pool::inline()).submit(9).join().is_err());
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "a_panic_is_as_silent_as_in_a_worker", "--nocapture"]).env(WITHIN, "1");
    let output = test.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("multiple"), "{said}");
}

#[test]
fn a_call_that_took_too_long_times_out_once_it_has_ended() {
    let pool = Pool::inline();
    let quick = Duration::from_millis(5);
    let before = RAN.get();
    let error = naps.on(&pool).timeout(quick).submit(20).join().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut { after } if *after == quick), "{error}");
    assert_eq!(RAN.get(), before + 1);
    let error = naps.on(&pool).timeout(quick).retries(2).submit(20).join().unwrap_err();
    assert_eq!((error.attempts(), RAN.get()), (3, before + 4));
    assert_eq!(pool.stats().tasks_retried, 2);
    assert!(naps.on(&pool).timeout(Duration::from_secs(60)).submit(0).join().is_ok());
}

#[test]
fn what_runs_is_counted() {
    static PLACES: LazyLock<(parallel::sync::Event, parallel::sync::Event)> =
        LazyLock::new(|| (parallel::sync::Event::new().unwrap(), parallel::sync::Event::new().unwrap()));

    #[parallel]
    fn waits() -> bool {
        PLACES.0.set();
        PLACES.1.wait_timeout(Duration::from_secs(60))
    }

    let pool = Arc::new(Pool::inline());
    let theirs = Arc::clone(&pool);
    let running = std::thread::spawn(move || waits.on(&theirs).submit().join().unwrap());
    assert!(PLACES.0.wait_timeout(Duration::from_secs(60)));
    assert_eq!(pool.stats().running, 1);
    PLACES.1.set();
    assert!(running.join().unwrap());
    assert_eq!(pool.stats().running, 0);
}

#[test]
fn lazy_maps_run_as_far_as_they_are_asked() {
    let pool = Pool::inline();
    let before = RAN.get();
    let mut lazy = naps.on(&pool).par_imap(std::iter::repeat(0));
    assert_eq!(lazy.next().unwrap().unwrap(), before + 1);
    assert_eq!(lazy.next().unwrap().unwrap(), before + 2);
    drop(lazy);
    assert!(RAN.get() <= before + 3);
    // Items that are made of earlier outcomes.
    let (sender, items) = mpsc::channel();
    sender.send(2).unwrap();
    let mut cubes = cube.on(&pool).par_imap_unordered(items);
    let walked = cubes.try_for_each(|(_, value)| match value.unwrap() {
        value @ ..1_000_000 => {
            sender.send(value).unwrap();
            ControlFlow::Continue(())
        }
        value => ControlFlow::Break(value),
    });
    assert_eq!(walked, ControlFlow::Break(512_u64.pow(3)));
}

#[test]
fn reductions_keep_the_order_and_name_what_failed() {
    #[parallel]
    fn letter(x: u8) -> String {
        char::from(b'a' + x).to_string()
    }
    #[parallel]
    fn join(before: String, after: String) -> String {
        assert!(!after.contains('y'), "no y");
        before + &after
    }
    let pool = Pool::inline();
    for chunk in [1, 3, 100] {
        let all = letter.on(&pool).chunk_size(chunk).par_map_reduce(0..20, &join).unwrap();
        assert_eq!(all.as_deref(), Some("abcdefghijklmnopqrst"), "{chunk}");
        let error = letter.on(&pool).chunk_size(chunk).par_map_reduce(0..26, &join).unwrap_err();
        assert_eq!((error.function(), error.index()), (Some("join"), None), "{error}");
    }
    assert_eq!(fails.on(&pool).par_map_reduce(1..9, &add).unwrap_err().index(), Some(2));
}

static STARTED: AtomicU32 = AtomicU32::new(0);

#[parallel]
fn prepare(result: Result<u32, String>) -> Result<(), String> {
    STARTED.fetch_add(result.as_ref().map_or(0, |times| *times), Ordering::Relaxed);
    assert_ne!(result, Ok(7), "seven");
    result.map(|_| ())
}

#[test]
fn its_initializer_runs_once_in_this_process() {
    let pool = Pool::builder().initializer(&prepare, (Ok(1),)).tasks_per_worker(1).inline().unwrap();
    assert_eq!(STARTED.load(Ordering::Relaxed), 1);
    assert_eq!(cube.on(&pool).par_map(0..4).unwrap(), [0, 1, 8, 27]);
    assert_eq!(STARTED.load(Ordering::Relaxed), 1);
    for (result, text) in [(Err("no model".to_string()), "no model"), (Ok(7), "seven")] {
        let error = Pool::builder().initializer(&prepare, (result,)).inline().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error}");
        assert!(error.to_string().contains("`prepare`") && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_call_inside_of_a_call_runs_here_too_and_knows_its_name() {
    #[parallel]
    fn outer() -> (u32, String, bool, String) {
        let (pid, name) = inner.submit().join().unwrap();
        let current = parallel::current();
        assert_eq!(process.par_map([(), ()]).unwrap(), [std::process::id(); 2]);
        (pid, name, current.is_worker(), current.name())
    }
    #[parallel]
    fn inner() -> (u32, String) {
        (std::process::id(), parallel::current().name())
    }
    let (pid, within, is_worker, name) = outer.name("scout").on(&Pool::inline()).submit().join().unwrap();
    assert_eq!((pid, &*within, is_worker, &*name), (std::process::id(), "inner", false, "scout"));
    assert_eq!(parallel::current().name(), "main");
}

#[test]
fn a_pool_that_has_ended_takes_nothing() {
    let pool = Pool::inline();
    let calls = cube.on(&pool);
    pool.join().unwrap();
    assert!(matches!(calls.submit(1).join().unwrap_err().kind(), ErrorKind::Closed));
    let pool = Pool::inline();
    let calls = cube.on(&pool);
    pool.terminate();
    assert!(matches!(calls.par_map([1]).unwrap_err().kind(), ErrorKind::Terminated));
    let calls = cube.on(&Pool::inline());
    assert!(matches!(calls.submit(1).join().unwrap_err().kind(), ErrorKind::Terminated));
}

#[test]
fn whatever_leads_to_a_pool_can_be_asked_for() {
    static LAZY: LazyLock<Pool> = LazyLock::new(Pool::inline);

    fn runs_here<T: parallel::Target + ?Sized>(target: &T) -> bool {
        process.on(target).submit().join().unwrap() == std::process::id()
    }

    let pool = Pool::inline();
    assert!(runs_here(&pool) && runs_here(&&pool) && runs_here(&LAZY));
    assert!(runs_here(&Arc::new(Pool::inline())) && runs_here(&Box::new(Pool::inline())));
    let workers = Arc::new(Pool::with_workers(1).unwrap());
    assert!(!runs_here(&workers));
    assert_eq!(cube.on(&workers).par_map(0..3).unwrap(), [0, 1, 8]);
}

#[test]
fn handles_can_be_awaited_and_come_as_completed() {
    let pool = Pool::inline();
    let handles: Vec<_> = (0..5).map(|x| cube.on(&pool).submit(x)).collect();
    let mut cubes: Vec<_> = parallel::as_completed(handles).map(|(at, value)| (at, value.unwrap())).collect();
    cubes.sort_unstable();
    assert_eq!(cubes, [(0, 0), (1, 1), (2, 8), (3, 27), (4, 64)]);
    let value = std::pin::pin!(cube.on(&pool).submit(3));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(value.poll(&mut context), std::task::Poll::Ready(Ok(27))));
}

#[test]
fn many_threads_may_use_it_at_a_time() {
    let pool = Pool::inline();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let calls = cube.on(&pool);
            scope.spawn(move || {
                let expected: Vec<u64> = (0..100).map(|x| x * x * x).collect();
                assert_eq!(calls.par_map(0..100).unwrap(), expected, "thread {thread}");
            });
        }
    });
    assert_eq!(pool.stats().tasks_done, 800);
    assert!(pool.stats().busy <= begun.elapsed() * 8);
}

/// As under valgrind, where the program's file is not what runs.
#[test]
fn it_runs_where_the_program_cannot_start_itself_again() {
    const WITHIN: &str = "INLINE_LOADER";
    if std::env::var_os(WITHIN).is_some() {
        assert!(matches!(cube.spawn(3).join().unwrap_err().kind(), ErrorKind::NotParallel));
        assert_eq!(cube.on(&Pool::inline()).submit(3).join().unwrap(), 27);
        assert_eq!(cube.par_map(0..3).unwrap(), [0, 1, 8]);
        return;
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let loader = files.find(|file| file.contains("/ld-linux")).expect("the C library's loader");
    let mut test = Command::new(loader);
    test.arg(std::env::current_exe().unwrap());
    test.args(["--exact", "it_runs_where_the_program_cannot_start_itself_again"]);
    let output = test.env(WITHIN, "1").env("PARALLEL_WORKERS", "0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_environment_says_so_for_pools_that_say_nothing_else() {
    const WITHIN: &str = "INLINE_ENVIRONMENT";
    if std::env::var_os(WITHIN).is_some() {
        let here = std::process::id();
        assert_eq!(process.submit().join().unwrap(), here);
        assert_eq!(Pool::global().unwrap().workers(), 0);
        assert_eq!(process.on(&Pool::new().unwrap()).submit().join().unwrap(), here);
        let built = Pool::builder().env("KEY", "value").tasks_per_worker(3).build().unwrap();
        assert_eq!(process.on(&built).submit().join().unwrap(), here);
        let workers = Pool::with_workers(1).unwrap();
        assert_eq!(workers.workers(), 1);
        assert_ne!(process.on(&workers).submit().join().unwrap(), here);
        assert_ne!(process.spawn().join().unwrap(), here);
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "the_environment_says_so_for_pools_that_say_nothing_else"]);
    let output = test.env(WITHIN, "1").env("PARALLEL_WORKERS", "0").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
