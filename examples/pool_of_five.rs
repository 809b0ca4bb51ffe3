//! Twelve uneven tasks for five workers: first come, first served.
//!
//! ```text
//! cargo run --example pool_of_five [TASKS]
//! ```
//!
//! Prints one line per task: its worker, when it started and ended, and a bar on a common time line. A worker that is
//! done takes the next task of the queue, so tasks start in the order in which they were submitted, and end in another.

mod arguments;

use std::process;
use std::thread;
use std::time::{Duration, SystemTime};

use parallel::prelude::*;

const WORKERS: usize = 5;

/// Works for a while, and returns the worker, the start and the end.
#[parallel]
fn work(duration: Duration) -> (u32, SystemTime, SystemTime) {
    let start = SystemTime::now();
    thread::sleep(duration);
    (process::id(), start, SystemTime::now())
}

fn main() -> parallel::Result<()> {
    let [tasks] = arguments::numbers([("TASKS", 1..=1_000, 12)]);
    let pool = Pool::with_workers(WORKERS)?;
    let pids = pool.pids();

    // 40 to 400 ms, in an order that looks like none.
    let durations: Vec<_> = (0..tasks).map(|task| Duration::from_millis(40 + task * 7 % 10 * 40)).collect();
    let begin = SystemTime::now();
    let handles: Vec<_> = durations.iter().map(|&duration| work.on(&pool).submit(duration)).collect();
    let runs = handles.into_iter().map(JoinHandle::join).collect::<parallel::Result<Vec<_>>>()?;
    pool.join()?;

    let since = |time: SystemTime| time.duration_since(begin).unwrap_or_default().as_millis() as usize;
    let column = runs.iter().map(|run| since(run.2)).max().unwrap_or(0) / 60 + 1;
    println!("task  worker  start    end");
    for (task, &(pid, start, end)) in runs.iter().enumerate() {
        let worker = pids.iter().position(|&known| known == pid).expect("a worker of this pool");
        let (start, end) = (since(start), since(end));
        let bar = format!("{}{}", " ".repeat(start / column), "#".repeat((end - start) / column));
        println!("{task:>4}  {worker:>6}  {start:>5}  {end:>5}  {bar}");
    }

    for pid in pids {
        let own: Vec<_> = runs.iter().filter(|run| run.0 == pid).collect();
        assert!(own.is_sorted_by_key(|run| run.1), "a worker takes its tasks in the order of the queue");
    }
    let (asleep, elapsed) = (durations.iter().sum::<Duration>(), begin.elapsed().unwrap_or_default());
    println!("{:.2} s of work in {:.2} s", asleep.as_secs_f64(), elapsed.as_secs_f64());
    assert!(tasks < 5 || elapsed < asleep, "one worker would not have taken longer");
    Ok(())
}
