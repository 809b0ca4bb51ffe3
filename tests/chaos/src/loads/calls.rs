//! Single calls.

use std::time::Duration;

use parallel::prelude::*;

use super::{ENOUGH, Ground, row, size, square, sum, text, turn, work};
use crate::explain::{self, Cause};

pub(super) fn submitted(ground: &mut Ground<'_>) {
    let mut large = Vec::new();
    let mut small = Vec::new();
    let retries = [0, ENOUGH][ground.rng.usize(..2)];
    for number in 0..ground.rng.u64(1..60) {
        if ground.rng.u32(..4) == 0 {
            let row = row(number, size(ground.rng));
            large.push((sum(&row), sum.on(ground.pool).retries(retries).submit(&row)));
        } else {
            small.push(square.on(ground.pool).retries(retries).submit(number));
        }
    }
    let check = |ground: &Ground<'_>, outcome: Result<u64, Error>, expected: u64, function: &str| match outcome {
        Ok(value) => assert_eq!(value, expected),
        Err(error) => {
            assert_eq!(retries, 0, "it may be tried again: {error:#?}");
            ground.is_death(&error, function);
        }
    };
    if ground.rng.bool() {
        // In the order of their ends.
        let (sums, handles): (Vec<u64>, Vec<_>) = large.into_iter().unzip();
        let mut left = handles.len();
        for (index, outcome) in parallel::as_completed(handles) {
            check(ground, outcome, sums[index], "sum");
            left -= 1;
        }
        assert_eq!(left, 0);
    } else {
        for (expected, handle) in large {
            check(ground, handle.join(), expected, "sum");
        }
    }
    let mut left = 0;
    for (index, outcome) in parallel::as_completed(small) {
        // Which numbers were small does not matter: a square tells.
        let _ = index;
        match outcome {
            Ok(value) => assert!((0..60).any(|x| x * x == value), "{value} is no square"),
            Err(error) => check(ground, Err(error), 0, "square"),
        }
        left += 1;
    }
    ground.board.count(if left > 0 { "submitted some" } else { "submitted none" });
}

pub(super) fn spawned(ground: &mut Ground<'_>) {
    let retries = [0, 2, ENOUGH][ground.rng.usize(..3)];
    let rows: Vec<Vec<u64>> = (0..ground.rng.u64(1..6)).map(|first| row(first, size(ground.rng))).collect();
    let handles: Vec<_> = rows.iter().map(|row| turn.retries(retries).spawn(row)).collect();
    for (row, handle) in rows.iter().zip(handles) {
        match handle.join() {
            Ok(turned) => assert!(turned.iter().rev().map(|x| !x).eq(row.iter().copied()), "a wrong row"),
            Err(error) => {
                assert!(retries < ENOUGH, "it may be tried again: {error:#?}");
                ground.is_death(&error, "turn");
            }
        }
    }
    // One after the other: from copies of the zygote.
    for number in 0..ground.rng.u64(..10) {
        match work.spawn(number, ground.rng.u32(..2_000)).join() {
            Ok(value) => assert_eq!(value, number),
            Err(error) => ground.is_death(&error, "work"),
        }
    }
}

pub(super) fn ended(ground: &mut Ground<'_>) {
    let is_spawned = ground.rng.u32(..3) == 0;
    let count = if is_spawned { ground.rng.u64(1..5) } else { ground.rng.u64(1..40) };
    let micros = ground.rng.u32(..20_000);
    let late = Duration::from_micros(u64::from(ground.rng.u32(1_000..40_000)));
    let task = if is_spawned { work.retries(0) } else { work.on(ground.pool) };
    let task = if ground.rng.bool() { task.timeout(late) } else { task };
    let handles: Vec<_> = (0..count)
        .map(|number| if is_spawned { task.spawn(number, micros) } else { task.submit(number, micros) })
        .collect();
    for (number, mut handle) in (0..).zip(handles) {
        match ground.rng.u32(..6) {
            0 => {
                handle.cancel();
            }
            1 => handle.kill().expect("the system allows it"),
            2 => handle.terminate().expect("the system allows it"),
            3 => {
                let patience = Duration::from_micros(ground.rng.u64(..5_000));
                match handle.join_timeout(patience) {
                    Ok(Some(value)) => {
                        assert_eq!(value, number);
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        ground.is_explained(&error, "work", &[Cause::Cancelled, Cause::TimedOut]);
                        continue;
                    }
                }
            }
            // Nobody waits for it.
            4 => continue,
            _ => {}
        }
        match handle.join() {
            Ok(value) => assert_eq!(value, number),
            Err(error) => ground.is_explained(&error, "work", &[Cause::Cancelled, Cause::TimedOut]),
        }
    }
    assert_eq!(text(3), "abc");
}

/// Calls others from a worker: a process, and the worker's own pool, which may be killed as well.
#[parallel]
fn call_others(number: u64) -> Result<u64, String> {
    let told = |error: &Error| format!("{:?}", error.kind());
    let squares = square.retries(ENOUGH).par_map(0..number).map_err(|error| told(&error))?;
    let spawned = square.spawn(number).join();
    let spawned = match spawned {
        Ok(value) => value,
        Err(error) if explain::is_told_as_death(error.kind()) => square(number),
        Err(error) => return Err(told(&error)),
    };
    Ok(squares.into_iter().sum::<u64>() + spawned)
}

pub(super) fn nested(ground: &mut Ground<'_>) {
    let count = ground.rng.u64(1..4);
    let expected = |number: u64| (0..=number).map(|x| x * x).sum::<u64>();
    let outcomes: Vec<Result<Result<u64, String>, Error>> = if ground.rng.bool() {
        let handles: Vec<_> = (0..count).map(|number| call_others.spawn(number)).collect();
        handles.into_iter().map(JoinHandle::join).collect()
    } else {
        call_others.on(ground.pool).par_map_results(0..count)
    };
    for (number, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(value) => assert_eq!(value, Ok(expected(number)), "no death explains this"),
            Err(error) => ground.is_death(&error, "call_others"),
        }
    }
}
