//! Arguments and results of all sizes, and around the sizes where they travel otherwise.

use parallel::prelude::*;
use parallel_failures::inside::{note, wait_for_note};
use serde::{Deserialize, Serialize};

use crate::ways::{hang, joined};

const MIB: usize = 1 << 20;
const SIZES: [usize; 11] = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1];
/// What travels beside the lane.
const BESIDE: usize = 3 * MIB;

/// A text of so many bytes that tells where it is cut or shifted.
fn text(bytes: usize) -> String {
    let digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    assert_eq!(digits.len(), 63, "no divisor in common with a page");
    digits.bytes().cycle().skip(bytes % 63).take(bytes).map(char::from).collect()
}

#[parallel]
fn echo(text: String) -> String {
    text
}

#[parallel]
fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[parallel]
fn grow(bytes: usize) -> String {
    text(bytes)
}

#[parallel]
fn length(text: &str) -> usize {
    text.len()
}

pub(crate) fn values_of_all_sizes_come_back_whole() {
    let pool = Pool::with_workers(2).unwrap();
    for size in SIZES {
        assert_eq!(joined(echo.spawn(text(size))).unwrap(), text(size));
        assert_eq!(joined(echo.on(&pool).submit(text(size))).unwrap(), text(size));
        assert_eq!(joined(grow.on(&pool).submit(size)).unwrap(), text(size));
        assert_eq!(joined(length.on(&pool).submit(&text(size))).unwrap(), size);
    }
    let bytes: Vec<u8> = (0..65_537_u32).map(|x| x.to_le_bytes()[0]).collect();
    for size in [0, 1, 65_535, 65_536, 65_537] {
        assert_eq!(joined(echo_bytes.spawn(bytes[..size].to_vec())).unwrap(), bytes[..size]);
        assert_eq!(joined(echo_bytes.on(&pool).submit(bytes[..size].to_vec())).unwrap(), bytes[..size]);
    }
    for chunk_size in [None, Some(1), Some(3), Some(8)] {
        let task = chunk_size.map_or(echo.on(&pool), |size| echo.on(&pool).chunk_size(size));
        let texts = SIZES.map(text);
        assert_eq!(task.par_map(texts.clone()).unwrap(), texts);
        let lazy: Vec<String> = task.par_imap(texts.clone()).map(Result::unwrap).collect();
        assert_eq!(lazy, texts);
        for (index, value) in task.par_imap_unordered(texts.clone()) {
            assert_eq!(value.unwrap(), texts[index]);
        }
    }
}

pub(crate) fn sizes_around_the_lanes_own_lose_no_byte() {
    let pool = Pool::with_workers(1).unwrap();
    // Where what goes around a value takes it over the edge of 32 KiB and of 64 KiB.
    for edge in [32 << 10, 64 << 10] {
        let sizes: Vec<usize> = (edge - 100..edge + 4).collect();
        let texts: Vec<String> = sizes.iter().map(|size| text(*size)).collect();
        for size in &sizes {
            assert_eq!(joined(echo.on(&pool).submit(text(*size))).unwrap(), text(*size));
        }
        assert_eq!(grow.on(&pool).chunk_size(1).par_map(sizes.clone()).unwrap(), texts);
        assert_eq!(grow.on(&pool).chunk_size(50).par_map(sizes).unwrap(), texts);
        for size in edge - 70..edge + 4 {
            if size % 8 == 0 || size >= edge - 4 {
                assert_eq!(joined(echo.spawn(text(size))).unwrap(), text(size));
            }
        }
    }
}

pub(crate) fn results_much_larger_than_their_arguments_fit_in_chunks() {
    let pool = Pool::with_workers(2).unwrap();
    for size in [100, 7_000, 40_000, 70_000, BESIDE] {
        let count = if size == BESIDE { 12 } else { 40 };
        for chunk_size in [2, 10, 40] {
            let sizes: Vec<usize> = (0..count).map(|x| size + x).collect();
            let texts: Vec<String> = sizes.iter().map(|size| text(*size)).collect();
            assert_eq!(grow.on(&pool).chunk_size(chunk_size).par_map(sizes).unwrap(), texts);
        }
    }
    // Large and small in turn.
    let sizes: Vec<usize> = (0..60).map(|x| if x % 3 == 0 { 66_000 + x } else { x }).collect();
    let texts: Vec<String> = sizes.iter().map(|size| text(*size)).collect();
    assert_eq!(grow.on(&pool).chunk_size(7).par_map(sizes).unwrap(), texts);
}

#[parallel]
fn hangs() {
    note("hanging");
    hang();
}

