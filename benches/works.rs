//! The functions that every contender runs. The plain function is for the peers, its handle for `parallel`.

use parallel::prelude::*;
use serde::{Deserialize, Serialize};

/// Returns what it was given: a call that costs nothing but the way.
#[parallel(handle = identities)]
pub(crate) fn identity(value: u64) -> u64 {
    value
}

/// Panics for odd numbers, with a message of its own for each.
#[parallel(handle = halves)]
pub(crate) fn half(number: u64) -> u64 {
    assert!(number.is_multiple_of(2), "{number} is odd");
    number / 2
}

/// Whether a number is the sum of its proper divisors, by trial of all of them: nothing but computing.
#[parallel(handle = perfects)]
pub(crate) fn is_perfect(number: u64) -> bool {
    (1..=number / 2).filter(|divisor| number.is_multiple_of(*divisor)).sum::<u64>() == number && number > 0
}

/// Less work than any way to another process.
#[parallel(handle = square_roots)]
pub(crate) fn square_root(number: u64) -> f64 {
    (number as f64).sqrt()
}

/// Exact up to 34.
#[parallel(handle = factorials)]
pub(crate) fn factorial(number: u64) -> u128 {
    (1..=u128::from(number)).product()
}

/// Five numbers of several types.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Numbers {
    pub(crate) at: u64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) kind: u32,
    pub(crate) offset: i64,
}

/// Less work than any way to another process, from a struct.
#[parallel(handle = sums_of_structs)]
pub(crate) fn sum_of_struct(numbers: Numbers) -> f64 {
    let Numbers { at, width, height, kind, offset } = numbers;
    sum_of_numbers(at, width, height, kind, offset)
}

/// The same from five arguments.
#[parallel(handle = sums_of_numbers)]
pub(crate) fn sum_of_numbers(at: u64, width: f64, height: f64, kind: u32, offset: i64) -> f64 {
    at as f64 + width * height + f64::from(kind) + offset as f64
}

/// Large arguments and results.
#[parallel(handle = echoes)]
pub(crate) fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// Items that are not plain data.
#[parallel(handle = upper_cases)]
pub(crate) fn upper_case(text: String) -> String {
    text.to_ascii_uppercase()
}

/// Numbers in a table: some 100 kB.
pub(crate) const TABLE: usize = 12_500;

/// Computes for 2 ms; a table of the number.
#[parallel]
pub(crate) fn make_table(number: u64) -> Vec<u64> {
    let since = std::time::Instant::now();
    while since.elapsed() < std::time::Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    vec![number; TABLE]
}

pub(crate) fn add_tables(sum: &mut [u64], other: &[u64]) {
    sum.iter_mut().zip(other).for_each(|(sum, number)| *sum += number);
}

/// Adds two tables.
#[parallel]
pub(crate) fn join_tables(mut sum: Vec<u64>, other: Vec<u64>) -> Vec<u64> {
    add_tables(&mut sum, &other);
    sum
}

/// Borrows what it is given, and does nothing with it.
#[parallel(handle = lengths)]
pub(crate) fn length(block: &[u8]) -> usize {
    block.len()
}

/// Large borrowed items, small results.
#[parallel(handle = row_sums)]
pub(crate) fn row_sum(row: &[f64]) -> f64 {
    row.iter().sum()
}

/// Keeps its worker until that is killed.
#[parallel(handle = sleepers)]
pub(crate) fn sleep_for_ever() {
    loop {
        std::thread::park();
    }
}

/// The first byte of what processes share.
#[parallel]
pub(crate) fn firsts(table: parallel::shared::Frozen<u8>) -> u64 {
    u64::from(table[0])
}

/// Adds 1 to `total`, so many times, each under its lock.
#[parallel]
pub(crate) fn add_to(total: parallel::shared::Value<u64>, times: u32) {
    for _ in 0..times {
        *total.lock().expect("the holders live") += 1;
    }
}

/// Sends so many numbers, from 0 on.
#[parallel]
pub(crate) fn send_numbers(queue: Queue<u64>, count: u32) {
    (0..u64::from(count)).for_each(|number| queue.send(number).expect("the queue is open"));
}

/// Receives so many numbers; returns their sum.
#[parallel]
pub(crate) fn receive_numbers(queue: Queue<u64>, count: u32) -> u64 {
    (0..count).map(|_| queue.recv().expect("the queue is open")).sum()
}

/// Sends so many pages.
#[parallel]
pub(crate) fn send_pages(queue: Queue<Vec<u8>>, count: u32) {
    let page = vec![1; PAGE];
    (0..count).for_each(|_| queue.send(page.clone()).expect("the queue is open"));
}

/// Receives so many pages; returns the sum of their lengths.
#[parallel]
pub(crate) fn receive_pages(queue: Queue<Vec<u8>>, count: u32) -> u64 {
    (0..count).map(|_| queue.recv().expect("the queue is open").len() as u64).sum()
}

/// The length of a page, in bytes.
pub(crate) const PAGE: usize = 4096;
