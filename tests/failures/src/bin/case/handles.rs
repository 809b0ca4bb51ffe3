//! What a handle says and does of calls that wait, run, failed and finished.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use parallel::prelude::*;
use parallel_failures::inside::{block_on, forget, note, noted, runs, wait_for_note};
use parallel_failures::{PATIENCE, eventually};

use crate::ways::{hang, joined, limit, tells};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn hangs() {
    note("hanging");
    hang();
}

#[parallel]
fn fails(how: u8) -> u64 {
    match how {
        0 => panic!("a panic"),
        1 => std::process::exit(8),
        2 => std::process::abort(),
        _ => 7,
    }
}

fn is_signal<R>(outcome: parallel::Result<R>, expected: i32) -> Error {
    let error = outcome.err().expect("a killed call");
    assert!(matches!(error.kind(), ErrorKind::Signaled { signal, .. } if *signal == expected), "{error:?}");
    error
}

fn is_cancelled<R>(outcome: parallel::Result<R>) {
    let error = outcome.err().expect("a cancelled call");
    assert!(matches!(error.kind(), ErrorKind::Cancelled), "{error:?}");
    tells(&error, error.function().unwrap(), None, None, 0);
}

pub(crate) fn a_running_call_can_be_killed_and_terminated() {
    let pool = Pool::with_workers(1).unwrap();
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        for pooled in [false, true] {
            let handle = if pooled { hangs.on(&pool).submit() } else { hangs.spawn() };
            let pid = wait_for_note("hanging");
            forget("hanging");
            assert_eq!(handle.pid(), Some(pid));
            assert!(!handle.is_finished());
            assert!(!handle.cancel());
            assert_eq!(handle.exit_status(), None);
            if signal == libc::SIGKILL { handle.kill() } else { handle.terminate() }.unwrap();
            tells(&is_signal(joined(handle), signal), "hangs", None, Some(pid), 1);
            eventually("the process is gone", || (!runs(pid)).then_some(()));
        }
        assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
    }
}

pub(crate) fn a_finished_call_is_not_harmed_by_signals() {
    let pool = Pool::with_workers(1).unwrap();
    let worker = pool.pids();
    for handle in [square.spawn(3), square.on(&pool).submit(3)] {
        eventually("the call has finished", || handle.is_finished().then_some(()));
        assert_eq!(handle.pid(), None);
        handle.kill().unwrap();
        handle.terminate().unwrap();
        assert!(!handle.cancel());
        assert_eq!(joined(handle).unwrap(), 9);
    }
    assert_eq!(joined(square.on(&pool).submit(4)).unwrap(), 16);
    assert_eq!(pool.pids(), worker);
}

pub(crate) fn a_call_that_waits_in_a_pool_is_cancelled_by_whatever_ends_it() {
    let pool = Pool::with_workers(1).unwrap();
    // After a quick call a worker gets the next one ahead.
    assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
    let running = hangs.on(&pool).submit();
    let pid = wait_for_note("hanging");
    // The second is in the worker's lane, the others are in the pool's queue.
    let waiting: Vec<_> = (0..7).map(|x| square.on(&pool).submit(x)).collect();
    assert!(waiting.iter().all(|handle| handle.pid().is_none() && !handle.is_finished()));
    assert!(waiting[0].cancel() && waiting[3].cancel());
    assert!(!waiting[0].cancel() && !waiting[3].cancel());
    waiting[1].kill().unwrap();
    waiting[4].terminate().unwrap();
    assert!(runs(pid), "it was not the one that was meant");
    running.kill().unwrap();
    is_signal(joined(running), libc::SIGKILL);
    for (x, handle) in (0..).zip(waiting) {
        match x {
            0 | 1 | 3 | 4 => is_cancelled(joined(handle)),
            _ => assert_eq!(joined(handle).unwrap(), x * x),
        }
    }
    assert_eq!(pool.stats().tasks_done, 1 + 3);
}

