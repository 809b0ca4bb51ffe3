//! Inputs that panic, and values that make no sense.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::note;

use crate::ways::joined;

#[parallel]
fn square(x: u64) -> u64 {
    note("squared");
    x * x
}

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

/// Counts up, and panics where it says.
fn panics_at(bad: u64) -> impl Iterator<Item = u64> {
    (0..20).inspect(move |&x| assert_ne!(x, bad, "the input ends at {bad}"))
}

fn panics_with<T>(bad: u64, body: impl FnOnce() -> T) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(body)) else { panic!("it went well") };
    let text = payload.downcast_ref::<String>().expect("the assertion's own text");
    assert!(text.contains(&format!("the input ends at {bad}")), "{text}");
}

pub(crate) fn a_panic_of_the_input_is_the_callers_and_leaves_the_pool_whole() {
    // The input's panics are part of the case: no word of them.
    std::panic::set_hook(Box::new(|_| {}));
    let pool = Pool::with_workers(2).unwrap();
    let workers = pool.pids();
    for bad in [0, 3, 7] {
        for chunk_size in [1, 3, 10] {
            let task = square.on(&pool).chunk_size(chunk_size);
            panics_with(bad, || task.par_map(panics_at(bad)));
            panics_with(bad, || task.par_map_results(panics_at(bad)));
            panics_with(bad, || task.par_for_each(panics_at(bad)));
            panics_with(bad, || task.par_map_reduce(panics_at(bad), &add));
            panics_with(bad, || task.par_imap(panics_at(bad)).for_each(drop));
            panics_with(bad, || task.par_imap_unordered(panics_at(bad)).for_each(drop));
            assert_eq!(task.par_map(0..5).unwrap(), [0, 1, 4, 9, 16]);
        }
        panics_with(bad, || square.on(&pool).par_map(panics_at(bad)));
        panics_with(bad, || square.on(&pool).par_imap(panics_at(bad)).for_each(drop));
    }
    assert_eq!(pool.pids(), workers);
    eventually("nothing of it is left", || {
        let stats = pool.stats();
        ((stats.queued, stats.running) == (0, 0)).then_some(())
    });
    let _ = std::panic::take_hook();
}

pub(crate) fn a_lazy_map_whose_input_panicked_comes_to_an_end() {
    std::panic::set_hook(Box::new(|_| {}));
    let pool = Pool::with_workers(2).unwrap();
    for bad in [0, 3, 7] {
        for chunk_size in [1, 3, 10] {
            let mut map = square.on(&pool).chunk_size(chunk_size).par_imap(panics_at(bad));
            panics_with(bad, || map.by_ref().for_each(drop));
            // Whatever it still gives is right and in order, and it does give an end.
            let rest: Vec<u64> = map.map(Result::unwrap).collect();
            assert!(rest.is_sorted(), "{rest:?}");
            let mut map = square.on(&pool).chunk_size(chunk_size).window(4).par_imap_unordered(panics_at(bad));
            panics_with(bad, || map.by_ref().for_each(drop));
            for (index, outcome) in map {
                assert_eq!(outcome.unwrap(), u64::try_from(index * index).unwrap());
            }
        }
    }
    let _ = std::panic::take_hook();
}

/// Says that it is longer, or shorter, than it is.
struct Liar(std::ops::Range<u64>, usize);

impl Iterator for Liar {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        self.0.next()
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

pub(crate) fn an_input_that_lies_about_its_length_is_mapped_to_its_end() {
    let pool = Pool::with_workers(2).unwrap();
    let squares: Vec<u64> = (0..100).map(|x| x * x).collect();
    for claimed in [0, 1, 99, 101, usize::MAX] {
        assert_eq!(square.on(&pool).par_map(Liar(0..100, claimed)).unwrap(), squares);
        let lazy: Vec<u64> = square.on(&pool).par_imap(Liar(0..100, claimed)).map(Result::unwrap).collect();
        assert_eq!(lazy, squares);
    }
}

pub(crate) fn sizes_that_make_no_sense_are_refused_by_every_call() {
    let pool = Pool::with_workers(1).unwrap();
    let refused = |error: Error, word: &str| {
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
        println!("{error}");
    };
    for (task, word) in [
        (square.on(&pool).chunk_size(0), "chunk_size(0)"),
        (square.on(&pool).window(0), "window(0)"),
        (square.on(&pool).env("A", "b"), ".env()"),
    ] {
        refused(task.par_map(0..3).unwrap_err(), word);
        assert_eq!(
            task.par_map_results(0..3).into_iter().map(|outcome| refused(outcome.unwrap_err(), word)).count(),
            3
        );
        refused(task.par_for_each(0..3).unwrap_err(), word);
        refused(task.par_map_reduce(0..3, &add).unwrap_err(), word);
        refused(task.par_imap(0..3).next().unwrap().unwrap_err(), word);
        refused(task.par_imap_unordered(0..3).next().unwrap().1.unwrap_err(), word);
        refused(joined(task.submit(3)).unwrap_err(), word);
    }
    refused(Pool::with_workers(0).unwrap_err(), "workers(0)");
    refused(Pool::builder().tasks_per_worker(0).build().unwrap_err(), "tasks_per_worker(0)");
    refused(Pool::builder().env("", "x").build().unwrap_err(), "");
    refused(Pool::builder().env("a=b", "x").build().unwrap_err(), "a=b");
    for name in ["", "a=b", "a\0b"] {
        let error = joined(square.env(name, "x").spawn(3)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error:?}");
    }
}
