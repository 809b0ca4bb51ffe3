//! The `try_` maps: what befalls a call and what a function returns are one error.

mod engines;

use std::fmt;

use parallel::Failure;
use parallel::prelude::*;

#[parallel]
fn half(x: u32) -> Result<u32, String> {
    assert!(x != 13, "13 is unlucky");
    if x.is_multiple_of(2) { Ok(x / 2) } else { Err(format!("{x} is odd")) }
}

#[parallel]
fn read(path: &str) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path)?)
}

/// An error with a cause, as people write them.
#[derive(Debug)]
struct Unreadable(std::num::ParseIntError);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no configuration")
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[parallel]
fn configure(text: &str) -> Result<i32, Failure> {
    Ok(text.parse().map_err(Unreadable)?)
}

/// Not commutative: the order shows.
#[parallel]
fn join(a: String, b: String) -> String {
    assert!(!b.starts_with('!'), "cannot merge {b}");
    a + &b
}

#[parallel]
fn letter(x: u32) -> Result<String, Failure> {
    match char::from_u32(x) {
        Some(found) => Ok(found.to_string()),
        None => Err(Failure::new(format!("{x:#x} is no letter"))),
    }
}

#[test]
fn values_are_merged_in_order_without_their_results() {
    let letters = |count: u32| (0..count).map(|at| u32::from(b'a') + at % 26);
    for count in [1, 2, 3, 1_000, 20_000] {
        let all: String = letters(count).filter_map(char::from_u32).collect();
        assert_eq!(letter.try_par_map_reduce(letters(count), &join).unwrap(), Some(all));
    }
    assert_eq!(letter.chunk_size(3).try_par_map_reduce(letters(8), &join).unwrap().as_deref(), Some("abcdefgh"));
    assert_eq!(letter.try_par_map_reduce([], &join).unwrap(), None);
}

#[test]
fn a_reduction_ends_at_an_error_with_its_item_and_at_a_failed_merge() {
    for (count, at) in [(1, 0), (5_000, 4_321)] {
        let items = (0..count).map(|item| if item == at { 0xd800 } else { 97 });
        let failure = letter.try_par_map_reduce(items, &join).unwrap_err();
        assert_eq!(failure.to_string(), format!("`letter`, item {at}: 0xd800 is no letter"));
    }
    let failure = letter.try_par_map_reduce([97, 33], &join).unwrap_err();
    assert!(failure.to_string().contains("cannot merge !"), "{failure}");
    assert_eq!((failure.function(), failure.index()), (Some("join"), None));
}

#[test]
fn values_come_back_without_their_results() {
    assert_eq!(half.try_par_map((0..1_000).map(|x| 2 * x)).unwrap(), (0..1_000).collect::<Vec<_>>());
    assert_eq!(half.try_par_map(Vec::new()).unwrap(), []);
    half.try_par_for_each([2, 4]).unwrap();
    assert_eq!(half.try_par_imap((0..).step_by(2)).take(3).collect::<Result<Vec<_>, _>>().unwrap(), [0, 1, 2]);
}

#[test]
fn an_error_of_the_function_and_one_of_the_call_are_told_alike() {
    for (items, text, index) in [([2, 3], "`half`, item 1: 3 is odd", 1), ([13, 2], "13 is unlucky", 0)] {
        let outcomes = [
            half.try_par_map(items).map(drop),
            half.try_par_for_each(items),
            half.try_par_imap(items).collect::<Result<Vec<_>, _>>().map(drop),
            half.try_par_imap_unordered(items).map(|(_, outcome)| outcome).collect::<Result<Vec<_>, _>>().map(drop),
        ];
        for outcome in outcomes {
            let failure = outcome.unwrap_err();
            assert!(failure.to_string().contains(text), "{failure}");
            assert_eq!((failure.function(), failure.index()), (Some("half"), Some(index)));
            assert_eq!(failure.to_string().matches("half").count(), 1, "{failure}");
        }
    }
}

#[test]
fn lazy_maps_say_how_many_outcomes_there_are_at_most() {
    let mut lazy = half.par_imap(0..10);
    assert_eq!(lazy.size_hint(), (0, Some(10)));
    assert!(lazy.next().is_some());
    assert_eq!(lazy.size_hint(), (0, Some(9)));
    assert_eq!(lazy.count(), 9);
    assert_eq!(half.try_par_imap_unordered(0..).size_hint(), (0, None));
    assert_eq!(half.window(0).par_imap(0..10).size_hint(), (0, Some(1)));
}

#[test]
fn a_failure_ends_the_map() {
    let taken = std::cell::Cell::new(0);
    let endless = (1..).inspect(|_| taken.set(taken.get() + 1));
    assert_eq!(half.try_par_for_each(endless).unwrap_err().index(), Some(0));
    assert!(taken.get() < 1_000_000, "{}", taken.get());
}

#[test]
fn any_error_travels_with_its_causes_and_goes_on_from_there() {
    fn upper() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        read.spawn("/no such file").join()??;
        Ok(())
    }
    assert!(upper().unwrap_err().to_string().contains("No such file"));

    let failure = configure.try_par_map(["1", "x"]).unwrap_err();
    assert_eq!(failure.to_string(), "`configure`, item 1: this is no configuration");
    assert_eq!(format!("{failure:#}"), "`configure`, item 1: this is no configuration: invalid digit found in string");
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
