//! Tests of a pool from inside: what its workers suffer at moments that only the driver can arrange.

use std::cell::Cell;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parallel_macros::parallel;

use super::Pool;
use super::line::Line;
use super::state::Event;
use super::state::life::Life;
use super::state::starts::Starts;
use crate::call::handle::JoinHandle;
use crate::error::ErrorKind;
use crate::process::control::Delivery;
use crate::process::peer::PeerError;
use crate::process::reactor;
use crate::process::start::Way;
use crate::shared::Value;
use crate::sys::process::signals::{ABORT, CONTINUE, STOP};
use crate::sys::process::{self, KILL};
use crate::testing::{Flag, PATIENCE, eventually};
use crate::tuning;

#[parallel(crate = crate)]
fn length(text: &str) -> usize {
    text.len()
}

#[parallel(crate = crate)]
fn count_up(value: Value<u64>, _text: &str) -> u64 {
    value
        .update(|value| {
            *value += 1;
            *value
        })
        .unwrap()
}

#[parallel(crate = crate)]
fn total(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// Too much for a lane.
const LARGE: usize = 3 << 20;

/// Calls with an argument beside the lane: a row in memory of its own, another value in a block.
const BESIDE: [fn(&Pool) -> JoinHandle<usize>; 2] =
    [|pool| length.on(pool).submit(&"x".repeat(LARGE)), |pool| total.on(pool).submit(&["x".repeat(LARGE)])];

/// Keeps the reactor from hearing anything until this is dropped.
fn keep_reactor_busy() -> mpsc::Sender<()> {
    let (go_on, busy) = mpsc::channel::<()>();
    let (is_busy, waits) = mpsc::channel();
    reactor::get().unwrap().run(move |_| {
        is_busy.send(()).unwrap();
        let _ = busy.recv();
    });
    waits.recv().unwrap();
    go_on
}

fn signal(pool: &Pool, seat: usize, signal: i32) {
    let core = pool.driver().enter();
    core.lines[seat].as_ref().unwrap().child.signal(signal).unwrap();
}

/// Kills a worker, and waits until its channel is closed, of which the reactor does not hear.
fn kill_unheard(pool: &Pool, seat: usize) {
    signal(pool, seat, KILL);
    eventually("its channel is closed", || {
        let core = pool.driver().enter();
        let control = core.lines[seat].as_ref().unwrap().child.control();
        control.send(&Delivery::Forget(0), &[], false).is_err_and(|error| PeerError::of(&error) == PeerError::Gone)
    });
}

fn joined<T>(mut handle: JoinHandle<T>) -> crate::error::Result<T> {
    handle.join_timeout(PATIENCE).map(|value| value.expect("it hangs"))
}

fn serving(workers: usize) -> Pool {
    let pool = Pool::with_workers(workers).unwrap();
    eventually("all workers serve", || {
        pool.driver().enter().state.workers().all(|worker| worker.life.has_reported_in())
    });
    pool
}

#[test]
fn a_large_call_that_a_dead_worker_cannot_be_given_goes_to_another() {
    for large in BESIDE {
        let pool = serving(2);
        let busy = keep_reactor_busy();
        kill_unheard(&pool, 0);
        assert_eq!(joined(large(&pool)).unwrap(), LARGE);
        let lens = length.on(&pool).par_map(["x".repeat(LARGE), "y".repeat(LARGE + 1)]);
        assert_eq!(lens.unwrap(), [LARGE, LARGE + 1]);
        drop(busy);
        eventually("its seat is filled again", || pool.stats().restarts == 1 && pool.pids().len() == 2);
        assert_eq!((pool.stats().recycled, pool.stats().tasks_failed), (0, 0));
    }
}

#[test]
fn a_large_call_outlives_the_only_worker_that_dies_before_it_is_given_it() {
    for large in BESIDE {
        let pool = serving(1);
        let value = Value::new(0_u64).unwrap();
        let busy = keep_reactor_busy();
        kill_unheard(&pool, 0);
        let lengths = large(&pool);
        let counted = count_up.on(&pool).submit(value.clone(), &"x".repeat(LARGE));
        assert!(!lengths.is_finished() && !counted.is_finished());
        drop(busy);
        assert_eq!(joined(lengths).unwrap(), LARGE);
        assert_eq!(joined(counted).unwrap(), 1);
        assert_eq!(pool.stats().restarts, 1);
    }
}

#[test]
fn a_call_waits_for_room_in_the_channel_of_a_stopped_worker() {
    let pool = serving(1);
    let value = Value::new(0_u64).unwrap();
    signal(&pool, 0, STOP);
    // Among them what it is told to drop.
    let mut sent = 0;
    eventually("its channel is full", || {
        let mut core = pool.driver().enter();
        sent += 1;
        core.owing = true;
        core.lines[0].as_mut().unwrap().fill(sent)
    });
    let lengths = BESIDE[1](&pool);
    let counted = count_up.on(&pool).submit(value.clone(), "");
    assert!(!lengths.is_finished() && !counted.is_finished());
    signal(&pool, 0, CONTINUE);
    assert_eq!(joined(lengths).unwrap(), LARGE);
    assert_eq!(joined(counted).unwrap(), 1);
    assert_eq!(joined(count_up.on(&pool).submit(value, "")).unwrap(), 2);
    eventually("it was told all of it", || {
        pool.stats();
        !pool.driver().enter().lines[0].as_ref().unwrap().is_owed()
    });
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_lane_that_is_written_over_while_its_worker_has_nothing_costs_no_call() {
    for len in [3, LARGE] {
        let pool = serving(1);
        assert_eq!(joined(length.on(&pool).submit("four")).unwrap(), 4);
        pool.driver().enter().lines[0].as_ref().unwrap().lane.spoil();
        assert_eq!(joined(length.on(&pool).submit(&"x".repeat(len))).unwrap(), len);
        assert_eq!((pool.stats().restarts, pool.stats().tasks_failed), (1, 0));
    }
}

#[parallel(crate = crate)]
fn square(x: u64) -> u64 {
    x * x
}

fn works(pool: &Pool) {
    assert_eq!(square.on(pool).submit(3).join_timeout(PATIENCE).unwrap(), Some(9));
}

#[test]
fn a_copy_that_is_killed_before_it_begins_is_no_failed_start() {
    let pool = Pool::with_workers(1).unwrap();
    let mut killed = 0;
    eventually("some copies are killed", || {
        works(&pool);
        let driver = Arc::clone(pool.driver());
        let (done, way) = std::sync::mpsc::channel();
        pool.driver().reactor.run(move |reactor| {
            // The pool forgets the worker, so that its end does not count.
            let former = {
                let mut core = driver.enter();
                core.state.seats.replace(0, None);
                core.lines[0].take()
            };
            former.unwrap().child.signal(KILL).unwrap();
            driver.seat(reactor, 0, false);
            // It was told to begin just now.
            let started = Arc::clone(&driver.enter().lines[0].as_ref().unwrap().child);
            started.signal(KILL).unwrap();
            done.send(started.way()).unwrap();
        });
        let is_copy = way.recv().unwrap() == Way::Forked;
        works(&pool);
        let core = pool.driver().enter();
        let failed = core.state.starts.retry_after(Instant::now());
        assert!(!is_copy || failed.is_none(), "{:?}", core.state.starts.latest());
        drop(core);
        pool.driver().enter().state.starts = Starts::default();
        killed += u32::from(is_copy);
        killed == 10
    });
    assert_eq!(pool.stats().tasks_failed, 0);
}

#[test]
fn a_worker_that_somebody_kills_as_it_starts_is_told_as_killed_and_does_not_fail_the_pool() {
    let pool = Pool::with_workers(1).unwrap();
    works(&pool);
    let mut core = pool.driver().enter();
    let status = Some(process::ended_by(KILL));
    let error = pool.driver().start_error(Life::Starting, core.lines[0].as_ref().unwrap(), status);
    let told = error.to_error();
    assert!(matches!(told.kind(), ErrorKind::Signaled { signal: KILL, .. }), "{told:?}");
    assert!(told.to_string().contains("before it reported in"), "{told}");
    for failures in 1..=tuning::ACCIDENTS {
        core.handle(Event::StartFailed(error.clone()), Instant::now());
        assert_eq!(core.state.starts.first().is_some(), failures == tuning::ACCIDENTS, "{failures} failures");
    }
    // What a program does to itself is told as what it is.
    let status = Some(process::ended_by(ABORT));
    let error = pool.driver().start_error(Life::Starting, core.lines[0].as_ref().unwrap(), status);
    assert!(matches!(error.to_error().kind(), ErrorKind::Start(_)), "{:?}", error.to_error());
}

type Meanwhile = Box<dyn FnOnce(&Line, u64)>;

thread_local! {
    /// What happens between the look at a call and the signal for it.
    static MEANWHILE: Cell<Option<Meanwhile>> = const { Cell::new(None) };
}

pub(super) fn looked(line: &Line, parcel: u64) {
    if let Some(meanwhile) = MEANWHILE.take() {
        meanwhile(line, parcel);
    }
}

#[parallel(crate = crate)]
fn first(may_end: &str) {
    Flag::named(may_end).wait();
}

#[parallel(crate = crate)]
fn second() {
    let ran = Flag::named("second has run");
    if !ran.is_up() {
        ran.raise();
        // Until the signal for the first one hits it.
        Flag::named("never").wait();
    }
}

#[parallel(crate = crate)]
fn never() {
    panic!("it has run");
}

#[test]
fn a_call_whose_worker_is_stopped_before_it_begins_is_ended_by_a_kill() {
    const MAY_END: &str = "it may end at once";
    let may_end = Flag::named(MAY_END);
    may_end.raise();
    let pool = Pool::with_workers(1).unwrap();
    first.on(&pool).submit(MAY_END).join().unwrap();
    pool.driver().enter().lines[0].as_ref().unwrap().child.signal(STOP).unwrap();
    // The signal is on its way to a worker that may still look for parcels.
    eventually("the worker is stopped", || pool.driver().enter().lines[0].as_ref().unwrap().child.is_stopped());
    let mut call = never.on(&pool).submit();
    pool.driver().enter().lines[0].as_ref().unwrap().lane.pretend_taken(1);
    call.kill().unwrap();
    let error = call.join_timeout(PATIENCE).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled), "{error}");
    first.on(&pool).submit(MAY_END).join().unwrap();
    may_end.lower();
}

