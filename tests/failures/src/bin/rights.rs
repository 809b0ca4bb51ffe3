//! Ends what the system does not let it signal: after it has given up root, or where a sandbox refuses the signals. The first
//! argument names which, the second the case.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel_failures::inside::{note, noted, processes, runs, wait_for_note};
use parallel_failures::{PATIENCE, eventually};

/// How soon an end must come that the system refuses in the usual way: some grace, and a machine that is busy.
const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

#[parallel]
fn user() -> u32 {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() }
}

#[parallel]
fn hangs(name: &str) {
    note(name);
    loop {
        std::thread::sleep(PATIENCE);
    }
}

#[parallel]
fn is_stopped(name: &str) {
    note(name);
    // SAFETY: stops this process only.
    unsafe { libc::raise(libc::SIGSTOP) };
}

#[parallel]
fn waits_for(start: &str, end: &str) -> u32 {
    note(start);
    wait_for_note(end);
    user()
}

#[parallel]
fn merges(one: u32, other: u32) -> u32 {
    one.wrapping_add(other)
}

/// What takes the right to signal from this program; whoever had it runs on as it was.
fn give_up(how: &str) {
    match how {
        "user" => become_nobody(),
        "sandbox" => refuse(&[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_pidfd_send_signal], libc::EPERM),
        "no-such-call" => refuse(&[libc::SYS_kill, libc::SYS_pidfd_send_signal], libc::ENOSYS),
        other => panic!("what is {other}?"),
    }
}

/// A number that no system gives to its users.
const NOBODY: u32 = 0x4000_0001;

fn become_nobody() {
    // SAFETY: plain system calls, which the C library makes on every thread.
    assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setresgid(NOBODY, NOBODY, NOBODY) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }, 0);
}

/// Makes these calls fail, in every thread and in all that they start.
fn refuse(numbers: &[i64], errno: i32) {
    let code = |code: u32, k: u32, jt: u8| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let mut filter = vec![code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, number) in numbers.iter().enumerate() {
        let to_refusal = u8::try_from(numbers.len() - at).unwrap();
        filter.push(code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::try_from(*number).unwrap(), to_refusal));
    }
    filter.push(code(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    filter.push(code(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap(), 0));
    let program = libc::sock_fprog { len: u16::try_from(filter.len()).unwrap(), filter: filter.as_mut_ptr() };
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let (set, all_threads) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: the kernel copies the program, which is alive.
    assert_eq!(unsafe { libc::syscall(libc::SYS_seccomp, set, all_threads, &raw const program) }, 0);
}

/// Whose a process is.
fn owner(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

/// The children of this process, zygotes and zombies too.
fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let is_own = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&own)
    };
    processes().filter(is_own).collect()
}

/// The outcome of a call, which must come soon.
fn soon<R: std::fmt::Debug>(mut call: JoinHandle<R>) -> parallel::Result<R> {
    let since = Instant::now();
    let outcome = call.join_timeout(PATIENCE);
    assert!(since.elapsed() < SOON, "{:?} took {:?}", outcome, since.elapsed());
    outcome.map(|value| value.expect("it has finished"))
}

fn fails<R: std::fmt::Debug>(call: JoinHandle<R>, is_right: impl Fn(&ErrorKind) -> bool) {
    let error = soon(call).unwrap_err();
    assert!(is_right(error.kind()), "{error:?}");
    println!("{error}");
}

fn timed_out(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut { .. })
}

fn killed(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Signaled { signal: libc::SIGKILL, .. })
}

fn could_not_be_ended(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Signal(_))
}

