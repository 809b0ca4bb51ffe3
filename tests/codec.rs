//! What cannot travel is refused where it is seen, and the error says what to do.

mod engines;

use std::path::PathBuf;

use parallel::prelude::*;
use parallel::{CodecError, ErrorKind};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    #[serde(default, skip_serializing_if = "is_zero")]
    discount: u64,
    items: Vec<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[parallel]
fn echo(order: Order) -> Order {
    order
}

#[parallel]
fn make(discount: u64) -> Order {
    Order { discount, items: vec![3, 7, 8] }
}

#[parallel]
fn keys(value: serde_json::Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

#[parallel]
fn depth(path: PathBuf) -> usize {
    path.components().count()
}

#[parallel]
fn echo_text(text: std::ffi::OsString) -> std::ffi::OsString {
    text
}

#[track_caller]
fn encode_error<T: std::fmt::Debug>(outcome: parallel::Result<T>) -> CodecError {
    let error = outcome.unwrap_err();
    let ErrorKind::Encode(report) = error.kind() else { panic!("{error}") };
    report.clone()
}

#[test]
fn an_argument_that_leaves_a_field_out_is_refused_before_the_call() {
    let report = encode_error(echo.spawn(Order { discount: 0, items: vec![3, 7, 8] }).join());
    assert!(!report.in_worker());
    assert_eq!(report.argument(), Some("order"));
    assert!(report.message().starts_with("field `discount` was left out"), "{report}");
}

#[test]
fn a_result_that_leaves_a_field_out_is_refused_in_the_worker() {
    let report = encode_error(make.spawn(0).join());
    assert!(report.in_worker());
    assert_eq!(report.argument(), None);
    assert!(report.message().starts_with("field `discount` was left out"), "{report}");
}

#[test]
fn a_field_that_is_sent_comes_back_as_it_went() {
    let order = Order { discount: 1, items: vec![3, 7, 8] };
    assert_eq!(echo.spawn(order.clone()).join().unwrap(), order);
    assert_eq!(make.spawn(1).join().unwrap(), order);
}

#[test]
fn a_map_names_the_item_that_leaves_a_field_out_and_keeps_the_others() {
    let pool = engines::pool(1);
    let orders = [1, 0, 2].map(|discount| Order { discount, items: vec![7] });
    let [first, second, third] = echo.on(&pool).par_map_results(orders.clone()).try_into().unwrap();
    assert_eq!((first.unwrap(), third.unwrap()), (orders[0].clone(), orders[2].clone()));
    assert!(encode_error(second).message().starts_with("field `discount`"));
}

#[test]
fn a_value_of_json_is_refused_by_the_worker_and_a_string_is_offered() {
    let error = keys.spawn(serde_json::json!({ "a": 1 })).join().unwrap_err();
    let ErrorKind::Decode(report) = error.kind() else { panic!("{error}") };
    assert!(report.in_worker());
    assert!(report.message().contains("`serde_json::Value`"), "{report}");
    assert!(report.message().contains("a `String` of JSON"), "{report}");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_text_is_refused_before_the_call_and_travels_as_an_os_string() {
    use std::os::unix::ffi::OsStringExt;
    let text = std::ffi::OsString::from_vec(vec![0xff]);
    let report = encode_error(depth.spawn(PathBuf::from(&text)).join());
    assert!(!report.in_worker());
    assert!(report.message().contains("UTF-8"), "{report}");
    assert_eq!(echo_text.spawn(text.clone()).join().unwrap(), text);
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
