//! Maps of every kind.

use std::collections::BTreeSet;

use parallel::prelude::*;

use super::{ENOUGH, Ground, row, size, square, sum, text, turn, work};

fn squares(count: u64) -> Vec<u64> {
    (0..count).map(|x| x.wrapping_mul(x)).collect()
}

fn count(ground: &mut Ground<'_>) -> u64 {
    match ground.rng.u32(..4) {
        0 => ground.rng.u64(..50),
        1 => ground.rng.u64(..5_000),
        _ => ground.rng.u64(..300_000),
    }
}

pub(super) fn of_numbers(ground: &mut Ground<'_>) {
    let count = count(ground);
    let outcome = if ground.rng.bool() {
        square.on(ground.pool).par_map(0..count)
    } else {
        // Not as a range.
        square.on(ground.pool).par_map((0..count).filter(|_| true))
    };
    match outcome {
        Ok(values) => assert!(values == squares(count), "wrong squares"),
        Err(error) => {
            assert!(error.index().is_some_and(|index| (index as u64) < count), "{error:#?}");
            ground.is_death(&error, "square");
        }
    }
}

pub(super) fn of_numbers_tried_again(ground: &mut Ground<'_>) {
    let count = count(ground);
    if ground.rng.bool() {
        let values = square.on(ground.pool).retries(ENOUGH).par_map(0..count).expect("it may be tried again");
        assert!(values == squares(count), "wrong squares");
    } else {
        // Items that take some time, so that they are hit.
        let (count, micros) = (ground.rng.u64(1..300), ground.rng.u32(..2_000));
        let task = work.on(ground.pool).retries(ENOUGH);
        let task = if ground.rng.bool() { task.chunk_size(ground.rng.usize(1..20)) } else { task };
        let values = task.par_map((0..count).map(|number| (number, micros))).expect("it may be tried again");
        assert!(values.into_iter().eq(0..count), "wrong numbers");
    }
}

pub(super) fn of_large_rows(ground: &mut Ground<'_>) {
    let rows: Vec<Vec<u64>> = (0..ground.rng.u64(1..8)).map(|first| row(first, size(ground.rng))).collect();
    let turned = |row: &Vec<u64>| row.iter().rev().map(|x| !x).collect::<Vec<u64>>();
    if ground.rng.bool() {
        let task = turn.on(ground.pool).retries(ENOUGH);
        let values = task.par_map(&rows).expect("it may be tried again");
        assert!(values.iter().eq(rows.iter().map(turned).collect::<Vec<_>>().iter()), "wrong rows");
        return;
    }
    for (index, outcome) in sum.on(ground.pool).par_map_results(&rows).into_iter().enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value, sum(&rows[index]), "the sum of row {index}"),
            Err(error) => {
                assert_eq!(error.index(), Some(index), "{error:#?}");
                ground.is_death(&error, "sum");
            }
        }
    }
}

pub(super) fn with_outcomes(ground: &mut Ground<'_>) {
    let (count, micros) = (ground.rng.u64(1..400), ground.rng.u32(..1_000));
    let retries = [0, 1, ENOUGH][ground.rng.usize(..3)];
    let task = work.on(ground.pool).retries(retries);
    let outcomes = task.par_map_results((0..count).map(|number| (number, micros)));
    assert_eq!(outcomes.len() as u64, count);
    for (index, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value, index as u64),
            Err(error) => {
                assert!(retries < ENOUGH, "it may be tried again: {error:#?}");
                assert_eq!(error.index(), Some(index), "{error:#?}");
                ground.is_death(&error, "work");
            }
        }
    }
}

pub(super) fn lazy(ground: &mut Ground<'_>) {
    let lens: Vec<usize> = (0..ground.rng.usize(1..40)).map(|_| size(ground.rng) / 8).collect();
    let task = text.on(ground.pool);
    let task = if ground.rng.bool() { task.window(ground.rng.usize(1..20)) } else { task };
    let check = |index: usize, outcome: Result<String, Error>| match outcome {
        Ok(value) => assert!(value == text(lens[index]), "a wrong text of {} bytes", value.len()),
        Err(error) => {
            assert_eq!(error.index(), Some(index), "{error:#?}");
            ground.is_death(&error, "text");
        }
    };
    let mut seen = BTreeSet::new();
    if lens.len().is_multiple_of(2) {
        for (index, outcome) in task.par_imap(lens.clone()).enumerate() {
            check(index, outcome);
            seen.insert(index);
        }
    } else {
        for (index, outcome) in task.par_imap_unordered(lens.clone()) {
            check(index, outcome);
            assert!(seen.insert(index), "item {index} came twice");
        }
    }
    assert!(seen.into_iter().eq(0..lens.len()), "an item is missing");
}

pub(super) fn dropped_midway(ground: &mut Ground<'_>) {
    let take = ground.rng.usize(..50);
    let micros = ground.rng.u32(..300);
    let outcomes = work.on(ground.pool).par_imap((0..).map(|number| (number, micros)));
    for (index, outcome) in outcomes.take(take).enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value, index as u64),
            Err(error) => {
                assert_eq!(error.index(), Some(index), "{error:#?}");
                ground.is_death(&error, "work");
            }
        }
    }
}

pub(super) fn for_each(ground: &mut Ground<'_>) {
    let rows: Vec<Vec<u64>> = (0..ground.rng.u64(1..30)).map(|first| row(first, size(ground.rng) / 4)).collect();
    if let Err(error) = turn.on(ground.pool).par_for_each(&rows) {
        assert!(error.index().is_some_and(|index| index < rows.len()), "{error:#?}");
        ground.is_death(&error, "turn");
    }
    turn.on(ground.pool).retries(ENOUGH).par_for_each(rows.iter().take(5)).expect("it may be tried again");
}

/// One text behind the other: which is in front matters.
#[parallel]
fn join(mut front: String, back: String) -> String {
    front.push_str(&back);
    front
}

#[parallel]
fn name(number: u64) -> String {
    format!("{number},")
}

pub(super) fn reduced(ground: &mut Ground<'_>) {
    let count = ground.rng.u64(..3_000);
    let retries = [0, ENOUGH][ground.rng.usize(..2)];
    match name.on(ground.pool).retries(retries).par_map_reduce(0..count, &join) {
        Ok(value) => {
            let names: String = (0..count).map(name.as_fn()).collect();
            assert!(value == (count > 0).then_some(names), "wrong names");
        }
        Err(error) => {
            assert_eq!(retries, 0, "it may be tried again: {error:#?}");
            let function = error.function().unwrap_or_default().to_string();
            assert!(["name", "join"].contains(&function.as_str()), "{error:#?}");
            ground.is_death(&error, &function);
        }
    }
}