/// Spawned calls, some of which run already when the rights go.
fn spawned(how: &str) {
    eventually("there is a zygote", || {
        user.spawn().join().unwrap();
        let pool = Pool::with_workers(1).unwrap();
        (pool.stats().forked == 1).then_some(())
    });
    let late = hangs.timeout(Duration::from_secs(1)).spawn("late");
    let tried_again = hangs.timeout(Duration::from_secs(1)).retries(1).spawn("tried again");
    let (asked, hit) = (hangs.spawn("asked"), hangs.spawn("hit"));
    let stopped = is_stopped.timeout(Duration::from_secs(1)).retries(3).spawn("stopped");
    for name in ["late", "tried again", "asked", "hit", "stopped"] {
        wait_for_note(name);
    }
    give_up(how);

    let expected = user();
    for _ in 0..8 {
        assert_eq!(soon(user.spawn()).unwrap(), expected);
    }
    fails(hangs.timeout(SHORT).spawn("short"), timed_out);
    fails(late, timed_out);
    fails(tried_again, timed_out);
    assert_eq!(noted("tried again").len(), 2);
    // What cannot be sent is told, and changes nothing.
    let error = asked.terminate().unwrap_err();
    assert!(could_not_be_ended(error.kind()), "{error:?}");
    println!("{error}");
    assert!(!asked.is_finished());
    asked.kill().unwrap();
    fails(asked, killed);
    hit.kill().unwrap();
    fails(hit, killed);
    // The one that does not hear that it is to leave: given up, and not tried again beside itself.
    let pid = noted("stopped")[0];
    fails(stopped, could_not_be_ended);
    assert_eq!((noted("stopped").len(), runs(pid)), (1, true));

    let killed_anew = hangs.spawn("anew");
    wait_for_note("anew");
    killed_anew.kill().unwrap();
    fails(killed_anew, killed);
    killed_after_its_end();
    // Only the stopped one is left of those that were there before; nothing lies about unreaped.
    eventually("what was started before is gone", || {
        let others = children().into_iter().filter(|child| *child != pid);
        let mut of_before = others.filter(|child| how == "user" && owner(*child) != Some(expected));
        of_before.next().is_none().then_some(())
    });
    eventually("nothing lies about unreaped", || children().into_iter().all(runs).then_some(()));
}

fn killed_after_its_end() {
    let call = user.spawn();
    eventually("it has finished", || call.is_finished().then_some(()));
    call.kill().unwrap();
    call.terminate().unwrap();
    soon(call).unwrap();
}

/// Pools that were made before the rights went.
fn pooled(how: &str) {
    let pool = Pool::with_workers(4).unwrap();
    let before = pool.pids();
    assert_eq!(user.on(&pool).submit().join().unwrap(), user());
    let late = hangs.on(&pool).timeout(Duration::from_secs(1)).submit("late");
    let stopped = is_stopped.on(&pool).timeout(Duration::from_secs(1)).retries(3).submit("stopped");
    for name in ["late", "stopped"] {
        wait_for_note(name);
    }
    let busy = waits_for.on(&pool).submit("busy", "go on");
    wait_for_note("busy");
    let (one, two) = (Pool::with_workers(1).unwrap(), Pool::with_workers(2).unwrap());
    let hanging = hangs.on(&one).submit("hanging");
    let asked = hangs.on(&two).submit("asked");
    let lone = Pool::with_workers(1).unwrap();
    // After a quick call a worker gets the next one ahead.
    assert_eq!(user.on(&lone).submit().join().unwrap(), user());
    let in_front = waits_for.on(&lone).submit("in front", "go on");
    wait_for_note("in front");
    let behind = user.on(&lone).submit();
    let idle = Pool::with_workers(2).unwrap();
    user.on(&idle).par_map([(); 2]).unwrap();
    let recycled = Pool::builder().workers(1).tasks_per_worker(1).build().unwrap();
    assert_eq!(user.on(&recycled).submit().join().unwrap(), user());
    for name in ["hanging", "asked"] {
        wait_for_note(name);
    }
    let (former, lost) = (user(), noted("stopped")[0]);
    give_up(how);
    if how == "user" {
        eventually("those that have nothing are replaced, though nobody calls", || {
            // To look at the pool would be to call it.
            let idle_of_before = children().into_iter().filter(|child| owner(*child) == Some(former)).count();
            let busy = ["late", "stopped", "busy", "in front", "hanging", "asked"].len();
            (idle_of_before <= busy).then_some(())
        });
    }

    // Whoever is free is replaced first, and who is busy after what it runs.
    let expected = user();
    assert_eq!(soon(user.on(&pool).submit()).unwrap(), expected);
    assert_eq!(user.on(&pool).par_map(std::iter::repeat_n((), 200)).unwrap(), [expected; 200]);
    note("go on");
    assert_eq!(soon(busy).unwrap(), former);
    assert_eq!(soon(in_front).unwrap(), former);
    assert_eq!(soon(behind).unwrap(), expected, "what lay behind it ran elsewhere");
    fails(late, timed_out);
    fails(stopped, could_not_be_ended);
    assert_eq!((noted("stopped").len(), runs(lost)), (1, true));
    let users = user.on(&pool).par_map_reduce(std::iter::repeat_n((), 20), &merges).unwrap();
    assert_eq!(users, Some(expected.wrapping_mul(20)));
    if how == "user" {
        eventually("all are replaced", || {
            let pids = pool.pids();
            (pids.len() == 4 && pids.iter().all(|pid| owner(*pid) == Some(expected) && !before.contains(pid)))
                .then_some(())
        });
    }
    assert_eq!(pool.pids().len(), 4, "the place of the stopped one is filled");
    fails(hangs.on(&pool).timeout(SHORT).submit("short"), timed_out);
    assert_eq!(soon(user.on(&recycled).submit()).unwrap(), expected);
    assert_eq!(soon(user.on(&recycled).submit()).unwrap(), expected);

    let error = asked.terminate().unwrap_err();
    assert!(could_not_be_ended(error.kind()), "{error:?}");
    assert!(!asked.is_finished());
    asked.kill().unwrap();
    fails(asked, killed);
    assert_eq!(soon(user.on(&two).submit()).unwrap(), expected);
    let since = Instant::now();
    one.terminate();
    fails(hanging, |kind| matches!(kind, ErrorKind::Terminated));
    for pool in [pool, two, recycled, lone, idle] {
        pool.join().unwrap();
    }
    assert!(since.elapsed() < SOON);
    eventually("only the stopped one is left", || {
        let mut others = children().into_iter().filter(|child| *child != lost);
        others.all(|child| runs(child) && is_zygote(child)).then_some(())
    });
}

