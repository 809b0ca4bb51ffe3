//! Processes that are watched and ended from outside.
//!
//! ```text
//! cargo run --example stop_a_process
//! ```
//!
//! Starts four processes. Three would count for an hour: one of them is asked to end, one is killed, and one is told
//! that it is enough and gives its result. The fourth leaves with an exit code of its own. Prints how each of them ended:
//! its exit status, and what `join` says.

mod arguments;

use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// Counts how often it looked whether it should stop, or leaves with `code` where one is given.
#[parallel]
fn count(stop: Event, code: Option<i32>) -> u64 {
    if let Some(code) = code {
        std::process::exit(code);
    }
    let (start, mut looks) = (Instant::now(), 0);
    while start.elapsed() < HOUR && !stop.wait_timeout(Duration::from_millis(10)) {
        looks += 1;
    }
    looks
}

fn main() -> parallel::Result<()> {
    let [] = arguments::numbers([]);

    let stop = Event::new()?;
    let start = |name, code| count.name(name).spawn(stop.clone(), code);
    let mut calls = [start("asked", None), start("killed", None), start("leaving", Some(8)), start("told", None)];

    thread::sleep(Duration::from_millis(300)); // something to count; no result depends on it
    for call in &calls {
        match call.pid() {
            Some(pid) => println!("{:>8}  runs in process {pid}", call.name()),
            None => println!("{:>8}  has finished", call.name()),
        }
    }
    assert!([0, 1, 3].iter().all(|&place| !calls[place].is_finished()));

    println!();
    calls[0].terminate()?; // SIGTERM
    calls[1].kill()?; // SIGKILL, which no process can refuse
    let mut ends = Vec::new();
    for (place, call) in calls.iter_mut().enumerate() {
        if place == 3 {
            assert!(!call.is_finished(), "the ends of its neighbours do not concern it");
            stop.set();
        }
        let outcome = call.join_timeout(Duration::MAX).transpose().expect("no time limit");
        assert!(call.is_finished());
        let status = call.exit_status().expect("it has ended");
        match &outcome {
            Ok(looks) => println!("{:>8}  {status}: looked {looks} times", call.name()),
            Err(error) => println!("{:>8}  {status}: {error}", call.name()),
        }
        ends.push((status.signal(), status.code(), outcome.is_ok()));
    }
    assert_eq!(ends, [(Some(15), None, false), (Some(9), None, false), (None, Some(8), false), (None, Some(0), true)]);
    assert!(parallel::active_children().is_empty());
    Ok(())
}
