//! What a function can do to itself, and what is done to its process while it runs or rests.

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{self, note, send_signal, wait_for_note};

use crate::ways::{BAD, ITEMS, Worker, failing, fails_alone, hang, joined, limit, tells, ways};

const PANIC_LINE: u32 = line!() + 6;

#[parallel]
fn panics(x: u64) -> u64 {
    if x == BAD {
        failing();
        panic!("no {x} here");
    }
    x * x
}

pub(crate) fn a_panic_is_told_with_message_and_place() {
    let location = format!("{}:{PANIC_LINE}:9", file!());
    fails_alone(&ways!(panics), Worker::LivesOn, |kind| match kind {
        ErrorKind::Panicked(report) => {
            assert_eq!(report.message(), "no 3 here");
            assert_eq!(report.location(), location);
            assert_eq!(report.backtrace(), None);
            true
        }
        _ => false,
    });
}

pub(crate) fn a_panic_has_a_backtrace_when_it_is_asked_for() {
    let has_one = |error: Error| {
        let ErrorKind::Panicked(report) = error.kind() else { panic!("{error:?}") };
        assert!(report.backtrace().unwrap().contains("::panics\n"), "{report:?}");
        assert_eq!(error.to_string().lines().count(), 1);
    };
    has_one(panics.env("RUST_BACKTRACE", "1").spawn(BAD).join().unwrap_err());
    has_one(panics.env("RUST_LIB_BACKTRACE", "1").spawn(BAD).join().unwrap_err());
    let pool = Pool::builder().workers(1).env("RUST_BACKTRACE", "1").build().unwrap();
    has_one(panics.on(&pool).submit(BAD).join().unwrap_err());
    has_one(panics.on(&pool).par_map(ITEMS).unwrap_err());
}

pub(crate) fn a_panic_has_no_backtrace_where_that_of_libraries_is_refused() {
    let error = panics.env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "0").spawn(BAD).join().unwrap_err();
    let ErrorKind::Panicked(report) = error.kind() else { panic!("{error:?}") };
    assert_eq!((report.message(), report.backtrace()), ("no 3 here", None));
}

/// How often the worker's program is mapped: whoever puts names to a stack maps it once more, to read them.
#[parallel]
fn mappings_of_the_program() -> usize {
    let program = std::env::current_exe().unwrap().display().to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.ends_with(&program)).count()
}

pub(crate) fn a_panic_looks_for_no_names_where_no_backtrace_is_asked_for() {
    for asked in ["0", "1"] {
        let pool = Pool::builder().workers(1).env("RUST_BACKTRACE", asked).build().unwrap();
        let before = mappings_of_the_program.on(&pool).submit().join().unwrap();
        panics.on(&pool).submit(BAD).join().unwrap_err();
        let after = mappings_of_the_program.on(&pool).submit().join().unwrap();
        assert_eq!(after > before, asked == "1", "{before} mappings before the panic, {after} after it");
    }
}

#[parallel]
fn panics_at_length(x: u64) -> u64 {
    assert_eq!(x, x + 1, "first\nsecond {}", "long ".repeat(100_000));
    x
}

pub(crate) fn a_long_message_of_several_lines_is_still_one_line() {
    let pool = Pool::with_workers(1).unwrap();
    for handle in [panics_at_length.spawn(1), panics_at_length.on(&pool).submit(1)] {
        let error = handle.join().unwrap_err();
        let ErrorKind::Panicked(report) = error.kind() else { panic!("{error:?}") };
        assert!(report.message().contains("first\nsecond long"), "{error}");
        let text = error.to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("first") && text.contains("second") && text.len() < 10_000, "{text}");
    }
}

const ANY_LINE: u32 = line!() + 6;

#[parallel]
fn panics_with_any(x: u64) -> u64 {
    if x == BAD {
        failing();
        std::panic::panic_any(vec![x]);
    }
    x * x
}

pub(crate) fn panic_any_is_a_panic_without_text() {
    let location = format!("{}:{ANY_LINE}:9", file!());
    fails_alone(&ways!(panics_with_any), Worker::LivesOn, |kind| {
        let ErrorKind::Panicked(report) = kind else { return false };
        assert_eq!(report.location(), location);
        report.message().contains("neither `&str` nor `String`")
    });
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("and again");
    }
}

#[parallel]
fn panics_while_panicking(x: u64) -> u64 {
    if x == BAD {
        failing();
        let _again = PanicsOnDrop;
        panic!("once");
    }
    x * x
}

fn is_signal(kind: &ErrorKind, expected: i32) -> bool {
    matches!(kind, ErrorKind::Signaled { signal, core_dumped: false } if *signal == expected)
}

pub(crate) fn a_panic_while_panicking_is_an_abort() {
    fails_alone(&ways!(panics_while_panicking), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGABRT));
}

#[parallel]
fn exits(x: u64) -> u64 {
    if x == BAD {
        failing();
        std::process::exit(0);
    }
    x * x
}

