//! The memory of a lazy map with large results, in a program of its own: the peak is that of the whole process.

use std::fs;
use std::thread;
use std::time::Duration;

use parallel::prelude::*;

const MIB: usize = 1 << 20;

/// One of the figures of this process that the kernel keeps, in bytes.
fn figure(key: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// Large, and hardly any work but for the first.
#[parallel]
fn zeros(item: usize, len: usize) -> Vec<u8> {
    if item == 0 {
        thread::sleep(Duration::from_millis(500));
    }
    vec![0; len]
}

#[test]
fn large_results_that_wait_take_64_mib_and_some() {
    const LEN: usize = 4 * MIB;
    const ITEMS: usize = 150;
    let pool = Pool::with_workers(4).unwrap();
    let peak = |outcomes: &mut dyn Iterator<Item = Vec<u8>>| {
        // The highest figure so far begins anew.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = figure("VmRSS:");
        let mut given = 0;
        for row in outcomes {
            assert_eq!(row.len(), LEN);
            given += 1;
            // A consumer that is slower than the workers.
            if given <= 20 {
                thread::sleep(Duration::from_millis(10));
            }
        }
        assert_eq!(given, ITEMS);
        figure("VmHWM:") - before
    };
    let items = || (0..ITEMS).map(|item| (item, LEN));
    let peaks = [
        // In order, all others wait for the first.
        peak(&mut zeros.on(&pool).par_imap(items()).map(Result::unwrap)),
        peak(&mut zeros.on(&pool).par_imap_unordered(items()).map(|(_, row)| row.unwrap())),
    ];
    // Twice what may be ahead: a value is there once more while it is decoded, and some were under way before their size was known.
    assert!(peaks.iter().all(|peak| *peak < 128 * MIB), "{peaks:?}");
}