/// Waits, with few descriptors, until some spawned calls have to wait for others.
fn with_waiting_calls(body: impl FnOnce(Vec<JoinHandle<()>>)) {
    let before = limit(libc::RLIMIT_NOFILE, 48);
    let handles: Vec<_> = (0..24).map(|_| hangs.spawn()).collect();
    // Those that run have noted it; `pid` waits until the reactor has looked at the last one.
    assert_eq!(handles.last().unwrap().pid(), None);
    let running = handles.iter().filter(|handle| handle.pid().is_some()).count();
    assert!((1..24).contains(&running), "{running} run");
    eventually("all that may run do", || (noted("hanging").len() == running).then_some(()));
    body(handles);
    limit(libc::RLIMIT_NOFILE, before);
    forget("hanging");
}

pub(crate) fn a_spawned_call_that_waits_is_cancelled_by_whatever_ends_it() {
    with_waiting_calls(|mut handles| {
        let running = handles.iter().filter(|handle| handle.pid().is_some()).count();
        let waiting = handles.split_off(running);
        assert!(waiting.iter().all(JoinHandle::is_queued) && !handles.iter().any(JoinHandle::is_queued));
        assert!(waiting.iter().all(|handle| handle.pid().is_none() && handle.exit_status().is_none()));
        assert!(waiting[0].cancel());
        assert!(!waiting[0].cancel());
        waiting[1].kill().unwrap();
        waiting[2].terminate().unwrap();
        for handle in &waiting[3..] {
            assert!(handle.cancel());
        }
        for handle in waiting {
            assert!(handle.is_finished());
            assert_eq!(handle.pid(), None);
            is_cancelled(joined(handle));
        }
        for handle in handles {
            handle.kill().unwrap();
            is_signal(joined(handle), libc::SIGKILL);
        }
        assert_eq!(noted("hanging").len(), running);
    });
}

pub(crate) fn waiting_calls_start_as_others_end() {
    with_waiting_calls(|handles| {
        let mut ended = 0;
        for handle in handles {
            let pid = eventually("it runs", || handle.pid());
            eventually("it has noted so", || noted("hanging").contains(&pid).then_some(()));
            handle.kill().unwrap();
            tells(&is_signal(joined(handle), libc::SIGKILL), "hangs", None, Some(pid), 1);
            ended += 1;
        }
        assert_eq!(ended, 24);
    });
}

pub(crate) fn a_call_that_is_cancelled_at_once_runs_or_does_not() {
    let mut cancelled = 0;
    for _ in 0..100 {
        let handle = square.spawn(6);
        let withdrawn = handle.cancel();
        // None of these may wait for a process that will never be.
        let _ = handle.pid();
        handle.kill().unwrap();
        if withdrawn {
            assert!(handle.is_finished());
            assert_eq!(handle.pid(), None);
            assert!(!handle.cancel());
            is_cancelled(joined(handle));
            cancelled += 1;
        } else if let Err(error) = joined(handle) {
            assert!(matches!(error.kind(), ErrorKind::Signaled { .. } | ErrorKind::Start(_)), "{error:?}");
        }
    }
    println!("{cancelled} of 100 were cancelled before they started");
}

pub(crate) fn the_exit_status_of_a_spawned_call_is_its_processs() {
    for (how, code, signal) in
        [(0, Some(101), None), (1, Some(8), None), (2, None, Some(libc::SIGABRT)), (3, Some(0), None)]
    {
        let mut handle = fails.spawn(how);
        let outcome = handle.join_timeout(PATIENCE);
        assert_eq!(outcome.is_ok(), how == 3, "{outcome:?}");
        assert!(handle.is_finished());
        assert_eq!(handle.pid(), None);
        let status = handle.exit_status().unwrap();
        assert_eq!((status.code(), status.signal()), (code, signal));
        // The outcome was given; what is left to say is that.
        assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Closed));
    }
    let pool = Pool::with_workers(1).unwrap();
    for how in 0..=3 {
        let handle = fails.on(&pool).submit(how);
        eventually("it has finished", || handle.is_finished().then_some(()));
        assert_eq!((handle.exit_status(), handle.pid()), (None, None));
        assert_eq!(joined(handle).is_ok(), how == 3);
    }
}

