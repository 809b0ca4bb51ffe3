//! Makes many calls within tight limits on descriptors or processes, as its argument names.

use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::Census;

#[parallel]
fn square(x: i32) -> i32 {
    x.wrapping_mul(x)
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is memory for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limits) }, 0);
    limits.rlim_cur = value;
    // SAFETY: `limits` was filled above.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limits) }, 0);
}

fn submits() {
    limit(libc::RLIMIT_NOFILE, 256);
    let pool = Pool::with_workers(2).unwrap();
    let handles: Vec<_> = (0..10_000).map(|x| square.on(&pool).submit(x)).collect();
    for (x, handle) in (0..10_000_i32).zip(handles).rev() {
        assert_eq!(handle.join().unwrap(), x.wrapping_mul(x));
    }
}

fn spawns() {
    limit(libc::RLIMIT_NOFILE, 256);
    let count = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let handles: Vec<_> = (0..count).map(|x| square.spawn(x)).collect();
    for (x, handle) in (0..count).zip(handles).rev() {
        assert_eq!(handle.join().unwrap(), x.wrapping_mul(x));
    }
}

#[parallel]
fn meet(all: parallel::sync::Barrier) {
    all.wait().unwrap();
}

/// As many calls wait for each other as a usual limit lets run.
fn meets() {
    limit(libc::RLIMIT_NOFILE, 1024);
    let all = parallel::sync::Barrier::new(180).unwrap();
    let handles: Vec<_> = (0..180).map(|_| meet.spawn(all.clone())).collect();
    for handle in handles {
        handle.join().unwrap();
    }
}

/// More calls wait for each other than can run: whoever watches must be told.
fn waits() {
    limit(libc::RLIMIT_NOFILE, 64);
    let all = parallel::sync::Barrier::new(20).unwrap();
    let handles: Vec<_> = (0..20).map(|_| meet.spawn(all.clone())).collect();
    let queued = handles.iter().filter(|handle| handle.is_queued()).count();
    assert_eq!(queued, handles.iter().filter(|handle| handle.pid().is_none()).count());
    assert!((4..20).contains(&queued), "{queued} wait");
    parallel_failures::inside::note("waiting");
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

#[parallel]
fn stay(stays: parallel::sync::Event) {
    stays.wait();
}

/// What a spawned call that runs takes of the program's descriptors.
fn holds() {
    const CALLS: usize = 50;
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    square.spawn(3).join().unwrap();
    let before = Census::at_rest();
    let stays = parallel::sync::Event::new().unwrap();
    let descriptors = open();
    let handles: Vec<_> = (0..CALLS).map(|_| stay.spawn(stays.clone())).collect();
    assert!(handles.iter().all(|handle| handle.pid().is_some()), "all of them run");
    let each = (open() - descriptors) / CALLS;
    assert_eq!(each, 2, "a zygote and its copies take a few more");
    stays.set();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    drop(stays);
    before.is_restored();
}

/// A program that has used more than half of its descriptors still has its workers forked.
fn forks() {
    limit(libc::RLIMIT_NOFILE, 1024);
    let _used: Vec<_> = (0..700).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    if std::env::var_os("PARALLEL_ZYGOTE").is_some() {
        return;
    }
    eventually("workers are forked", || {
        let pool = Pool::with_workers(1).unwrap();
        (pool.stats().forked == 1).then_some(())
    });
}

/// Root has no limit of processes; a user without any other process has exactly the one that is set.
fn become_nobody() -> bool {
    // Numbers that no system gives to its users; one for each run, so that two do not share a limit.
    let user = 0x4000_0000 + std::process::id();
    // SAFETY: plain system calls, before the second thread.
    let groups = unsafe { libc::setgroups(0, std::ptr::null()) };
    // SAFETY: as above.
    groups == 0 && unsafe { libc::setgid(user) } == 0 && unsafe { libc::setuid(user) } == 0
}

fn processes() {
    if !become_nobody() {
        // Whoever is not root shares the limit with everything else that is theirs: only a limit that is reached already
        // can be set.
        limit(libc::RLIMIT_NPROC, 1);
        refused();
        return;
    }
    // This thread, the reactor, and three more: a worker needs one, and another for its watch, which it can do without.
    limit(libc::RLIMIT_NPROC, 5);
    let handles: Vec<_> = (0..30).map(|x| square.spawn(x)).collect();
    for (x, handle) in (0..30).zip(handles).rev() {
        assert_eq!(handle.join().unwrap(), x * x, "calls wait for their turn");
    }
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(square.on(&pool).par_map(0..100).unwrap(), (0..100).map(|x| x * x).collect::<Vec<_>>());
    pool.join().unwrap();
    let before = Census::at_rest();
    for _ in 0..3 {
        let error = Pool::with_workers(8).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
        println!("{error}");
        before.is_restored();
    }
    limit(libc::RLIMIT_NPROC, 1);
    refused();
    before.is_restored();
    limit(libc::RLIMIT_NPROC, 5);
    assert_eq!(square.spawn(3).join().unwrap(), 9);
    // A worker whose successor cannot start: calls fail meanwhile, and go well afterwards.
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(square.on(&pool).submit(3).join().unwrap(), 9);
    limit(libc::RLIMIT_NPROC, 1);
    parallel_failures::inside::send_signal(pool.pids()[0], libc::SIGKILL);
    eventually("it cannot be replaced", || {
        let error = square.on(&pool).submit(3).join().err()?;
        matches!(error.kind(), ErrorKind::Start(_)).then_some(())
    });
    limit(libc::RLIMIT_NPROC, 5);
    eventually("it is replaced", || square.on(&pool).submit(3).join().ok());
}

/// Nothing can start.
fn refused() {
    for error in [square.spawn(3).join().unwrap_err(), Pool::with_workers(1).unwrap_err()] {
        assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
        assert!(error.to_string().contains("Resource temporarily unavailable"), "{error}");
        println!("{error}");
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("submits") => submits(),
        Some("spawns") => spawns(),
        Some("meets") => meets(),
        Some("waits") => waits(),
        Some("holds") => holds(),
        Some("forks") => forks(),
        Some("processes") => processes(),
        other => panic!("there is no way {other:?}"),
    }
}
