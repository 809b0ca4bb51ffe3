//! Data on the way: one large block, many strings, large borrowed rows.

use parallel_benches::{Contender, OURS, Row};
use rayon::prelude::*;

use super::{CHUNK, HANGS, INSTEAD, PROCSPAWN, RAYON, SERIAL, ends, in_chunks, procspawn_pool, workers};
use crate::limits::memory;
use crate::python::{loky, multiprocessing};
use crate::works::{echoes, lengths, row_sum, row_sums, upper_case, upper_cases};

const BYTES: usize = 100 << 20;
const TEXTS: usize = 200_000;
const ROW: usize = 512;
const ROWS: usize = 15_625;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("bytes", "100 MiB Vec<u8> there and back", bytes).aim(memory::FRESH, 1.6),
        Row::new("strings", "200,000 Strings there and back", strings)
            .aim(RAYON, 3.0)
            .headline("Text there and back: 200,000 Strings in upper case", &INSTEAD),
        Row::new("usual-rows", "items of 200 kB as &[u8], for each 200 kB", || blocks(200_000)).aim(memory::USED, 3.0),
        Row::new("half-mebibytes", "items of 512 KiB as &[u8], for each 200 kB", || blocks(512 << 10))
            .aim(memory::USED, 3.0),
        Row::new("rows", "64 MB of f64 in rows, as &[f64]", float_rows).aim(memory::FRESH, 1.5),
    ]
}

fn block() -> Vec<u8> {
    (0..BYTES).map(|i| i as u8).collect()
}

fn bytes() -> Vec<Contender> {
    let ours = || {
        let mut bytes = block();
        // What came back goes out again: the call takes its argument by value, and a clone is not to be measured.
        move || {
            bytes = echoes.submit(std::mem::take(&mut bytes)).join().expect("ours");
            (bytes.len(), bytes.last().copied())
        }
    };
    vec![
        Contender::timed(OURS, 1, ours, |ends| *ends == (BYTES, Some((BYTES - 1) as u8))),
        memory::clone(block),
        memory::copy_into_used(block),
        multiprocessing("there and back", BYTES as u64, workers()),
        loky("there and back", BYTES as u64, workers()),
        Contender::skipped(PROCSPAWN, HANGS),
    ]
}

/// Bytes of all the blocks of a map.
const BLOCKS: usize = 32 << 20;

/// Maps over blocks of so many bytes; a unit is 200 kB, so that rows of blocks of other lengths can be compared.
fn blocks(len: usize) -> Vec<Contender> {
    let units = u32::try_from(BLOCKS / 200_000).expect("a small number");
    let ours = move || {
        let data = vec![1_u8; BLOCKS];
        move || lengths.par_map(data.chunks_exact(len)).expect("ours")
    };
    let copied = move || {
        let data = vec![1_u8; BLOCKS];
        let mut used = vec![0; len];
        move || {
            for block in data.chunks_exact(len) {
                used.copy_from_slice(block);
                std::hint::black_box(&mut used);
            }
            used.len()
        }
    };
    vec![
        Contender::timed(OURS, units, ours, ends(BLOCKS / len, len, len)),
        Contender::timed(memory::USED, units, copied, move |copied| *copied == len),
    ]
}

fn text(i: usize) -> String {
    format!("line {i} of a text of usual length")
}

fn strings() -> Vec<Contender> {
    let texts = || (0..TEXTS).map(text).collect::<Vec<_>>();
    let check = || ends(TEXTS, upper_case(text(0)), upper_case(text(TEXTS - 1)));
    let ours = move || {
        let texts = texts();
        move || upper_cases.par_map(texts.iter().cloned()).expect("ours")
    };
    let with_rayon = move || {
        let texts = texts();
        move || texts.par_iter().cloned().map(upper_case).collect()
    };
    let by_hand = move || {
        let (pool, texts) = (procspawn_pool(), texts());
        move || in_chunks(&pool, &texts, CHUNK, |chunk| chunk.into_iter().map(upper_case).collect())
    };
    let serially = move || {
        let texts = texts();
        move || texts.iter().cloned().map(upper_case).collect()
    };
    vec![
        Contender::timed(OURS, 1, ours, check()),
        Contender::timed(RAYON, 1, with_rayon, check()),
        Contender::timed(SERIAL, 1, serially, check()),
        multiprocessing("upper case", TEXTS as u64, workers()),
        loky("upper case", TEXTS as u64, workers()),
        Contender::timed(PROCSPAWN, 1, by_hand, check()),
    ]
}

fn matrix() -> Vec<f64> {
    (0..ROW * ROWS).map(|i| (i % 1_000) as f64).collect()
}

fn float_rows() -> Vec<Contender> {
    let check = || {
        let matrix = matrix();
        ends(ROWS, row_sum(&matrix[..ROW]), row_sum(&matrix[ROW * (ROWS - 1)..]))
    };
    let ours = || {
        let matrix = matrix();
        move || row_sums.par_map(matrix.chunks(ROW)).expect("ours")
    };
    let with_rayon = || {
        let matrix = matrix();
        move || matrix.par_chunks(ROW).map(row_sum).collect()
    };
    vec![
        Contender::timed(OURS, 1, ours, check()),
        memory::clone(matrix),
        memory::copy_into_used(matrix),
        Contender::timed(RAYON, 1, with_rayon, check()),
        multiprocessing("row sums", ROWS as u64, workers()),
        loky("row sums", ROWS as u64, workers()),
        Contender::skipped(PROCSPAWN, HANGS),
    ]
}