pub(crate) fn failing_calls_complete_and_can_be_awaited_like_others() {
    let pool = Pool::with_workers(2).unwrap();
    for pooled in [false, true] {
        let start = |how| if pooled { fails.on(&pool).submit(how) } else { fails.spawn(how) };
        for how in 0..=3 {
            match (how, block_on(start(how))) {
                (3, Ok(7)) => {}
                (0, Err(error)) => assert!(matches!(error.kind(), ErrorKind::Panicked(_)), "{error:?}"),
                (1, Err(error)) => assert!(matches!(error.kind(), ErrorKind::Exited { code: 8 }), "{error:?}"),
                (2, Err(error)) => assert!(matches!(error.kind(), ErrorKind::Signaled { .. }), "{error:?}"),
                other => panic!("{other:?}"),
            }
        }
        let mut seen = [0; 40];
        for (index, outcome) in parallel::as_completed((0..40).map(|x| start(x % 4))) {
            assert_eq!(outcome.is_ok(), index % 4 == 3, "{outcome:?}");
            seen[index] += 1;
        }
        assert_eq!(seen, [1; 40]);
        let (cancelled, late) = (start(3), start(3));
        if cancelled.cancel() {
            is_cancelled(block_on(cancelled));
        }
        // Dropped before it is ready: the call goes on without us.
        drop(late);
    }
    let hanging = [hangs.spawn(), hangs.on(&pool).submit()];
    for handle in &hanging {
        eventually("it runs", || handle.pid());
        handle.kill().unwrap();
    }
    for (_, outcome) in parallel::as_completed(hanging) {
        is_signal(outcome, libc::SIGKILL);
    }
}

pub(crate) fn calls_can_be_joined_in_any_order() {
    let pool = Pool::with_workers(2).unwrap();
    for pooled in [false, true] {
        let count = if pooled { 500 } else { 30 };
        let start = |x| if pooled { square.on(&pool).submit(x) } else { square.spawn(x) };
        let mut handles: Vec<_> = (0..count).map(|x| Some(start(x))).collect();
        // A walk through all of them in steps that have no divisor in common with their number.
        for step in 0..count {
            let x = step * 7 % count;
            let handle = handles[usize::try_from(x).unwrap()].take().unwrap();
            assert_eq!(joined(handle).unwrap(), x * x);
        }
    }
}

pub(crate) fn a_join_that_times_out_can_be_tried_again() {
    let pool = Pool::with_workers(1).unwrap();
    for mut handle in [hangs.spawn(), hangs.on(&pool).submit()] {
        for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(30)] {
            assert!(handle.join_timeout(timeout).unwrap().is_none());
        }
        eventually("it runs", || handle.pid());
        handle.kill().unwrap();
        is_signal(handle.join_timeout(PATIENCE), libc::SIGKILL);
        assert!(matches!(handle.join_timeout(PATIENCE).unwrap_err().kind(), ErrorKind::Closed));
        assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Closed));
    }
}

pub(crate) fn a_killed_call_is_not_tried_again() {
    let pool = Pool::with_workers(1).unwrap();
    for pooled in [false, true] {
        let task = hangs.retries(5);
        let handle = if pooled { task.on(&pool).submit() } else { task.spawn() };
        wait_for_note("hanging");
        forget("hanging");
        handle.kill().unwrap();
        is_signal(joined(handle), libc::SIGKILL);
        assert!(noted("hanging").is_empty());
    }
    assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
}

pub(crate) fn detached_calls_go_on() {
    let pool = Pool::with_workers(1).unwrap();
    drop(hangs.spawn());
    let pid = wait_for_note("hanging");
    assert!(runs(pid));
    parallel_failures::inside::send_signal(pid, libc::SIGKILL);
    forget("hanging");
    drop(hangs.on(&pool).submit());
    let pid = wait_for_note("hanging");
    assert_eq!(pool.pids(), [pid]);
    parallel_failures::inside::send_signal(pid, libc::SIGKILL);
    assert_eq!(joined(square.on(&pool).submit(3)).unwrap(), 9);
}