#[test]
fn a_signal_for_a_call_that_has_just_ended_does_not_fail_the_next() {
    const MAY_END: &str = "first may end";
    let (may_end, ran) = (Flag::named(MAY_END), Flag::named("second has run"));
    for by_kill in [true, false] {
        may_end.lower();
        ran.lower();
        let pool = Pool::with_workers(1).unwrap();
        let signalled = first.on(&pool).submit(MAY_END);
        eventually("the first call runs", || signalled.pid().is_some());
        // A worker that was quick so far gets the next call ahead.
        let quick = Some(Duration::ZERO);
        pool.driver().enter().state.seats.get_mut(0).unwrap().latest = quick;
        let behind = second.on(&pool).submit();

        let meanwhile = |line: &Line, parcel: u64| {
            assert_eq!(line.lane.next_number(), parcel + 2, "the second call waits behind the first");
            Flag::named(MAY_END).raise();
            Flag::named("second has run").wait();
            assert!(line.lane.progress(parcel).ended);
        };
        MEANWHILE.set(Some(Box::new(meanwhile)));
        if by_kill { signalled.kill() } else { signalled.terminate() }.unwrap();
        assert!(MEANWHILE.take().is_none(), "the signal was sent");
        for mut call in [signalled, behind] {
            assert_eq!(call.join_timeout(PATIENCE).unwrap(), Some(()), "{}", call.name());
        }
        let stats = pool.stats();
        assert_eq!((stats.tasks_done, stats.tasks_failed, stats.restarts), (2, 0, 1));
    }
    may_end.lower();
    ran.lower();
}
