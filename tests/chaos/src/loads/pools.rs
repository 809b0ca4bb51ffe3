//! Pools that are made, used and ended in each way.

use parallel::prelude::*;

use super::{Ground, row, square, sum, work};
use crate::explain::Cause;

#[parallel]
fn prepare(micros: u32) -> Result<(), String> {
    work(1, micros);
    Ok(())
}

pub(super) fn pools(ground: &mut Ground<'_>) {
    let mut builder = Pool::builder().workers(ground.rng.usize(1..=3));
    if ground.rng.bool() {
        builder = builder.tasks_per_worker(ground.rng.usize(1..50));
    }
    let is_prepared = ground.rng.u32(..3) == 0;
    if is_prepared {
        builder = builder.initializer(&prepare, (ground.rng.u32(..2_000),));
    }
    let pool = match builder.build() {
        Ok(pool) => pool,
        Err(error) => {
            // Its workers died again and again before they were ready.
            assert!(!ground.in_peace, "{error:#?}");
            return crate::explain::is_death(&error, None, ground.board);
        }
    };
    let later = square.on(&pool);
    let large = row(5, 3_000_000);
    let micros = ground.rng.u32(..2_000);
    let calls: Vec<_> = (0..ground.rng.u64(..100)).map(|number| work.on(&pool).submit(number, micros)).collect();
    let sums: Vec<_> = (0..ground.rng.u64(..4)).map(|_| sum.on(&pool).submit(&large)).collect();
    let is_joined = match ground.rng.u32(..3) {
        0 => {
            drop(pool);
            false
        }
        1 => {
            pool.terminate();
            false
        }
        _ => {
            pool.join().expect("nobody terminates it");
            true
        }
    };
    let causes: &[Cause] = if is_joined { &[] } else { &[Cause::Terminated] };
    for (number, call) in (0..).zip(calls) {
        assert!(call.is_finished(), "the pool has ended");
        match call.join() {
            Ok(value) => assert_eq!(value, number),
            Err(error) => ground.is_explained(&error, "work", causes),
        }
    }
    for call in sums {
        match call.join() {
            Ok(value) => assert_eq!(value, sum(&large)),
            Err(error) => ground.is_explained(&error, "sum", causes),
        }
    }
    let error = later.submit(3).join().expect_err("the pool has ended");
    ground.is_explained(&error, "square", if is_joined { &[Cause::Closed] } else { &[Cause::Terminated] });
}
