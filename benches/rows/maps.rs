//! Maps over numbers: much work an item, hardly any, and a little.

use parallel_benches::{Contender, OURS, Row};
use rayon::prelude::*;

use super::{
    CHUNK, INSTEAD, PROCSPAWN, RAYON, SERIAL, ends, in_chunks, maps_a_sample, procspawn_pool, repeated, workers,
};
use crate::limits::futex;
use crate::python::{LOKY, MULTIPROCESSING, loky, multiprocessing};
use crate::works::{
    Numbers, factorial, factorials, is_perfect, perfects, square_root, square_roots, sum_of_numbers, sums_of_numbers,
    sums_of_structs,
};

const PERFECT_TO: u64 = 20_000;
const ROOTS_FROM: u64 = 10;
const FEW: u64 = 10_000;
const MANY: u64 = 5_000_000;
const LAZY: u64 = 1_000_000;
const FACTORIALS: u64 = 1_000_000;
/// The contender that gives all results at once.
const EAGER: &str = "par_map";
const STRUCTS: u64 = 1_000_000;
/// What serde's traits cost, which structs travel by: the same numbers as arguments of their own.
const AS_TUPLES: &str = "as tuples";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("perfect", "perfect numbers to 20,000", perfect)
            .aim(RAYON, 1.02)
            .headline("A map that computes: the perfect numbers to 20,000", &INSTEAD),
        Row::new("sqrt-10k", "sqrt of 10,000 numbers", few_roots).aim(futex::SPINNING, 60.0),
        Row::new("sqrt-5m", "sqrt of 5,000,000 numbers", many_roots).aim(RAYON, 1.1),
        Row::new("sqrt-5m-fresh", "sqrt of 5,000,000 numbers, into fresh memory", fresh_roots).aim(RAYON, 1.0),
        Row::new("imap-sqrt", "sqrt of 1,000,000 numbers, by `par_imap`", lazy_roots).aim(EAGER, 5.0),
        Row::new("factorials", "factorials of 1,000,000 numbers", million_factorials)
            .aim(RAYON, 1.2)
            .headline("A map of small items: 1,000,000 factorials", &INSTEAD),
        Row::new("structs", "sums of 1,000,000 structs of five numbers", million_structs).aim(AS_TUPLES, 1.5),
    ]
}

fn perfect() -> Vec<Contender> {
    let check = |perfect: &Vec<bool>| (1..).zip(perfect).filter(|(_, perfect)| **perfect).map(|(n, _)| n).eq(KNOWN);
    let by_hand = || {
        let (pool, numbers) = (procspawn_pool(), (1..=PERFECT_TO).collect::<Vec<_>>());
        move || in_chunks(&pool, &numbers, 500, |chunk| chunk.into_iter().map(is_perfect).collect())
    };
    vec![
        Contender::timed(OURS, 1, || || perfects.par_map(1..=PERFECT_TO).expect("ours"), check),
        Contender::timed(RAYON, 1, || || (1..=PERFECT_TO).into_par_iter().map(is_perfect).collect(), check),
        Contender::timed(SERIAL, 1, || || (1..=PERFECT_TO).map(is_perfect).collect(), check),
        Contender::timed(PROCSPAWN, 1, by_hand, check),
        Contender::skipped(MULTIPROCESSING, INTERPRETER),
        Contender::skipped(LOKY, INTERPRETER),
    ]
}

/// Why there is no cell of Python's where the function itself takes the time.
const INTERPRETER: &str = "would measure the interpreter";

/// The perfect numbers below 33,550,336.
const KNOWN: [u64; 4] = [6, 28, 496, 8128];

fn few_roots() -> Vec<Contender> {
    let by_hand = || {
        let (pool, numbers) = (procspawn_pool(), (ROOTS_FROM..FEW).collect::<Vec<_>>());
        move || in_chunks(&pool, &numbers, numbers.len().div_ceil(workers()), roots_of)
    };
    let mut contenders = roots_to(FEW);
    contenders.extend([roots(PROCSPAWN, FEW, by_hand), futex::spinning(10_000, 10_000)]);
    contenders
}

fn many_roots() -> Vec<Contender> {
    let mut contenders = roots_to(MANY);
    let by_hand = || {
        let (pool, numbers) = (procspawn_pool(), (ROOTS_FROM..MANY).collect::<Vec<_>>());
        move || in_chunks(&pool, &numbers, CHUNK, roots_of)
    };
    contenders.push(roots(PROCSPAWN, MANY, by_hand));
    contenders
}