fn is_zygote(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "zygote")
}

/// A program that puts its rights aside and takes them back, again and again, while another thread calls all the time.
fn changing() {
    let pool = Pool::with_workers(2).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            while !stop.load(Relaxed) {
                assert!([0, NOBODY].contains(&soon(user.on(&pool).submit()).unwrap()));
            }
        });
        // However this ends, so do the calls.
        let _stops = Stops(&stop);
        for round in 0..20 {
            for user_now in [NOBODY, 0] {
                // SAFETY: a plain system call, which the C library makes on every thread.
                assert_eq!(unsafe { libc::seteuid(user_now) }, 0);
                assert_eq!(soon(user.on(&pool).submit()).unwrap(), user_now, "round {round}");
            }
        }
        stop.store(true, Relaxed);
        calls.join().unwrap();
    });
    pool.join().unwrap();
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Whatever call a sandbox refuses, nothing waits for ever.
fn refused(number: &str, errno: &str) {
    refuse(&[number.parse().unwrap()], errno.parse().unwrap());
    for _ in 0..4 {
        let _ = soon(user.spawn());
    }
    let _ = soon(user.submit());
    let _ = soon(hangs.timeout(SHORT).spawn("late"));
    let _ = soon(hangs.timeout(SHORT).submit("late"));
    let hit = hangs.submit("hit");
    eventually("it runs, or nothing does", || (hit.pid().is_some() || hit.is_finished()).then_some(()));
    hit.kill().unwrap();
    let _ = soon(hit);
    if let Ok(pool) = Pool::with_workers(2) {
        let _ = user.on(&pool).par_map([(); 10]);
        let _ = pool.join();
    }
}

fn main() {
    // What it notes as one user it adds to as another.
    // SAFETY: a plain system call.
    unsafe { libc::umask(0) };
    let arguments: Vec<String> = std::env::args().collect();
    match (arguments[1].as_str(), arguments[2].as_str()) {
        ("refused", number) => refused(number, &arguments[3]),
        ("user", "changing") => changing(),
        (how, "spawned") => spawned(how),
        (how, "pooled") => pooled(how),
        other => panic!("what is {other:?}?"),
    }
}