pub(crate) fn a_large_call_that_is_cancelled_takes_nothing_with_it() {
    let pool = Pool::with_workers(1).unwrap();
    for round in 0..3 {
        parallel_failures::inside::forget("hanging");
        // After a quick call a worker gets the next one ahead.
        assert_eq!(joined(echo.on(&pool).submit(String::new())).unwrap(), "");
        let running = hangs.on(&pool).submit();
        wait_for_note("hanging");
        // In the worker's lane; what is as large as it must not be taken for it.
        let cancelled = echo.on(&pool).submit("a".repeat(BESIDE));
        assert!(cancelled.cancel());
        let others = ["b", "c", "d"].map(|text| echo.on(&pool).submit(text.repeat(BESIDE)));
        if round == 1 {
            assert!(others[1].cancel());
        }
        running.kill().unwrap();
        assert!(joined(running).is_err());
        for (handle, text) in others.into_iter().zip(["b", "c", "d"]) {
            match joined(handle) {
                Err(error) if round == 1 && text == "c" => assert!(matches!(error.kind(), ErrorKind::Cancelled)),
                outcome => assert!(outcome.unwrap() == text.repeat(BESIDE), "another call's argument"),
            }
        }
    }
}

#[parallel]
fn naps_on(text: String, millis: u64) -> String {
    note("napping");
    std::thread::sleep(std::time::Duration::from_millis(millis));
    text
}

pub(crate) fn a_large_call_that_was_cancelled_behind_one_that_ends_well_takes_nothing_with_it() {
    let pool = Pool::with_workers(1).unwrap();
    let worker = pool.pids();
    for _ in 0..3 {
        parallel_failures::inside::forget("napping");
        // After a quick call a worker gets the next one ahead.
        assert_eq!(joined(echo.on(&pool).submit(String::new())).unwrap(), "");
        let running = naps_on.on(&pool).submit(String::new(), 100);
        wait_for_note("napping");
        let cancelled = echo.on(&pool).submit("a".repeat(BESIDE));
        assert!(cancelled.cancel());
        let others = ["b", "c", "d"].map(|text| echo.on(&pool).submit(text.repeat(BESIDE)));
        assert_eq!(joined(running).unwrap(), "");
        for (handle, text) in others.into_iter().zip(["b", "c", "d"]) {
            assert!(joined(handle).unwrap() == text.repeat(BESIDE), "another call's argument");
        }
    }
    assert_eq!(pool.pids(), worker);
}

pub(crate) fn large_calls_are_shared_out_whole() {
    let pool = Pool::with_workers(3).unwrap();
    let workers = pool.pids();
    // One worker is slow: what waits in its lane goes to those who are done.
    for round in 0..10 {
        let items: Vec<(String, u64)> = (0_u8..12)
            .map(|x| (char::from(b'a' + x).to_string().repeat(MIB / 8), if x == round { 50 } else { 0 }))
            .collect();
        let texts = naps_on.on(&pool).chunk_size(1).par_map(items.clone()).unwrap();
        for (text, (sent, _)) in texts.iter().zip(&items) {
            assert!(text == sent, "another item's argument");
        }
    }
    assert_eq!(pool.pids(), workers);
}

pub(crate) fn values_of_46_mib_come_back_whole() {
    both_ways(46 * MIB);
}

pub(crate) fn values_of_100_mib_come_back_whole() {
    both_ways(100 * MIB);
}

fn both_ways(size: usize) {
    let large = text(size);
    assert!(joined(echo.spawn(large.clone())).unwrap() == large);
    let pool = Pool::with_workers(2).unwrap();
    assert!(joined(echo.on(&pool).submit(large.clone())).unwrap() == large);
    let back = echo.on(&pool).chunk_size(2).par_map(vec!["before".to_string(), large.clone()]).unwrap();
    assert!(back[0] == "before" && back[1] == large);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf(u32),
    Node(Vec<Tree>),
}

#[parallel]
fn mirror(tree: Tree) -> Tree {
    match tree {
        Tree::Node(branches) => Tree::Node(branches.into_iter().rev().map(mirror.as_fn()).collect()),
        leaf @ Tree::Leaf(_) => leaf,
    }
}

pub(crate) fn a_large_structure_comes_back_whole() {
    let leaves = |from| Tree::Node((from..from + 100).map(Tree::Leaf).collect());
    let tree = Tree::Node((0..200).map(|branch| leaves(branch * 100)).collect());
    let pool = Pool::with_workers(2).unwrap();
    let there = joined(mirror.on(&pool).submit(tree.clone())).unwrap();
    assert_ne!(there, tree);
    assert_eq!(joined(mirror.spawn(there)).unwrap(), tree);
}
