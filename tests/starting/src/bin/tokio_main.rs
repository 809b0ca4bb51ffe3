//! A program whose `main` is asynchronous.
use std::time::Duration;

use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn hang() {
    loop {
        std::thread::park();
    }
}

/// A runtime of its own, inside a worker.
#[parallel]
fn asynchronous(x: u64) -> u64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { cube.spawn(x).await.expect("a call inside a call") })
}

#[tokio::main]
async fn main() -> parallel::Result<()> {
    println!("main");
    assert_eq!(cube.spawn(3).await?, 27);
    assert_eq!(asynchronous.spawn(3).await?, 27);
    let pool = Pool::with_workers(2)?;
    let tasks: Vec<_> = (0..20).map(|x| tokio::spawn(cube.on(&pool).submit(x))).collect();
    for (x, task) in (0..).zip(tasks) {
        assert_eq!(task.await.expect("the task lives")?, x * x * x);
    }
    // Given up half way: the call goes on, and nothing is woken that is gone.
    let handle = hang.spawn();
    let pid = handle.pid().expect("it runs");
    assert!(tokio::time::timeout(Duration::from_millis(1), handle).await.is_err());
    assert!(parallel::active_children().contains(&pid));
    parallel_starting::signal_process(pid, 9);
    while parallel::active_children().contains(&pid) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The other work of the runtime goes on while calls run.
    let (value, other) = tokio::join!(cube.spawn(2), async { 5 });
    assert_eq!((value?, other), (8, 5));
    pool.join()?;
    println!("done");
    Ok(())
}
