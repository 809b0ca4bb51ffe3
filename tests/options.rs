//! Each option in front of each kind of call: it works, or the call refuses it and says what it is for.

mod engines;

use std::time::Duration;

use parallel::prelude::*;

#[parallel]
fn half(x: u32) -> u32 {
    x / 2
}

#[parallel(chunk_size = 3)]
fn third(x: u32) -> u32 {
    x / 3
}

/// What each kind of call makes of a handle: `spawn`, `submit`, maps, lazy maps.
macro_rules! calls {
    ($handle:expr) => {{
        let handle = $handle;
        let single =
            [handle.spawn(6).join().map(|value| vec![value]), handle.submit(6).join().map(|value| vec![value])];
        let maps = [
            handle.par_map([6]),
            handle.par_map_results([6]).into_iter().collect(),
            handle.par_for_each([6]).map(|()| vec![handle(6)]),
            handle.par_map_reduce([6], &half_of_two).map(|value| value.into_iter().collect()),
        ];
        let lazy = [handle.par_imap([6]).collect(), handle.par_imap_unordered([6]).map(|(_, value)| value).collect()];
        (single, maps, lazy)
    }};
}

#[parallel]
fn half_of_two(a: u32, _: u32) -> u32 {
    a
}

type Outcome = parallel::Result<Vec<u32>>;

fn works(outcome: Outcome, value: u32) {
    assert_eq!(outcome.unwrap(), [value]);
}

fn is_refused(outcome: Outcome, text: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error:?}");
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn a_timeout_retries_and_a_name_are_for_every_call() {
    let options = [half.timeout(Duration::from_secs(60)), half.retries(1), half.name("half of it")];
    for handle in options {
        let (single, maps, lazy) = calls!(handle);
        single.into_iter().chain(maps).chain(lazy).for_each(|outcome| works(outcome, 3));
    }
}

#[test]
fn a_pool_is_for_all_but_spawn() {
    let pool = engines::pool(1);
    let ([spawn, submit], maps, lazy) = calls!(half.on(&pool));
    is_refused(spawn, "`.on()` is for `submit` and the maps");
    [submit].into_iter().chain(maps).chain(lazy).for_each(|outcome| works(outcome, 3));
}

#[test]
fn a_chunk_size_is_for_maps() {
    let (single, maps, lazy) = calls!(half.chunk_size(2));
    single.into_iter().for_each(|outcome| is_refused(outcome, "`.chunk_size()` is for maps"));
    maps.into_iter().chain(lazy).for_each(|outcome| works(outcome, 3));
}

#[test]
fn a_window_is_for_lazy_maps() {
    let (single, maps, lazy) = calls!(half.window(2));
    single.into_iter().chain(maps).for_each(|outcome| is_refused(outcome, "`.window()` is for the lazy maps"));
    lazy.into_iter().for_each(|outcome| works(outcome, 3));
}

#[test]
fn a_variable_is_for_spawn() {
    let ([spawn, submit], maps, lazy) = calls!(half.env("COLOR", "blue"));
    works(spawn, 3);
    [submit].into_iter().chain(maps).chain(lazy).for_each(|outcome| is_refused(outcome, "`.env()` is for `spawn`"));
}

#[test]
fn what_the_attribute_says_is_passed_over_where_it_means_nothing() {
    let (single, maps, lazy) = calls!(third.retries(0));
    single.into_iter().chain(maps).chain(lazy).for_each(|outcome| works(outcome, 2));
}

#[test]
fn what_makes_no_sense_is_refused_by_every_call() {
    let handles = [
        (half.timeout(Duration::ZERO), "timeout"),
        (half.chunk_size(0), "chunk_size(0)"),
        (half.window(0), "window(0)"),
    ];
    for (handle, text) in handles {
        let (single, maps, lazy) = calls!(handle);
        single.into_iter().chain(maps).chain(lazy).for_each(|outcome| is_refused(outcome, text));
    }
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
