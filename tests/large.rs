//! Large rows and texts, which travel in memory of their own: they arrive whole, and nothing of it stays.

mod engines;

use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Rows from this size on travel so, in bytes.
const LARGE: usize = 2 << 20;
/// The memory of rows is kept for the next ones, and given back after this long.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// How much later that may be seen on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[parallel]
fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[parallel]
fn double(row: &[f64], times: u32) -> Vec<f64> {
    row.iter().map(|x| x * f64::from(times)).collect()
}

#[parallel]
fn join_texts(first: &str, second: String) -> String {
    format!("{first}{second}")
}

#[parallel]
fn longest(one: Vec<u16>, other: Vec<u16>) -> Vec<u16> {
    if one.len() < other.len() { other } else { one }
}

#[parallel]
fn row_of(len: usize) -> Vec<u16> {
    vec![7; len]
}

#[parallel]
fn length(row: &[u8]) -> usize {
    row.len()
}

/// Different in each place, so that nothing can be shifted or missing.
fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31) ^ (at >> 9) ^ seed) as u8).collect()
}

#[test]
fn rows_and_texts_of_any_size_arrive_whole_in_both_directions() {
    let pool = engines::pool(2);
    for len in [0, 1, LARGE - 9, LARGE - 8, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 4095, 40 * LARGE] {
        let sent = bytes(len, 1);
        assert!(echo.on(&pool).submit(sent.clone()).join().unwrap() == sent, "{len}");
        assert!(echo.spawn(sent.clone()).join().unwrap() == sent, "{len}");
        let row: Vec<f64> = (0..len / 8).map(|x| x as f64).collect();
        let doubled = double.on(&pool).submit(&row, 2).join().unwrap();
        assert!(doubled.len() == row.len() && doubled.iter().zip(&row).all(|(twice, x)| *twice == 2.0 * x));
        let (first, second) = ("ä".repeat(len / 2), "b".repeat(len));
        assert!(join_texts.on(&pool).submit(&first, second.clone()).join().unwrap() == first.clone() + &second);
    }
}

#[test]
fn more_of_them_than_have_memory_of_their_own_arrive_whole_in_any_order() {
    let pool = engines::pool(2);
    let handles: Vec<_> = (0..60).map(|call| echo.on(&pool).submit(bytes(LARGE + call, call))).collect();
    for (call, handle) in handles.into_iter().enumerate().rev() {
        assert!(handle.join().unwrap() == bytes(LARGE + call, call), "{call}");
    }
    let inputs: Vec<Vec<u8>> = (0..40).map(|item| bytes(LARGE + item * 1000, item)).collect();
    assert!(echo.on(&pool).par_map(inputs.clone()).unwrap() == inputs);
    let unordered = echo.on(&pool).par_imap_unordered(inputs.clone());
    for (item, value) in unordered {
        assert!(value.unwrap() == inputs[item], "{item}");
    }
}

#[test]
fn values_that_are_merged_may_be_large() {
    let pool = engines::pool(2);
    let lens = [3, LARGE, 7, 2 * LARGE, LARGE + 1, 0];
    let merged = row_of.on(&pool).par_map_reduce(lens, &longest).unwrap().unwrap();
    assert!(merged.len() == 2 * LARGE && merged.iter().all(|x| *x == 7));
}

/// Ends its process the first time that it is called for this file.
#[parallel]
fn echo_at_the_second_try(bytes: Vec<u8>, file: &std::path::Path) -> Vec<u8> {
    if !file.exists() {
        std::fs::write(file, "").unwrap();
        std::process::abort();
    }
    bytes
}

