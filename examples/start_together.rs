//! A race: everyone waits at the line for everyone else, and then for the gun.
//!
//! ```text
//! cargo run --example start_together [RUNNERS] [LAPS]
//! ```
//!
//! The line is a `Barrier`: it opens when all runners and the starter have come, as often as it is used. The gun is an
//! `Event`: once it is fired all who wait for it go on, and so does whoever comes later. Prints how long each runner was
//! on its way to the line, how soon after the gun it ran, and in which laps the others had to wait for it.

mod arguments;

use std::thread;
use std::time::{Duration, SystemTime};

use parallel::prelude::*;
use parallel::sync::Barrier;

/// Whoever does not come in this time is not waited for any longer: the barrier is broken, for everyone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comes to the line, waits for the gun, and runs. Returns when it came, when it ran, and the laps in which it was last.
#[parallel]
fn run(runner: u64, laps: u64, line: Barrier, gun: Event, fired: Value<u8>) -> (SystemTime, SystemTime, Vec<u64>) {
    thread::sleep(Duration::from_millis(runner * 37 % 100));
    let came = SystemTime::now();
    line.wait_timeout(PATIENCE).expect("everyone comes");
    gun.wait();
    let ran = SystemTime::now();
    assert_eq!(fired.get().expect("nobody dies with the lock"), 1, "no false start");

    let mut last = Vec::new();
    for lap in 0..laps {
        thread::sleep(Duration::from_millis(10 + (runner + lap) * 53 % 40));
        // The one who opens the line came last; the others have waited for it.
        if line.wait_timeout(PATIENCE).expect("everyone comes").is_leader() {
            last.push(lap);
        }
    }
    (came, ran, last)
}

fn main() -> parallel::Result<()> {
    let [runners, laps] = arguments::numbers([("RUNNERS", 1..=200, 5), ("LAPS", 0..=100, 3)]);

    // The starter, which is this process, waits at the same line as the runners.
    let line = Barrier::new(runners as usize + 1)?;
    let (gun, fired) = (Event::new()?, Value::new(0_u8)?);
    let begin = SystemTime::now();
    let calls: Vec<_> =
        (0..runners).map(|runner| run.spawn(runner, laps, line.clone(), gun.clone(), fired.clone())).collect();
    line.wait_timeout(PATIENCE)?;
    fired.set(1)?;
    let shot = SystemTime::now();
    gun.set();
    let mut mine = Vec::new();
    for lap in 0..laps {
        if line.wait_timeout(PATIENCE)?.is_leader() {
            mine.push(lap);
        }
    }

    let since = |time: SystemTime, start| time.duration_since(start).unwrap_or_default();
    println!("the gun, {:.1?} after the beginning", since(shot, begin));
    let mut all = mine;
    for (runner, call) in calls.into_iter().enumerate() {
        let (came, ran, last) = call.join()?;
        let (way, start) = (since(came, begin), since(ran, shot));
        println!(
            "runner {runner:>3}  at the line after {way:>8.1?}, runs {start:>8.1?} after the gun, last in {last:?}"
        );
        all.extend(last);
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..laps), "in each lap one was the last");
    Ok(())
}