/// Both map into memory that the system has just given, as a program does that keeps its results.
fn fresh_roots() -> Vec<Contender> {
    let fresh = |map: fn() -> Vec<f64>| {
        move || {
            // SAFETY: a setting of the allocator: with a fixed threshold, what is freed goes back to the system, mallopt(3).
            unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20) };
            map
        }
    };
    vec![
        roots(OURS, MANY, fresh(|| square_roots.par_map(ROOTS_FROM..MANY).expect("ours"))),
        roots(RAYON, MANY, fresh(|| (ROOTS_FROM..MANY).into_par_iter().map(square_root).collect())),
    ]
}

/// Outcomes are given one by one, as the caller asks for them.
fn lazy_roots() -> Vec<Contender> {
    let lazily = || || square_roots.par_imap(ROOTS_FROM..LAZY).collect::<parallel::Result<_>>().expect("ours");
    vec![
        roots(OURS, LAZY, lazily),
        roots(EAGER, LAZY, || || square_roots.par_map(ROOTS_FROM..LAZY).expect("ours")),
        roots(SERIAL, LAZY, || || (ROOTS_FROM..LAZY).map(square_root).collect()),
    ]
}

/// The contenders that take both sizes.
fn roots_to(end: u64) -> Vec<Contender> {
    vec![
        roots(OURS, end, move || move || square_roots.par_map(ROOTS_FROM..end).expect("ours")),
        roots(RAYON, end, move || move || (ROOTS_FROM..end).into_par_iter().map(square_root).collect()),
        roots(SERIAL, end, move || move || (ROOTS_FROM..end).map(square_root).collect()),
        multiprocessing("square roots", end, workers()),
        loky("square roots", end, workers()),
    ]
}

/// One map of the numbers to `end`; several in a sample where it is short.
fn roots<W>(name: &str, end: u64, prepare: impl FnOnce() -> W + 'static) -> Contender
where
    W: FnMut() -> Vec<f64> + 'static,
{
    let prepare = move || {
        let mut map = prepare();
        move || repeated(end, &mut map)
    };
    let check = ends((end - ROOTS_FROM) as usize, square_root(ROOTS_FROM), square_root(end - 1));
    Contender::timed(name, maps_a_sample(end), prepare, check)
}

fn roots_of(numbers: Vec<u64>) -> Vec<f64> {
    numbers.into_iter().map(square_root).collect()
}

fn million_factorials() -> Vec<Contender> {
    // Numbers from 0 to 34 in an order without a pattern: the golden ratio's multiples are spread evenly.
    let numbers = || (1..=FACTORIALS).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 35).collect::<Vec<u64>>();
    let check = move || {
        let numbers = numbers();
        ends(numbers.len(), factorial(numbers[0]), factorial(numbers[numbers.len() - 1]))
    };
    let ours = move || {
        let numbers = numbers();
        move || factorials.par_map(numbers.iter().copied()).expect("ours")
    };
    let with_rayon = move || {
        let numbers = numbers();
        move || numbers.par_iter().copied().map(factorial).collect()
    };
    let by_hand = move || {
        let (pool, numbers) = (procspawn_pool(), numbers());
        move || in_chunks(&pool, &numbers, CHUNK, |chunk| chunk.into_iter().map(factorial).collect())
    };
    let serially = move || {
        let numbers = numbers();
        move || numbers.iter().copied().map(factorial).collect()
    };
    vec![
        Contender::timed(OURS, 1, ours, check()),
        Contender::timed(RAYON, 1, with_rayon, check()),
        Contender::timed(SERIAL, 1, serially, check()),
        multiprocessing("factorials", FACTORIALS, workers()),
        loky("factorials", FACTORIALS, workers()),
        Contender::timed(PROCSPAWN, 1, by_hand, check()),
    ]
}

fn million_structs() -> Vec<Contender> {
    let numbers = |at: u64| (at, 1.5, 2.0, 3_u32, -4_i64);
    let structs = move || {
        let structs: Vec<_> = (0..STRUCTS)
            .map(numbers)
            .map(|(at, width, height, kind, offset)| Numbers { at, width, height, kind, offset })
            .collect();
        move || sums_of_structs.par_map(structs.iter().copied()).expect("ours")
    };
    let tuples = move || {
        let tuples: Vec<_> = (0..STRUCTS).map(numbers).collect();
        move || sums_of_numbers.par_map(tuples.iter().copied()).expect("ours")
    };
    let sum = move |at| {
        let (at, width, height, kind, offset) = numbers(at);
        sum_of_numbers(at, width, height, kind, offset)
    };
    let check = move || ends(STRUCTS as usize, sum(0), sum(STRUCTS - 1));
    vec![Contender::timed(OURS, 1, structs, check()), Contender::timed(AS_TUPLES, 1, tuples, check())]
}
