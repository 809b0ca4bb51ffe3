//! The forms of functions that the attribute accepts.
#![deny(warnings)]
use parallel::prelude::*;

#[parallel(retries = 2, timeout = "1.5s")]
/// Doc.
fn norm(row: &[f64], p: f64) -> f64 {
    if p > 100.0 {
        return norm(row, 3.0);
    }
    row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
}
#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}
#[parallel]
fn longest(word: &str) -> usize {
    word.len()
}
#[parallel]
fn nothing() {}
#[derive(serde::Serialize, serde::Deserialize)]
struct Point {
    x: f64,
    y: f64,
}
#[parallel]
fn length(point: &Point) -> f64 {
    point.x.hypot(point.y)
}

#[allow(unused)]
fn typechecks() {
    let z = norm.spawn(&[3.0], 2.0);
    let w = norm.retries(3).spawn(&vec![3.0], 2.0);
    let v: Vec<u64> = cube.par_map(0..1000).unwrap();
    let v: Vec<u64> = cube.par_map((0..1000).map(|x| x * 2)).unwrap();
    let f = norm.retries(3);
    let v = f.par_map([(&[1.0][..], 2.0), (&[1.0, 3.0], 3.0)]).unwrap();
    longest.par_map(["a"]);
    longest.par_map(vec!["a".to_string()]);
    nothing.par_map(vec![()]);
    nothing.spawn();
    let points = vec![Point { x: 1.0, y: 2.0 }];
    length.par_map(&points);
    length.par_map(points);
}

#[test]
fn plain() {
    assert_eq!(cube(3), 27);
    let k: u64 = (0..10).map(cube.as_fn()).sum();
    assert_eq!(k, 2025);
    assert_eq!(norm(&[3.0, 4.0], 2.0), 5.0);
    assert_eq!(longest("abc"), 3);
    nothing();
    println!("{:?}", norm);
}