pub(crate) fn an_exit_with_0_is_told() {
    fails_alone(&ways!(exits), Worker::IsReplaced, |kind| matches!(kind, ErrorKind::Exited { code: 0 }));
}

#[parallel]
fn exits_with_8(x: u64) -> u64 {
    if x == BAD {
        failing();
        std::process::exit(8);
    }
    x * x
}

pub(crate) fn an_exit_with_8_is_told() {
    fails_alone(&ways!(exits_with_8), Worker::IsReplaced, |kind| matches!(kind, ErrorKind::Exited { code: 8 }));
}

#[parallel]
fn exits_with_300(x: u64) -> u64 {
    if x == BAD {
        failing();
        // SAFETY: ends the process.
        unsafe { libc::_exit(300) };
    }
    x * x
}

pub(crate) fn an_exit_with_300_is_told_as_the_system_tells_it() {
    fails_alone(
        &ways!(exits_with_300),
        Worker::IsReplaced,
        |kind| matches!(kind, ErrorKind::Exited { code } if *code == 300 % 256),
    );
}

#[parallel]
fn aborts(x: u64) -> u64 {
    if x == BAD {
        failing();
        std::process::abort();
    }
    x * x
}

pub(crate) fn an_abort_is_told() {
    fails_alone(&ways!(aborts), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGABRT));
}

#[parallel]
fn writes_to_null(x: u64) -> u64 {
    if x == BAD {
        failing();
        let nowhere = std::hint::black_box(std::ptr::null_mut::<u64>());
        // SAFETY: none; that is the point.
        unsafe { libc::memset(nowhere.cast(), 1, 8) };
    }
    x * x
}

pub(crate) fn a_write_to_null_is_told() {
    fails_alone(&ways!(writes_to_null), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGSEGV));
}

#[allow(unconditional_recursion, reason = "it is meant to overflow the stack")]
fn dig(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 1000]);
    dig(depth + 1) + std::hint::black_box(room)[7]
}

#[parallel]
fn overflows_the_stack(x: u64) -> u64 {
    if x == BAD {
        failing();
        return dig(0);
    }
    x * x
}

pub(crate) fn a_stack_overflow_is_told() {
    fails_alone(&ways!(overflows_the_stack), Worker::IsReplaced, |kind| {
        // With Rust's own handler it is an abort, without it the fault itself.
        is_signal(kind, libc::SIGSEGV) || is_signal(kind, libc::SIGABRT)
    });
}

const ADDRESS_SPACE: u64 = 1 << 30;

#[parallel]
fn asks_for_too_much(x: u64) -> u64 {
    if x == BAD {
        failing();
        limit(libc::RLIMIT_AS, ADDRESS_SPACE);
        let vast = std::hint::black_box(vec![1_u8; 8 << 30]);
        return vast.len() as u64;
    }
    x * x
}

pub(crate) fn an_allocation_past_the_limit_is_told() {
    fails_alone(&ways!(asks_for_too_much), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGABRT));
}

#[parallel]
fn live_within(bytes: u64) {
    limit(libc::RLIMIT_AS, bytes);
}

#[parallel]
fn fill(bytes: usize) -> usize {
    std::hint::black_box(vec![1_u8; bytes]).len()
}

pub(crate) fn a_limit_set_by_the_initializer_holds_in_every_worker() {
    let pool = Pool::builder().workers(2).initializer(&live_within, (ADDRESS_SPACE,)).build().unwrap();
    for _ in 0..3 {
        let outcomes = fill.on(&pool).chunk_size(3).par_map_results([1_000, 2 << 30, 2_000]);
        assert_eq!((*outcomes[0].as_ref().unwrap(), *outcomes[2].as_ref().unwrap()), (1_000, 2_000));
        let error = outcomes[1].as_ref().unwrap_err();
        assert!(is_signal(error.kind(), libc::SIGABRT), "{error}");
        tells(error, "fill", Some(1), error.pid(), 1);
    }
}

#[parallel]
fn runs_until_killed(x: u64) -> u64 {
    if x == BAD {
        failing();
        note("running");
        hang();
    }
    x * x
}

/// Kills whoever notes it, until told to stop.
fn with_killer(what: &'static str, signal: i32, body: impl FnOnce()) {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut killed = 0;
            while stopped.recv_timeout(std::time::Duration::from_millis(2))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                let running = inside::noted(what);
                for &pid in &running[killed..] {
                    send_signal(pid, signal);
                }
                killed = running.len();
            }
        });
        body();
        drop(stop);
    });
}

#[parallel]
fn aborts_at(x: u64, last: u64) -> u64 {
    if x == last {
        std::process::abort();
    }
    note(&format!("ran {last}"));
    x + 1
}