/// The row of a call that is tried again is its own still, whatever has been sent meanwhile.
#[test]
fn a_call_that_is_tried_again_has_its_row_again() {
    let pool = engines::pool(2);
    let folder = std::env::temp_dir().join(format!("parallel-large-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let tried = echo_at_the_second_try.on(&pool).retries(1);
    let handles: Vec<_> = (0..6)
        .map(|call| {
            let again = tried.submit(bytes(2 * LARGE, call), &folder.join(call.to_string()));
            (again, echo.on(&pool).submit(bytes(LARGE, 100 + call)))
        })
        .collect();
    for (call, (again, other)) in handles.into_iter().enumerate() {
        assert!(other.join().unwrap() == bytes(LARGE, 100 + call), "{call}");
        assert!(again.join().unwrap() == bytes(2 * LARGE, call), "{call}");
    }
    let spawned = echo_at_the_second_try.retries(1).spawn(bytes(2 * LARGE, 9), &folder.join("spawned"));
    assert!(spawned.join().unwrap() == bytes(2 * LARGE, 9));
    std::fs::remove_dir_all(folder).unwrap();
}

/// How often this process has mapped memory that processes share, and the descriptors of such memory that it has.
fn kept() -> (usize, usize) {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let memory = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    let memory: Vec<_> = memory.filter(|target| target.to_string_lossy().contains("memfd:parallel")).collect();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (maps.lines().filter(|line| line.contains("memfd:parallel")).count(), memory.len())
}

/// A program that waits has given back what it kept.
#[test]
fn the_memory_of_rows_is_given_back_when_no_other_follows() {
    // In a process of its own: others here send rows as well.
    kept_rows.spawn().join().unwrap();
}

#[parallel]
fn kept_rows() {
    let pool = engines::pool(1);
    assert!(echo.on(&pool).submit(vec![1; 1000]).join().unwrap().len() == 1000);
    let before = kept();
    let mut begun = Instant::now();
    for _ in 0..5 {
        begun = Instant::now();
        assert!(echo.on(&pool).submit(vec![1; 8 * LARGE]).join().unwrap().len() == 8 * LARGE);
    }
    let used = kept();
    assert!(used > before, "{used:?} {before:?}: rows travelled in another way");
    while kept() != before {
        assert!(begun.elapsed() < KEPT_FOR + PATIENCE, "{:?} is kept, not {before:?}", kept());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() > KEPT_FOR, "it was given back after {:?}", begun.elapsed());
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too(
        "all_of_this_holds_inline",
        &[
            ("a_call_that_is_tried_again_has_its_row_again", "it ends its process"),
            ("the_memory_of_rows_is_given_back_when_no_other_follows", "it looks at what a worker keeps"),
            ("what_large_items_take_of_a_lane_is_given_back_when_no_other_follows", "it looks at what a worker keeps"),
        ],
    );
}

/// The memory that a worker shares with others.
#[parallel]
fn kept_in_worker() -> (usize, usize) {
    kept()
}

/// What is larger than usual and has no memory of its own goes the way of the small: no descriptor, no further mapping.
#[test]
fn items_of_half_a_mebibyte_need_no_more_than_small_ones_do() {
    // In a process of its own: others here send rows.
    kept_by_items.spawn().join().unwrap();
}

#[parallel]
fn kept_by_items() {
    let pool = engines::pool(1);
    let sent = bytes(MIDDLE, 1);
    let after = |len: usize| {
        assert!(length.on(&pool).submit(&sent[..len]).join().unwrap() == len);
        assert!(row_of.on(&pool).submit(len / 2).join().unwrap().len() == len / 2);
        (kept(), kept_in_worker.on(&pool).submit().join().unwrap())
    };
    let before = after(SMALL);
    for len in [256 << 10, 300_000, MIDDLE] {
        assert_eq!(after(len), before, "{len}");
    }
}

/// The shared memory that this process has touched, in bytes.
fn shared_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssShmem:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[parallel]
fn shared_in_worker() -> usize {
    shared_memory()
}

#[test]
fn what_large_items_take_of_a_lane_is_given_back_when_no_other_follows() {
    // In a process of its own: others here send rows.
    narrowed_lane.spawn().join().unwrap();
}

#[parallel]
fn narrowed_lane() {
    // An item that fits the lane, and what an idle lane may keep.
    const LONG: usize = LARGE - 100;
    const FEW: usize = LARGE;
    let pool = engines::pool(1);
    let before = shared_memory();
    for _ in 0..4 {
        assert!(echo.on(&pool).submit(vec![1; LONG]).join().unwrap().len() == LONG);
    }
    let begun = Instant::now();
    let used = (shared_memory(), shared_in_worker.on(&pool).submit().join().unwrap());
    assert!(used.0 > before + 2 * LONG && used.1 > 2 * LONG, "{used:?} {before}: they travelled in another way");
    while shared_memory() > before + FEW {
        assert!(begun.elapsed() < KEPT_FOR + PATIENCE, "{} is kept, not {before}", shared_memory());
        std::thread::sleep(Duration::from_millis(50));
    }
    // What was given back can be used again.
    assert!(echo.on(&pool).submit(bytes(LONG, 3)).join().unwrap() == bytes(LONG, 3));
}

/// Fits the part of a lane that tiny items use.
const SMALL: usize = 200_000;
/// Does not.
const MIDDLE: usize = 512 << 10;

/// How many times as much a byte costs in calls of [`MIDDLE`] bytes as in calls of [`SMALL`] ones, beside what any call costs;
/// `None` where the machine is so busy that the times say nothing.
fn dearer(call: &dyn Fn(usize)) -> Option<f64> {
    let mut least = [f64::INFINITY; 3];
    for _ in 0..200 {
        for (least, len) in least.iter_mut().zip([2, SMALL, MIDDLE]) {
            let begun = Instant::now();
            call(len);
            *least = begun.elapsed().as_secs_f64().min(*least);
        }
    }
    let [none, small, middle] = least;
    let tells = none < small && small < middle;
    tells.then_some((middle - none) / MIDDLE as f64 / ((small - none) / SMALL as f64))
}

#[test]
fn a_byte_of_half_a_mebibyte_costs_what_a_byte_of_less_does() {
    let pool = engines::pool(1);
    let sent = bytes(MIDDLE, 1);
    let arguments = |len: usize| assert!(length.on(&pool).submit(&sent[..len]).join().unwrap() == len);
    let results = |len: usize| assert!(row_of.on(&pool).submit(len / 2).join().unwrap().len() == len / 2);
    for (what, call) in [("arguments", &arguments as &dyn Fn(usize)), ("results", &results)] {
        let (begun, mut seen) = (Instant::now(), Vec::<Option<f64>>::new());
        // Another program may use the machine meanwhile.
        while !seen.iter().flatten().any(|times| *times < 2.0) {
            let tells_nothing = seen.iter().flatten().next().is_none();
            assert!(tells_nothing || begun.elapsed() < PATIENCE, "{what}: {seen:?} times as much a byte");
            if begun.elapsed() > PATIENCE {
                break;
            }
            seen.push(dearer(call));
        }
    }
}
