//! Prints what becomes of some calls, and who the workers are; takes part in games with rights.

use std::os::fd::AsRawFd;
use std::process::Command;

use parallel::prelude::*;

/// Many enough that the last of them are copies of a zygote, where there may be one.
const CALLS: usize = 6;

/// The effective user and group, and the capabilities in effect.
#[parallel]
fn rights() -> String {
    // SAFETY: plain system calls.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let capabilities = parallel_starting::status(std::process::id(), "CapEff").unwrap_or_default();
    format!("{user} {group} {capabilities}")
}

fn tell(outcome: parallel::Result<String>) {
    match outcome {
        Ok(value) if value == rights() => println!("same rights"),
        Ok(value) => println!("other rights: {value} for {}", rights()),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

/// A channel of this process's own making, and a token that names it.
fn start_as_worker(program: &str) {
    let mut ends = [0; 2];
    // SAFETY: fills the array.
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) }, 0);
    let mut command = Command::new(program);
    let status = command.arg("calls").env("PARALLEL_WORKER", format!("1:{}", ends[1].as_raw_fd())).status();
    println!("{:?}", status.expect("it is started").code());
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // SAFETY: plain system calls in a process of one thread.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let given_up = match arguments.get(1).map(String::as_str) {
        Some("start as worker") => return start_as_worker(&arguments[2]),
        // SAFETY: as above.
        Some("given up") => unsafe { libc::setresgid(group, group, group) | libc::setresuid(user, user, user) },
        // SAFETY: as above.
        Some("given up for now") => unsafe { libc::setegid(group) | libc::seteuid(user) },
        _ => 0,
    };
    assert_eq!(given_up, 0);
    println!("here: {}", rights());
    for _ in 0..CALLS {
        tell(rights.spawn().join());
    }
    match Pool::with_workers(1) {
        Ok(pool) => tell(rights.on(&pool).submit().join()),
        Err(error) => tell(Err(error)),
    }
}
