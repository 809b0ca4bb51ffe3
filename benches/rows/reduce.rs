//! Reductions, beside a lazy map and a fold by hand in the caller: the time, and the memory that the caller needs at most.

use parallel::prelude::*;
use parallel_benches::{Contender, OURS, Row, Unit};

use super::workers;
use crate::limits::process;
use crate::works::{TABLE, add_tables, join_tables, make_table};

/// The contender that merges in the caller.
const BY_HAND: &str = "par_imap_unordered, folded by hand";

const ITEMS: u64 = 1_000;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("reduce", "1,000 tables of 100 kB, 2 ms each, added up", times).aim(BY_HAND, 1.05),
        Row::new("reduce-memory", "the same: memory of the caller, at most", memory).unit(Unit::Bytes).aim_value(4e6),
    ]
}

fn ours(pool: &Pool) -> Vec<u64> {
    let sum = make_table.on(pool).par_map_reduce(0..ITEMS, &join_tables).expect("ours");
    sum.expect("there are items")
}

fn by_hand(pool: &Pool) -> Vec<u64> {
    let mut sum = vec![0; TABLE];
    for (_, one) in make_table.on(pool).par_imap_unordered(0..ITEMS) {
        add_tables(&mut sum, &one.expect("ours"));
    }
    sum
}

/// Each item adds its number everywhere.
fn is_sum(sum: &[u64]) -> bool {
    sum.len() == TABLE && sum.iter().all(|number| *number == (0..ITEMS).sum::<u64>())
}

fn times() -> Vec<Contender> {
    let with = |name, reduce: fn(&Pool) -> Vec<u64>| {
        let work = move || {
            let pool = Pool::with_workers(workers()).expect("a pool");
            move || reduce(&pool)
        };
        Contender::timed(name, ITEMS as u32, work, |sum: &Vec<u64>| is_sum(sum))
    };
    vec![with(OURS, ours), with(BY_HAND, by_hand)]
}

fn memory() -> Vec<Contender> {
    let with = |name, reduce: fn(&Pool) -> Vec<u64>| {
        Contender::gauge(name, move || {
            let pool = Pool::with_workers(workers()).map_err(|error| error.to_string())?;
            Ok(move || {
                let (sum, bytes) = process::peak_memory(|| reduce(&pool)).ok_or("no memory figures")?;
                if is_sum(&sum) { Ok(bytes) } else { Err("a wrong sum".to_string()) }
            })
        })
    };
    vec![with(OURS, ours), with(BY_HAND, by_hand)]
}
