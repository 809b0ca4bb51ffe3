//! Has workers in every state, and dies in the way that it is told. Argument: a folder, in which the workers say that
//! they are there.
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use parallel::prelude::*;
use parallel_starting::{eventually, status};

fn arrive(folder: &str, name: &str) {
    std::fs::write(Path::new(folder).join(name), "").expect("the folder is there");
}

fn block() -> ! {
    loop {
        // SAFETY: a plain system call.
        unsafe { libc::pause() };
    }
}

#[parallel]
fn be_busy(folder: &str, name: &str) {
    arrive(folder, name);
    loop {
        std::hint::spin_loop();
    }
}

#[parallel]
fn be_blocked(folder: &str, name: &str) {
    arrive(folder, name);
    block()
}

#[parallel]
fn be_stopped() {
    // SAFETY: a plain system call.
    unsafe { libc::raise(libc::SIGSTOP) };
}

#[parallel]
fn be_nested(folder: &str, name: &str, depth: u32) {
    if depth == 0 {
        arrive(folder, name);
        block();
    }
    let _ = be_nested.spawn(folder, name, depth - 1).join();
    block()
}

#[parallel]
fn have_pool(folder: &str, name: &str) {
    let pool = Pool::with_workers(2).expect("a pool in a worker");
    arrive(folder, name);
    std::mem::forget(pool);
    block()
}

#[parallel]
fn have_family(folder: &str, name: &str) {
    let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep");
    arrive(folder, name);
    let _ = child.wait();
}

#[parallel]
fn close_everything(folder: &str, name: &str) {
    // SAFETY: plain system calls; a careless task.
    unsafe { libc::syscall(libc::SYS_close_range, 0_u32, u32::MAX, 0) };
    arrive(folder, name);
    block()
}

/// Everything a careful program would have cleaned up for: signals blocked, SIGTERM ignored.
#[parallel]
fn be_stubborn(folder: &str, name: &str) {
    for signal in 1..=31 {
        // SAFETY: sets a disposition.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    arrive(folder, name);
    block()
}

fn die(way: &str) {
    match way {
        "return" => {}
        "exit" => std::process::exit(3),
        "panic" => panic!("on purpose"),
        "abort" => std::process::abort(),
        // SAFETY: ends the process.
        "_exit" => unsafe { libc::_exit(4) },
        "exec" => {
            let error = Command::new("sleep").arg("1000").exec();
            panic!("{error}");
        }
        // Somebody who knows nothing of it holds this program's descriptors on.
        "fork" => {
            // SAFETY: the child makes async-signal-safe calls only.
            let child = unsafe { libc::fork() };
            if child == 0 {
                block();
            }
            println!("forked {child}");
            // SAFETY: ends the process.
            unsafe { libc::_exit(6) };
        }
        "thread" => std::thread::spawn(|| std::process::exit(5)).join().expect("it exits"),
        other => panic!("what is {other}?"),
    }
}

fn main() -> parallel::Result<()> {
    let folder = std::env::args().nth(1).expect("a folder");
    let idle = Pool::with_workers(2)?;
    let busy = Pool::with_workers(2)?;
    let mut names = Vec::new();
    let mut name = |name: &str| {
        names.push(name.to_string());
        name.to_string()
    };
    let _pooled = be_busy.on(&busy).submit(&folder, &name("busy in a pool"));
    // Dropping the handles detaches the calls.
    drop(be_busy.spawn(&folder, &name("busy")));
    drop(be_blocked.spawn(&folder, &name("blocked")));
    drop(be_nested.spawn(&folder, &name("nested"), 2));
    drop(have_pool.spawn(&folder, &name("with a pool")));
    drop(have_family.spawn(&folder, &name("with a family")));
    drop(be_stubborn.spawn(&folder, &name("stubborn")));
    drop(close_everything.spawn(&folder, &name("without descriptors")));
    let stopped = be_stopped.spawn();
    let pid = stopped.pid().expect("it runs");
    eventually("stopped", || status(pid, "State").is_some_and(|state| state.starts_with('T')));
    for name in names {
        eventually(&name, || Path::new(&folder).join(&name).exists());
    }
    println!("ready");
    let way = parallel_starting::hear();
    std::mem::forget((idle, busy));
    die(&way);
    Ok(())
}
