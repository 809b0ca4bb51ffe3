//! Has workers forked by its zygote, and does to it, and around it, what its argument says.
use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_starting::{PATIENCE, descriptors, eventually, execution, signal_process, zygotes};

#[parallel]
fn which_execution() -> [u8; 16] {
    execution()
}

/// Fails when it runs twice.
#[parallel]
fn run_once(folder: &str, number: u32) -> u32 {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(Path::new(folder).join(number.to_string()))
        .expect("it ran only once");
    number
}

#[parallel]
fn hang() {
    loop {
        std::thread::park();
    }
}

/// What a worker finds that may have changed since the zygote was started.
#[parallel]
fn look() -> (Option<String>, String, u32, u64, Vec<usize>) {
    // SAFETY: plain system calls; the mask is put back at once.
    let umask = unsafe {
        let umask = libc::umask(0);
        libc::umask(umask);
        umask
    };
    (
        std::env::var("STARTING_CHANGED").ok(),
        std::env::current_dir().expect("there is one").display().to_string(),
        umask,
        limit(libc::RLIMIT_CORE).rlim_cur,
        cores(),
    )
}

fn limit(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills `limit`.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit
}

/// The cores that this thread may run on.
fn cores() -> Vec<usize> {
    // SAFETY: all bits zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: fills `set`.
    unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    // SAFETY: only looks into the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

fn stay_on(core: usize) {
    // SAFETY: all bits zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: changes the set only.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: a plain system call with a valid set.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) }, 0);
}

/// Whether the program forks now: two calls find the same execution.
fn forks() -> bool {
    let one = || which_execution.spawn().join().expect("it works");
    one() == one()
}

/// Starts processes until they are forked.
fn warm() -> u32 {
    eventually("workers are forked", forks);
    zygote().expect("a zygote")
}

fn zygote() -> Option<u32> {
    zygotes(std::process::id()).first().copied()
}

fn children() -> usize {
    parallel_starting::children(std::process::id()).len()
}

/// Nothing is left but at most one zygote and its spare, with two descriptors each.
fn nothing_is_left(before: usize) {
    eventually("no child is left", || children() == 0 && parallel::active_children().is_empty());
    eventually("no descriptor is left", || descriptors(std::process::id()).len() <= before + 4);
    assert!(zygotes(std::process::id()).len() <= 1);
}

fn first_counts() -> usize {
    which_execution.spawn().join().expect("it works");
    eventually("at rest", || children() == 0);
    descriptors(std::process::id()).len()
}

fn is_used() {
    let here = execution();
    // A program that starts one or two processes has no zygote.
    let (one, two) = (which_execution.spawn().join().unwrap(), which_execution.spawn().join().unwrap());
    assert!(one != two && one != here && two != here);
    assert_eq!(zygote(), None);
    let zygote = warm();
    assert!(!parallel::active_children().contains(&zygote));
    let pool = Pool::with_workers(2).unwrap();
    assert_eq!((pool.stats().forked, pool.stats().executed), (2, 0));
    let both = which_execution.on(&pool).par_map([(); 20]).unwrap();
    assert!(both.iter().all(|execution| *execution == both[0]) && both[0] != here);
    // What is asked for differs from what the zygote has.
    let other = Pool::builder().workers(2).env("STARTING_CHANGED", "yes").build().unwrap();
    assert_eq!((other.stats().forked, other.stats().executed), (0, 2));
    assert_eq!(look.on(&other).submit().join().unwrap().0.as_deref(), Some("yes"));
    drop((pool, other));
    println!("{zygote}");
    parallel_starting::hear();
}

fn is_killed(folder: &str) {
    let before = first_counts();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let kills = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Somewhere within the time that forking takes.
            let mut pause = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let Some(zygote) = zygote() else { continue };
                pause = (pause + 37) % 1_500;
                let seen = Instant::now();
                while seen.elapsed() < Duration::from_micros(pause) {
                    std::hint::spin_loop();
                }
                signal_process(zygote, libc::SIGKILL);
                kills.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                eventually("it is reaped", || !zygotes(std::process::id()).contains(&zygote));
            }
        });
        let begun = Instant::now();
        let mut number = 0;
        while number < 500 || kills.load(std::sync::atomic::Ordering::Relaxed) < 8 {
            assert!(begun.elapsed() < PATIENCE, "{number} calls, {kills:?} kills");
            let handles: Vec<_> = (number..number + 10).map(|number| run_once.spawn(folder, number)).collect();
            for handle in handles {
                assert_eq!(handle.join().expect("it works"), number);
                number += 1;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    nothing_is_left(before);
    // The next start works, and in time they are forked again.
    warm();
    nothing_is_left(before);
}

fn is_stopped(folder: &str) {
    let before = first_counts();
    for round in 0..2 {
        let stopped = warm();
        signal_process(stopped, libc::SIGSTOP);
        for number in 0..20 {
            assert_eq!(run_once.spawn(folder, 100 * round + number).join().expect("it works"), 100 * round + number);
        }
        eventually("the stopped one is gone", || zygote() != Some(stopped));
    }
    warm();
    nothing_is_left(before);
}

/// What happens to a copy that waits, right before a call takes it, is not the call's.
fn spare_is_hit(folder: &str) {
    let before = first_counts();
    let spare = || parallel_starting::spares(std::process::id()).first().copied();
    for number in 0..60 {
        warm();
        eventually("a copy waits", || spare().is_some_and(|spare| all_are(spare, 'S')));
        let Some(hit) = spare() else { continue };
        if number % 3 == 0 {
            signal_process(hit, libc::SIGSTOP);
            eventually("it is stopped", || all_are(hit, 'T'));
        } else {
            signal_process(hit, libc::SIGKILL);
            std::thread::sleep(Duration::from_micros(u64::from(number % 5) * 30));
        }
        let mut call = run_once.spawn(folder, number);
        assert_eq!(call.join_timeout(PATIENCE).expect("it works"), Some(number));
    }
    nothing_is_left(before);
}

/// Whether all threads of a process are in this state, which the system tells by a letter.
fn all_are(pid: u32, state: char) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let states: Vec<bool> = threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok())
        .map(|status| status.lines().any(|line| line.starts_with(&format!("State:\t{state}"))))
        .collect();
    !states.is_empty() && !states.contains(&false)
}

