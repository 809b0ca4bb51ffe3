//! Deals with SIGCHLD and with children in its own way, and checks that calls' exit statuses stay exact. Argument: how.
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use parallel::prelude::*;

#[parallel]
fn leave(code: i32) {
    std::process::exit(code)
}

#[parallel]
fn raise(number: i32) {
    // SAFETY: plain system calls.
    unsafe {
        libc::raise(number);
        libc::pause();
    }
}

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

static HEARD: AtomicU32 = AtomicU32::new(0);
/// How often a thread that is not the program's own had to handle it.
static MISPLACED: AtomicU32 = AtomicU32::new(0);
/// What the program's own `waitpid(-1)` has found.
static REAPED: Mutex<BTreeMap<i32, i32>> = Mutex::new(BTreeMap::new());

extern "C" fn handle(_: libc::c_int) {
    HEARD.fetch_add(1, Ordering::Relaxed);
    let mut name = [0_u8; 16];
    // SAFETY: writes 16 bytes at most.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    if name.starts_with(b"parallel\0") {
        MISPLACED.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait_for_any_child() -> ! {
    loop {
        let mut status = 0;
        // SAFETY: a plain system call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid > 0 {
            REAPED.lock().expect("no panic holds it").insert(pid, status);
        }
    }
}

fn calls() {
    for code in [0, 1, 8, 255] {
        let mut handle = leave.spawn(code);
        let error = handle.join_timeout(std::time::Duration::MAX).expect_err("no value came");
        assert!(matches!(error.kind(), ErrorKind::Exited { code: found } if *found == code), "{error}");
        assert_eq!(handle.exit_status().and_then(|status| status.code()), Some(code));
    }
    for number in [libc::SIGKILL, libc::SIGTERM, libc::SIGUSR1, libc::SIGSEGV] {
        let mut handle = raise.spawn(number);
        let error = handle.join_timeout(std::time::Duration::MAX).expect_err("no value came");
        assert!(matches!(error.kind(), ErrorKind::Signaled { signal, .. } if *signal == number), "{error}");
        assert_eq!(handle.exit_status().and_then(|status| status.signal()), Some(number));
    }
    let mut handle = cube.spawn(3);
    assert_eq!(handle.join_timeout(std::time::Duration::MAX).expect("it works"), Some(27));
    assert!(handle.exit_status().is_some_and(|status| status.success()));
    let pool = Pool::with_workers(2).expect("a pool");
    let error = leave.on(&pool).submit(8).join().expect_err("no value came");
    assert!(matches!(error.kind(), ErrorKind::Exited { code: 8 }), "{error}");
    let error = raise.on(&pool).submit(9).join().expect_err("no value came");
    assert!(matches!(error.kind(), ErrorKind::Signaled { signal: 9, .. }), "{error}");
    assert_eq!(cube.on(&pool).par_map(0..4).expect("the pool serves on"), [0, 1, 8, 27]);
    pool.join().expect("the pool ends");
}

/// A child of the program's own, which ends with `code`.
fn child(code: u8) -> std::process::Child {
    Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().expect("sh")
}

/// Waits for the signal itself, which every thread of the program's own has blocked: no other thread may take it.
fn wait_for_the_signal() {
    // SAFETY: plain system calls on a local set.
    let ends = unsafe {
        let mut ends = std::mem::zeroed();
        libc::sigemptyset(&raw mut ends);
        libc::sigaddset(&raw mut ends, libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const ends, std::ptr::null_mut());
        ends
    };
    let patience = libc::timespec { tv_sec: 30, tv_nsec: 0 };
    for code in 0..50 {
        cube.spawn(1).join().expect("it works");
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // Those of the calls, of which one may wait.
        // SAFETY: plain system calls.
        while unsafe { libc::sigtimedwait(&raw const ends, std::ptr::null_mut(), &raw const none) } == libc::SIGCHLD {}
        let mut own = child(code);
        // SAFETY: a plain system call.
        let heard = unsafe { libc::sigtimedwait(&raw const ends, std::ptr::null_mut(), &raw const patience) };
        assert_eq!(heard, libc::SIGCHLD, "{}", std::io::Error::last_os_error());
        assert_eq!(own.wait().expect("it is still there").code(), Some(code.into()));
    }
}

fn main() {
    let way = std::env::args().nth(1).expect("a way");
    let handler: extern "C" fn(libc::c_int) = handle;
    // SAFETY: the handler adds to an atomic only.
    unsafe {
        match way.as_str() {
            "ignored" => libc::signal(libc::SIGCHLD, libc::SIG_IGN),
            "handled" => libc::signal(libc::SIGCHLD, handler as libc::sighandler_t),
            _ => 0,
        };
    }
    match way.as_str() {
        "awaited" => wait_for_the_signal(),
        "reaped" => drop(std::thread::spawn(|| wait_for_any_child())),
        _ => {}
    }
    // Children of its own that end before, while and after calls run.
    let mut own: Vec<_> = (1..=5).map(|code| (code, child(code))).collect();
    calls();
    own.extend((6..=9).map(|code| (code, child(code))));
    cube.spawn(1).join().expect("it works");
    for (code, mut child) in own {
        match way.as_str() {
            "handled" | "default" | "awaited" => {
                assert_eq!(child.wait().expect("it is still there").code(), Some(code.into()));
            }
            "reaped" => {
                let pid = i32::try_from(child.id()).expect("a process number");
                parallel_starting::eventually("reaped", || REAPED.lock().expect("no panic").contains_key(&pid));
                assert_eq!(REAPED.lock().expect("no panic")[&pid], i32::from(code) << 8);
            }
            // The kernel reaps them itself, as the program has asked for.
            _ => assert!(child.wait().is_err()),
        }
    }
    if way == "handled" {
        assert!(HEARD.load(Ordering::Relaxed) > 0 && MISPLACED.load(Ordering::Relaxed) == 0);
    }
    println!("done");
}
