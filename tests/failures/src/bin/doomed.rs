//! Works in the way that its argument names until it is killed, or ends with everything under way. What it starts notes
//! that it works.

use std::time::Duration;

use parallel::prelude::*;
use parallel_failures::inside::{note, wait_for_note};

#[parallel]
fn naps(x: u64) -> u64 {
    note("works");
    std::thread::sleep(Duration::from_millis(x % 7));
    x
}

#[parallel]
fn sleeps() {
    note("works");
    std::thread::sleep(Duration::from_secs(3600));
}

#[parallel]
fn computes() {
    note("works");
    while std::hint::black_box(true) {}
}

/// Ignores what can be ignored, and what its group is told.
#[parallel]
fn clings() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGPIPE] {
        // SAFETY: sets a disposition.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    note("works");
    std::thread::sleep(Duration::from_secs(3600));
}

#[parallel]
fn stops() {
    note("works");
    // SAFETY: stops this process.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Cuts itself off from its parent.
#[parallel]
fn closes() {
    // SAFETY: none; they are somebody else's, and that is the point.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0) };
    note("works");
    std::thread::sleep(Duration::from_secs(3600));
}

#[parallel]
#[allow(clippy::zombie_processes, reason = "it outlives the task: that is the case")]
fn starts_a_child() {
    let child = std::process::Command::new("sleep").arg("3600").spawn().unwrap();
    parallel_failures::inside::note_process("works", child.id());
    std::thread::sleep(Duration::from_secs(3600));
}

/// Starts calls that start calls, with pools and without.
#[parallel]
fn nests(depth: u32) {
    note("works");
    if depth == 0 {
        std::thread::sleep(Duration::from_secs(3600));
    }
    let pool = Pool::with_workers(2).unwrap();
    let _spawned = nests.spawn(depth - 1);
    let _ = nests.on(&pool).par_map([depth - 1; 2]);
}

/// Moves into the group of others.
#[parallel]
fn moves(group: i32) {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::setpgid(0, group) }, 0);
    note("moved");
    note("works");
    std::thread::sleep(Duration::from_secs(3600));
}

/// A process with a group of its own, which is no worker.
#[allow(clippy::zombie_processes, reason = "it outlives this program: that is the case")]
fn stranger() -> i32 {
    use std::os::unix::process::CommandExt;
    let stranger = std::process::Command::new("sleep").arg("3600").process_group(0).spawn().unwrap().id();
    parallel_failures::inside::note_process("stranger", stranger);
    stranger.try_into().unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let way = arguments.next().unwrap_or_default();
    let end = arguments.next();
    let pool = Pool::with_workers(4).unwrap();
    let mut storm = Vec::new();
    let mut handles: Vec<JoinHandle<()>> = Vec::new();
    match way.as_str() {
        "map" => {
            for x in naps.on(&pool).par_imap(0..) {
                x.unwrap();
            }
        }
        "storm" => loop {
            storm.push(naps.spawn(50));
            storm.retain(|handle| !handle.is_finished());
        },
        "sleeps" => handles.extend((0..4).flat_map(|_| [sleeps.spawn(), sleeps.on(&pool).submit()])),
        "computes" => handles.extend([computes.spawn(), computes.on(&pool).submit()]),
        "clings" => handles.extend([clings.spawn(), clings.on(&pool).submit()]),
        "stops" => handles.extend([stops.spawn(), stops.on(&pool).submit()]),
        "closes" => handles.extend([closes.spawn(), closes.on(&pool).submit()]),
        "children" => handles.extend([starts_a_child.spawn(), starts_a_child.on(&pool).submit()]),
        "nests" => handles.extend([nests.spawn(2), nests.on(&pool).submit(2)]),
        "moves" => {
            let group = stranger();
            handles.extend([moves.spawn(group), moves.on(&pool).submit(group)]);
            // The end is to find both of them there.
            parallel_failures::eventually("both calls have moved", || {
                (parallel_failures::inside::noted("moved").len() == 2).then_some(())
            });
        }
        other => panic!("there is no way `{other}`"),
    }
    wait_for_note("works");
    match end.as_deref() {
        Some("returns") => {}
        Some("exits") => std::process::exit(0),
        Some("panics") => panic!("as it should"),
        Some("aborts") => std::process::abort(),
        _ => std::thread::sleep(Duration::from_secs(3600)),
    }
}