fn is_never_there() {
    for _ in 0..10 {
        assert!(!forks());
    }
    eventually("none is left", || zygote().is_none());
    for _ in 0..10 {
        assert!(!forks());
        assert_eq!(zygote(), None, "it is not tried again");
    }
    let pool = Pool::with_workers(2).unwrap();
    assert_eq!((pool.stats().forked, pool.stats().executed), (0, 2));
    pool.join().unwrap();
    eventually("no child is left", || children() == 0);
}

fn surroundings_change(folder: &str) {
    let found = || look.spawn().join().expect("it works");
    let here = look();
    warm();
    assert_eq!(found(), here);
    // SAFETY: no other thread of this program reads the environment right now.
    unsafe { std::env::set_var("STARTING_CHANGED", "once") };
    assert_eq!(found().0.as_deref(), Some("once"));
    warm();
    assert_eq!(found().0.as_deref(), Some("once"));
    std::env::set_current_dir(folder).unwrap();
    assert_eq!(found().1, std::env::current_dir().unwrap().display().to_string());
    warm();
    // SAFETY: a plain system call.
    unsafe { libc::umask(0o051) };
    assert_eq!(found().2, 0o051);
    warm();
    let core = libc::rlimit { rlim_cur: 4096, ..limit(libc::RLIMIT_CORE) };
    // SAFETY: a plain system call with a valid argument.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const core) }, 0);
    assert_eq!(found().3, 4096);
    // The thread that calls decides; neither the reactor nor the zygote.
    warm();
    let all = cores();
    for core in [all[0], all[all.len() - 1]] {
        stay_on(core);
        assert_eq!(found().4, [core]);
        let pool = Pool::with_workers(1).unwrap();
        assert_eq!(pool.stats().forked, 1);
        assert_eq!(look.on(&pool).submit().join().unwrap().4, [core]);
    }
    assert_eq!(look(), found());
}

/// Many at once, all alive together.
fn has_many() {
    let zygote = warm();
    let handles: Vec<_> = (0..20).map(|_| hang.spawn()).collect();
    let pids: Vec<u32> = handles.iter().filter_map(JoinHandle::pid).collect();
    assert_eq!(pids.len(), 20);
    println!("{zygote}");
    parallel_starting::hear();
    std::mem::forget(handles);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = arguments.get(2).map_or("", String::as_str);
    match arguments[1].as_str() {
        "used" => is_used(),
        "killed" => is_killed(folder),
        "stopped" => is_stopped(folder),
        "spare" => spare_is_hit(folder),
        "never" => is_never_there(),
        "changes" => surroundings_change(folder),
        "many" => has_many(),
        other => panic!("what is {other}?"),
    }
    println!("done");
}
