//! Calls while standard streams are closed. Arguments: who closes them, which, and the file for the verdict.
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parallel::prelude::*;

fn links() -> Vec<Option<PathBuf>> {
    (0..3).map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()).collect()
}

#[parallel]
fn speak() -> Vec<Option<PathBuf>> {
    println!("out");
    eprintln!("err");
    links()
}

fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

/// Waits until the streams are as they were `before`. A new descriptor gets the lowest free number (open(2)) and is moved at once;
/// the reactor may be at that just now, for a zygote. One that stays there is a fault.
fn return_to(what: &str, before: &Vec<Option<PathBuf>>) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while links() != *before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    same(what, &links(), before)
}

fn check(closed: &str) -> Result<(), String> {
    let before = links();
    let null = Some(PathBuf::from("/dev/null"));
    let expected = || -> Vec<_> {
        let stream = |fd: usize| if before[fd].is_none() { null.clone() } else { before[fd].clone() };
        vec![null.clone(), stream(1), stream(2)]
    };
    let text = |error: parallel::Error| error.to_string();
    same("in a spawned call", speak.spawn().join().map_err(text)?, expected())?;
    let pool = Pool::with_workers(2).map_err(text)?;
    for found in speak.on(&pool).par_map(std::iter::repeat_n((), 20)).map_err(text)? {
        same("in a pool", found, expected())?;
    }
    // With a process, a pool and the reactor alive: their descriptors must be elsewhere.
    return_to(&format!("here, with {closed} closed"), &before)?;
    println!("out");
    eprintln!("err");
    pool.join().map_err(text)?;
    return_to("afterwards", &before)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, who, closed, verdict] = &arguments[..] else { panic!("three arguments") };
    if who == "program" {
        for fd in 0..3 {
            if closed.contains(&fd.to_string()) {
                // SAFETY: a number that belongs to this program.
                unsafe { libc::close(fd) };
            }
        }
    }
    let outcome = std::panic::catch_unwind(|| check(closed)).unwrap_or_else(|_| Err("it panics".to_string()));
    std::fs::write(verdict, outcome.map_or_else(|error| error, |()| "right".to_string())).expect("the verdict");
}