/// Their values are in memory that is shared, some of them not yet where they are meant to be.
pub(crate) fn values_of_one_parcel_outlive_the_worker_that_dies_of_the_next_item() {
    let pool = Pool::with_workers(1).unwrap();
    for last in [0, 1, 511, 512, 513, 1100, 1999] {
        let outcomes = aborts_at.on(&pool).chunk_size(2000).par_map_results((0..2000).map(|x| (x, last)));
        let failed: Vec<u64> = (0..).zip(&outcomes).filter(|(_, outcome)| outcome.is_err()).map(|(x, _)| x).collect();
        assert_eq!(failed, [last]);
        let values = (0..).zip(&outcomes).filter_map(|(x, outcome)| outcome.as_ref().ok().map(|value| (x, *value)));
        assert!(values.clone().all(|(x, value)| value == x + 1), "{last}");
        assert_eq!(inside::noted(&format!("ran {last}")).len(), 1999, "none of them ran twice");
    }
}

pub(crate) fn a_kill_from_outside_fails_only_the_item_that_runs() {
    with_killer("running", libc::SIGKILL, || {
        fails_alone(&ways!(runs_until_killed), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGKILL));
    });
}

pub(crate) fn a_termination_from_outside_is_told_by_its_signal() {
    with_killer("running", libc::SIGTERM, || {
        fails_alone(&ways!(runs_until_killed), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGTERM));
    });
}

/// Takes long enough that all workers get some of it.
#[parallel]
fn who_serves(_: u64) -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(2));
    std::process::id()
}

/// Waits until all workers serve, and returns them. One that is killed before it has reported in did not start; several
/// of those are a pool that cannot.
fn all_serve(pool: &Pool) -> Vec<u32> {
    eventually("all workers serve", || {
        let serving = who_serves.on(pool).par_map(0..8).unwrap();
        let all = pool.pids();
        (all.len() == pool.workers() && all.iter().all(|pid| serving.contains(pid))).then_some(all)
    })
}

pub(crate) fn a_kill_at_rest_fails_nothing() {
    let pool = Pool::with_workers(2).unwrap();
    let mut all = all_serve(&pool);
    for round in 1..=5 {
        send_signal(all[0], libc::SIGKILL);
        // With both: the dead one may be noticed before or after the map has begun.
        let squares = panics.on(&pool).par_map((10..60).map(|x| x * round)).unwrap();
        assert_eq!(squares, (10..60).map(|x| x * x * round * round).collect::<Vec<_>>());
        let before = std::mem::take(&mut all);
        while all.is_empty() || all[0] == before[0] {
            all = all_serve(&pool);
        }
        assert_eq!(all[1], before[1]);
    }
    for pid in &all {
        send_signal(*pid, libc::SIGKILL);
    }
    assert_eq!(joined(panics.on(&pool).submit(5)).unwrap(), 25);
    eventually("all are replaced", || {
        let now = pool.pids();
        (now.len() == 2 && now.iter().all(|pid| !all.contains(pid))).then_some(())
    });
    assert_eq!(pool.stats().tasks_failed, 0);
    assert_eq!(pool.stats().restarts, 7);
}

#[parallel]
#[allow(clippy::zombie_processes, reason = "it outlives the task: that is the case")]
fn leaves_a_child(x: u64) -> u64 {
    if x == BAD {
        failing();
        let child = std::process::Command::new("sleep").arg("3600").spawn().unwrap();
        inside::note_process("children", child.id());
        note("running");
        hang();
    }
    x * x
}

pub(crate) fn what_a_task_started_dies_with_it() {
    with_killer("running", libc::SIGKILL, || {
        fails_alone(&ways!(leaves_a_child), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGKILL));
    });
    with_killer("running", libc::SIGSEGV, || {
        inside::forget("running");
        fails_alone(&ways!(leaves_a_child), Worker::IsReplaced, |kind| is_signal(kind, libc::SIGSEGV));
    });
    wait_for_note("children");
    for pid in inside::noted("children") {
        eventually("what a task started is gone", || (!inside::runs(pid)).then_some(()));
    }
}

struct Ends(u64);

impl Drop for Ends {
    fn drop(&mut self) {
        if self.0 == BAD {
            panic!("in the drop");
        }
    }
}

#[parallel]
fn panics_as_it_returns(x: u64) -> u64 {
    if x == BAD {
        failing();
    }
    let ends = Ends(x);
    ends.0 * x
}

pub(crate) fn a_panic_in_a_drop_is_the_functions_own() {
    fails_alone(
        &ways!(panics_as_it_returns),
        Worker::LivesOn,
        |kind| matches!(kind, ErrorKind::Panicked(report) if report.message() == "in the drop"),
    );
}

/// A function whose threads die does not die of it.
#[parallel]
fn has_a_thread_that_panics(x: u64) -> u64 {
    let thread = std::thread::spawn(move || assert_ne!(x, BAD, "in a thread"));
    if thread.join().is_err() {
        failing();
        panic!("my thread panicked");
    }
    x * x
}

pub(crate) fn a_panic_in_a_thread_is_what_the_function_makes_of_it() {
    fails_alone(
        &ways!(has_a_thread_that_panics),
        Worker::LivesOn,
        |kind| matches!(kind, ErrorKind::Panicked(report) if report.message() == "my thread panicked"),
    );
}
