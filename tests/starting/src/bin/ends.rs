//! Ends in the way that its first argument says, with workers in pools. The second: a folder, in which each worker whose `atexit`
//! handlers run leaves a file with its number.
use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parallel::prelude::*;
use parallel::sync::Barrier;
use parallel_starting::{eventually, hear};
use serde::{Serialize, Serializer};

static LEAVES: OnceLock<PathBuf> = OnceLock::new();

/// Lets this process leave a file at its end.
fn leave_a_file(folder: &str) {
    extern "C" fn leave() {
        let folder = LEAVES.get().expect("set before");
        std::fs::write(folder.join(std::process::id().to_string()), "").expect("the folder is there");
    }
    if LEAVES.set(folder.into()).is_ok() {
        at_exit(leave);
    }
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: a function of this program.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

/// Comes back once as many workers are at it as the barrier has places.
#[parallel]
fn meet(folder: &str, barrier: Barrier) -> u32 {
    leave_a_file(folder);
    barrier.wait().expect("all come");
    std::process::id()
}

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn be_busy(folder: &str) {
    leave_a_file(folder);
    std::fs::write(Path::new(folder).join("busy"), "").expect("the folder is there");
    loop {
        std::thread::park();
    }
}

#[parallel]
fn be_stuck_at_the_end(folder: &str, barrier: Barrier) -> u32 {
    extern "C" fn hang() {
        loop {
            std::thread::park();
        }
    }
    leave_a_file(folder);
    at_exit(hang);
    barrier.wait().expect("all come");
    std::process::id()
}

/// Has a pool of its own, whose one worker ends well or gets stuck; gives the numbers of both.
#[parallel]
fn have_a_pool(folder: &str, stuck: bool) -> [u32; 2] {
    leave_a_file(folder);
    let pool = Pool::with_workers(1).expect("a pool in a worker");
    let barrier = Barrier::new(1).expect("a barrier");
    let below = if stuck {
        be_stuck_at_the_end.on(&pool).submit(folder, barrier).join()
    } else {
        meet.on(&pool).submit(folder, barrier).join()
    };
    std::mem::forget(pool);
    [std::process::id(), below.expect("it works")]
}

/// Leaves a process behind.
#[parallel]
#[expect(clippy::zombie_processes, reason = "what ends it is what is tested")]
fn have_family() {
    std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
}

#[parallel]
fn burn(milliseconds: u64) {
    let used = || {
        // SAFETY: all bits zero is a usage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: fills `usage`.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        Duration::from_secs(usage.ru_utime.tv_sec as u64) + Duration::from_micros(usage.ru_utime.tv_usec as u64)
    };
    while used() < Duration::from_millis(milliseconds) {}
}

/// Has both workers of a pool run something; prints their numbers.
fn warm(pool: &Pool, folder: &str) {
    let barrier = Barrier::new(2).expect("a barrier");
    let calls = [meet.on(pool).submit(folder, barrier.clone()), meet.on(pool).submit(folder, barrier)];
    for call in calls {
        println!("worker {}", call.join().expect("it works"));
    }
}

/// An argument that ends the program when it is encoded.
struct Ends;

impl Serialize for Ends {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::process::exit(4)
    }
}

