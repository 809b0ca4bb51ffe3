//! What is run while processes are killed. Each load checks its values and errors by itself, and ends whatever happens.

mod calls;
mod channels;
mod handles;
mod locks;
mod maps;
mod pools;

use std::time::Duration;

use fastrand::Rng;
use parallel::prelude::*;

use crate::board::Board;
use crate::explain::{self, Cause};

/// More than anything here is ever tried again: what may be tried so often comes to its end.
const ENOUGH: u32 = 1_000_000;

/// What a load stands on.
pub(crate) struct Ground<'a> {
    pub(crate) board: &'a Board,
    pub(crate) pool: &'a Pool,
    pub(crate) rng: &'a mut Rng,
    /// Nobody is killed.
    pub(crate) in_peace: bool,
}

impl Ground<'_> {
    /// Checks that a death explains an error of a call of this function.
    fn is_death(&self, error: &Error, function: &str) {
        self.is_explained(error, function, &[]);
    }

    /// Checks that a death or one of `causes` explains an error of a call of this function.
    fn is_explained(&self, error: &Error, function: &str, causes: &[Cause]) {
        assert!(!self.in_peace || !causes.is_empty(), "nobody was killed: {error:#?}");
        explain::is_explained(error, Some(function), causes, self.board);
    }
}

/// A load, and what it is called.
pub(crate) type Load = (&'static str, fn(&mut Ground<'_>));

pub(crate) const ALL: [Load; 19] = [
    ("map of numbers", maps::of_numbers),
    ("map of numbers, tried again", maps::of_numbers_tried_again),
    ("map of large rows", maps::of_large_rows),
    ("map with an outcome for each item", maps::with_outcomes),
    ("lazy map", maps::lazy),
    ("lazy map that is dropped", maps::dropped_midway),
    ("for each", maps::for_each),
    ("map and reduce", maps::reduced),
    ("submitted calls", calls::submitted),
    ("spawned calls", calls::spawned),
    ("calls that are ended", calls::ended),
    ("calls of calls", calls::nested),
    ("queue", channels::queue),
    ("duplex", channels::echo),
    ("handles everywhere", handles::everywhere),
    ("messages with handles", handles::messages),
    ("locks", locks::locks),
    ("meetings", locks::meetings),
    ("pools", pools::pools),
];

#[parallel]
fn square(x: u64) -> u64 {
    x.wrapping_mul(x)
}

/// Takes some time, asleep or at work, and gives its number back.
#[parallel]
fn work(number: u64, micros: u32) -> u64 {
    let time = Duration::from_micros(u64::from(micros));
    if number.is_multiple_of(2) {
        std::thread::sleep(time);
    } else {
        let began = std::time::Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }
    number
}

/// A row, turned: as large as its argument, and made of it.
#[parallel]
fn turn(row: &[u64]) -> Vec<u64> {
    row.iter().rev().map(|x| !x).collect()
}

/// The sum of a row, which stays where it arrived.
#[parallel]
fn sum(row: &[u64]) -> u64 {
    row.iter().fold(0, |so_far: u64, x| so_far.wrapping_add(*x))
}

/// A text of so many bytes.
#[parallel]
fn text(len: usize) -> String {
    (0..len).map(|at| char::from(b'a' + (at % 26) as u8)).collect()
}

/// A row whose words are told by its first, of this many bytes.
fn row(first: u64, bytes: usize) -> Vec<u64> {
    (0..bytes as u64 / 8).map(|at| first.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

/// From nothing to 3 MB: what fits a lane, what travels in a block, what has memory of its own.
fn size(rng: &mut Rng) -> usize {
    match rng.u32(..8) {
        0..=2 => rng.usize(..2_000),
        3 => rng.usize(..100_000),
        4 => rng.usize(200_000..1_000_000),
        _ => rng.usize(1_000_000..3_000_000),
    }
}
