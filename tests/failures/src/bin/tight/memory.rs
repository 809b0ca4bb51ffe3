//! Deaths in a control group that is out of memory, of ours and of a neighbour.

use std::fs;
use std::process::Command;
use std::time::Duration;

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{note, send_signal, wait_for_note};

/// More than the group may have.
fn take_all() -> u64 {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1; 8 << 20]));
        assert!(all.len() < 64, "the group is not limited");
    }
}

#[parallel]
fn hog() -> u64 {
    take_all()
}

#[parallel]
fn rest() {
    note("rests");
    loop {
        std::thread::park();
    }
}

pub(crate) fn hog_here() {
    take_all();
}

fn join(group: &str) {
    fs::write(format!("{group}/cgroup.procs"), std::process::id().to_string()).unwrap();
}

fn kills(group: &str) -> u64 {
    ["memory.oom_control", "memory.events"]
        .iter()
        .filter_map(|name| fs::read_to_string(format!("{group}/{name}")).ok())
        .find_map(|text| text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()))
        .unwrap()
}

/// A worker that takes all memory of its group is killed for that, and the error says so.
pub(crate) fn killed(group: &str) {
    join(group);
    let pool = Pool::with_workers(1).unwrap();
    for error in
        [hog.spawn().join().unwrap_err(), hog.on(&pool).submit().join().unwrap_err(), hog.spawn().join().unwrap_err()]
    {
        println!("{error}");
        assert!(matches!(error.kind(), ErrorKind::Signaled { signal: libc::SIGKILL, .. }), "{error}");
        assert!(error.to_string().contains("its control group was out of memory"), "{error}");
    }
}

/// A neighbour in the group is killed for lack of memory; the worker that is killed by somebody later is not.
pub(crate) fn neighbour(group: &str) {
    join(group);
    let call = rest.spawn();
    let pid = wait_for_note("rests");
    let before = kills(group);
    let status = Command::new("/proc/self/exe").arg("hog").status().unwrap();
    assert!(!status.success());
    eventually("the neighbour's death is counted", || (kills(group) > before).then_some(()));
    // Longer than a process takes to die of it.
    std::thread::sleep(Duration::from_millis(1_500));
    send_signal(pid, libc::SIGKILL);
    let error = call.join().unwrap_err();
    println!("{error}");
    assert!(matches!(error.kind(), ErrorKind::Signaled { signal: libc::SIGKILL, .. }), "{error}");
    assert!(!error.to_string().contains("memory"), "{error}");
}