impl<'de> serde::Deserialize<'de> for Ends {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[parallel]
fn take(_: Ends) {}

/// Tries every way to call, and prints what comes of it.
extern "C" fn call_all() {
    let kind = |outcome: parallel::Result<()>| match outcome {
        Ok(()) => "works".to_string(),
        Err(error) => format!("{:?}: {error}", error.kind()),
    };
    println!("spawn {}", kind(cube.spawn(2).join().map(drop)));
    println!("submit {}", kind(cube.submit(2).join().map(drop)));
    println!("map {}", kind(cube.par_map(0..100).map(drop)));
    println!("results {}", kind(cube.par_map_results(0..2).into_iter().try_for_each(|outcome| outcome.map(drop))));
    println!("lazy map {}", kind(cube.par_imap(0..).take(3).try_for_each(|outcome| outcome.map(drop))));
    println!("pool {}", kind(Pool::with_workers(1).and_then(|pool| cube.on(&pool).par_map(0..2).map(drop))));
}

static WAITS: OnceLock<std::sync::Mutex<Option<std::thread::JoinHandle<String>>>> = OnceLock::new();

/// Joins the thread that waits for a call.
extern "C" fn join_the_waiting() {
    let thread = WAITS.get().and_then(|waits| waits.lock().ok()?.take()).expect("it was started");
    println!("{}", thread.join().expect("it comes back"));
}

/// Prints how much time the children that were waited for have used.
extern "C" fn print_usage() {
    // SAFETY: all bits zero is a usage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: fills `usage`.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    println!("used {}", usage.ru_utime.tv_sec * 1_000 + usage.ru_utime.tv_usec / 1_000);
}

/// Forks, by the C library or behind its back, and waits for the child, which ends as programs do.
fn fork_and_wait(behind_its_back: bool) {
    // SAFETY: the child of this process calls nothing but `exit`, whose handlers are under test.
    let child = unsafe {
        if behind_its_back { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as i32 } else { libc::fork() }
    };
    if child == 0 {
        // SAFETY: as above.
        unsafe { libc::exit(9) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 9, "{status}");
}

/// Ends the program on the thread that wakes it.
struct EndsWhenWoken;

impl Wake for EndsWhenWoken {
    fn wake(self: std::sync::Arc<Self>) {
        std::process::exit(5);
    }
}

fn end_when_woken(handle: JoinHandle<u64>) {
    let mut future = std::pin::pin!(handle);
    let waker = Waker::from(std::sync::Arc::new(EndsWhenWoken));
    let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(poll, Poll::Pending) || matches!(poll, Poll::Ready(Ok(_))));
    loop {
        std::thread::park();
    }
}

fn main() -> parallel::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (way, folder) = (arguments[1].as_str(), arguments[2].as_str());
    let left = |pid: u32| Path::new(folder).join(pid.to_string()).exists();
    let busy = || eventually("it is busy", || Path::new(folder).join("busy").exists());
    match way {
        "global" => warm(Pool::global()?, folder),
        "leaked" => {
            let pool = Pool::with_workers(2)?;
            warm(&pool, folder);
            std::mem::forget(pool);
        }
        "panic" => {
            warm(Pool::global()?, folder);
            panic!("on purpose");
        }
        "thread" => {
            warm(Pool::global()?, folder);
            std::thread::spawn(|| std::process::exit(3)).join().expect("it exits");
        }
        "dropped" => {
            let pool = Pool::with_workers(2)?;
            warm(&pool, folder);
            let pids = pool.pids();
            drop(pool);
            assert!(pids.iter().all(|&pid| left(pid)), "they have ended when it is dropped");
            assert!(parallel::active_children().is_empty());
        }
        "terminated" => {
            let pool = Pool::with_workers(2)?;
            warm(&pool, folder);
            pool.terminate();
            assert!(parallel::active_children().is_empty());
        }
        "stuck" => {
            let pool = Pool::global()?;
            let barrier = Barrier::new(2)?;
            let well = meet.on(pool).submit(folder, barrier.clone());
            println!("stuck {}", be_stuck_at_the_end.on(pool).submit(folder, barrier).join()?);
            println!("worker {}", well.join()?);
        }
        "stuck and dropped" => {
            let pool = Pool::with_workers(1)?;
            be_stuck_at_the_end.on(&pool).submit(folder, Barrier::new(1)?).join()?;
            let begun = std::time::Instant::now();
            drop(pool);
            println!("dropped within {}", begun.elapsed().as_millis());
            assert!(parallel::active_children().is_empty());
        }
        "nested" | "nested and stuck" => {
            let [above, below] = have_a_pool.on(Pool::global()?).submit(folder, way != "nested").join()?;
            println!("worker {above}");
            println!("{} {below}", if way == "nested" { "worker" } else { "stuck" });
        }
        "spawned with a pool" => {
            let pids = have_a_pool.spawn(folder, false).join()?;
            assert!(pids.iter().all(|&pid| left(pid)), "both have ended when the call has");
        }
        "busy" => {
            warm(Pool::global()?, folder);
            drop(be_busy.submit(folder));
            busy();
        }
        "busy and dropped" => {
            let pool = Pool::with_workers(2)?;
            warm(&pool, folder);
            let pending = be_busy.on(&pool).submit(folder);
            busy();
            drop(pool);
            println!("{:?}", pending.join().expect_err("it never ends").kind());
        }
        "family" | "family and dropped" => {
            let pool = Pool::with_workers(1)?;
            have_family.on(&pool).submit().join()?;
            if way == "family" {
                std::mem::forget(pool);
            }
        }
        "spawned" => {
            let call = be_busy.spawn(folder);
            busy();
            println!("worker of its own {}", call.pid().expect("it runs"));
            std::mem::forget(call);
        }
        "iterator" => {
            warm(Pool::global()?, folder);
            let items = (0..1_000_000).inspect(|&item| {
                if item == 20_000 {
                    std::process::exit(6);
                }
            });
            cube.chunk_size(7).par_map(items)?;
        }
        "serialize" => {
            warm(Pool::global()?, folder);
            take.submit(Ends).join()?;
        }
        "serialize in a map" => {
            warm(Pool::global()?, folder);
            take.par_for_each([Ends])?;
        }
        "handler that runs later" => {
            at_exit(call_all);
            warm(Pool::global()?, folder);
        }
        "handler that runs earlier" => {
            warm(Pool::global()?, folder);
            at_exit(call_all);
        }
        "first call in a handler" => at_exit(call_all),
        "handler that waits for a caller" => {
            at_exit(join_the_waiting);
            let folder = folder.to_string();
            let waits = std::thread::spawn(move || {
                let outcome = be_busy.submit(&folder).join();
                format!("{:?}", outcome.expect_err("it never ends").kind())
            });
            WAITS.get_or_init(|| Some(waits).into());
            busy();
        }
        "other threads" => {
            warm(Pool::global()?, folder);
            for kind in 0..4 {
                std::thread::spawn(move || {
                    loop {
                        let outcome = match kind {
                            0 => cube.submit(3).join().map(drop),
                            1 => cube.par_map(0..1_000).map(drop),
                            2 => cube.par_imap(0..).take(100).try_for_each(|outcome| outcome.map(drop)),
                            _ => Pool::with_workers(1).and_then(|pool| cube.on(&pool).par_map(0..3).map(drop)),
                        };
                        let Err(error) = outcome else { continue };
                        assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::Terminated), "{error}");
                        break;
                    }
                });
            }
        }
        "many exits" => {
            warm(Pool::global()?, folder);
            for _ in 0..4 {
                std::thread::spawn(|| std::process::exit(7));
            }
            std::thread::park();
        }
        "signal" => {
            extern "C" fn end(_: c_int) {
                // SAFETY: this program does nothing else just then.
                unsafe { libc::exit(8) };
            }
            let handler: extern "C" fn(c_int) = end;
            warm(Pool::global()?, folder);
            // SAFETY: sets a disposition.
            unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
            // SAFETY: a plain system call.
            unsafe { libc::raise(libc::SIGUSR1) };
        }
        "woken" => end_when_woken(cube.submit(2)),
        "start" => {
            std::thread::spawn(|| Pool::with_workers(16).map(std::mem::forget));
            eventually("a start", || !parallel::active_children().is_empty());
        }
        "fork" => {
            let pool = Pool::global()?;
            warm(pool, folder);
            for behind_its_back in [false, true] {
                fork_and_wait(behind_its_back);
                assert!(!pool.pids().iter().any(|&pid| left(pid)), "the workers are the program's, not the child's");
                assert_eq!(cube.par_map(0..3)?, [0, 1, 8]);
            }
            assert_eq!((pool.stats().restarts, pool.stats().recycled), (0, 0));
        }
        "usage" => {
            at_exit(print_usage);
            burn.submit(50).join()?;
        }
        other => panic!("what is {other}?"),
    }
    println!("ready");
    hear();
    Ok(())
}
