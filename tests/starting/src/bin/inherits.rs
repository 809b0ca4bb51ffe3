//! Has a state of its own in all that a process hands on, and compares what its workers find.
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::Path;

use parallel::prelude::*;

type Report = BTreeMap<String, String>;

/// What a process finds around it.
#[parallel]
fn look() -> Report {
    let mut report = Report::new();
    let mut note = |key: &str, value: String| {
        report.insert(key.to_string(), value);
    };
    note("arguments", format!("{:?}", std::env::args_os().collect::<Vec<_>>()));
    note("folder", format!("{:?}", std::env::current_dir()));
    note("environment", format!("{:?}", std::env::vars_os().collect::<BTreeMap<_, _>>()));
    // SAFETY: plain system calls; the mask is put back at once.
    let umask = unsafe {
        let umask = libc::umask(0);
        libc::umask(umask);
        umask
    };
    note("umask", format!("{umask:o}"));
    for resource in [libc::RLIMIT_NOFILE, libc::RLIMIT_CORE, libc::RLIMIT_STACK, libc::RLIMIT_CPU] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: fills `limit`.
        unsafe { libc::getrlimit(resource, &raw mut limit) };
        note(&format!("limit {resource}"), format!("{} {}", limit.rlim_cur, limit.rlim_max));
    }
    for (fd, target) in parallel_starting::descriptors(std::process::id()) {
        note(&format!("descriptor {fd}"), target.to_string_lossy().into_owned());
    }
    for field in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        let set = parallel_starting::status(std::process::id(), field).unwrap_or_default();
        let set = u64::from_str_radix(&set, 16).expect("a set of signals");
        // 32 and 33 are the C library's own; it ignores or handles them as it starts processes and threads.
        note(field, (set & !(3 << 31)).to_string());
    }
    // SAFETY: plain system calls.
    let (group, session) = unsafe { (libc::getpgrp(), libc::getsid(0)) };
    note("group", group.to_string());
    note("session", session.to_string());
    note("pid", std::process::id().to_string());
    report
}

extern "C" fn handle(_: libc::c_int) {}

const HANDLED: libc::c_int = libc::SIGWINCH;
const IGNORED: [libc::c_int; 3] = [libc::SIGUSR2, libc::SIGHUP, libc::SIGTERM];
const BLOCKED: [libc::c_int; 4] = [libc::SIGUSR1, libc::SIGALRM, libc::SIGINT, libc::SIGCHLD];

fn prepare(folder: &Path) {
    std::env::set_current_dir(folder).expect("the folder is there");
    let file = CString::new(folder.join("open").into_os_string().into_encoded_bytes()).expect("no zero byte");
    let limit = libc::rlimit { rlim_cur: 300, rlim_max: 310 };
    let core = libc::rlimit { rlim_cur: 0, rlim_max: 4096 };
    // SAFETY: plain system calls with valid arguments, in a program of one thread; the handler does nothing.
    unsafe {
        libc::umask(0o027);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
        // Without O_CLOEXEC: a careless program.
        let fd = libc::open(file.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600);
        assert!(fd > 2 && libc::dup2(fd, 200) == 200 && libc::dup2(fd, 299) == 299);
        let mut ends = [0; 2];
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let handler: extern "C" fn(libc::c_int) = handle;
        libc::signal(HANDLED, handler as libc::sighandler_t);
        for signal in IGNORED {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut blocked = std::mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        for signal in BLOCKED {
            libc::sigaddset(&raw mut blocked, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const blocked, std::ptr::null_mut());
    }
}

fn is_equal(key: &str, here: &Report, there: &Report) {
    assert_eq!(here[key], there[key], "{key}");
}

fn compare(here: &Report, there: &Report) {
    for key in here.keys().filter(|key| key.starts_with("limit")) {
        is_equal(key, here, there);
    }
    for key in ["arguments", "folder", "umask", "session", "descriptor 1", "descriptor 2"] {
        is_equal(key, here, there);
    }
    assert_eq!(there["descriptor 0"], "/dev/null");
    let only = |signal: i32| 1_u64 << (signal - 1);
    let set = |key: &str| there[key].parse::<u64>().expect("a set of signals");
    assert_eq!(set("SigBlk"), 0);
    assert_eq!(set("SigIgn"), only(libc::SIGPIPE), "SIGPIPE is ignored as in any Rust program, and nothing else");
    assert_eq!(set("SigCgt"), only(libc::SIGCONT), "it may tell of the parent's death, and nothing else is handled");
    assert_eq!((set("SigPnd"), set("ShdPnd")), (0, 0));
    assert_eq!(there["group"], there["pid"], "a worker leads its own group");
    for (key, target) in there.iter().filter(|(key, _)| key.starts_with("descriptor")) {
        let number: u32 = key["descriptor ".len()..].parse().expect("a number");
        let own =
            target.contains("/proc/") || ["socket:", "anon_inode:[eventfd]"].iter().any(|own| target.starts_with(own));
        assert!(number < 3 || own, "inherited: {key} -> {target}");
    }
    let count = there.keys().filter(|key| key.starts_with("descriptor")).count();
    assert!(count <= 6, "the streams, the channel, the event and the listing itself: {there:#?}");
}

fn main() -> parallel::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder");
    prepare(Path::new(&folder));
    let here = look();
    assert!(here.contains_key("descriptor 200"));
    let mut there = look.spawn().join()?;
    compare(&here, &there);
    is_equal("environment", &here, &there);

    let pool = Pool::builder().workers(1).env("STARTING_EXTRA", "pool").build()?;
    there = look.on(&pool).submit().join()?;
    compare(&here, &there);
    let mut expected: BTreeMap<_, _> = std::env::vars_os().collect();
    expected.insert("STARTING_EXTRA".into(), "pool".into());
    assert_eq!(there["environment"], format!("{expected:?}"));

    // Put in place of the one there is; the last word counts.
    let task = look.env("STARTING_EXTRA", "one").env("STARTING_EXTRA", "two").env("PATH", "elsewhere");
    there = task.spawn().join()?;
    expected.insert("STARTING_EXTRA".into(), "two".into());
    expected.insert("PATH".into(), "elsewhere".into());
    assert_eq!(there["environment"], format!("{expected:?}"));
    assert!(!there["environment"].contains("PARALLEL_WORKER"));
    pool.join()?;

    // All of it once more in what the zygote forks.
    let mut forked = false;
    for _ in 0..1_000 {
        let pool = Pool::with_workers(1)?;
        there = look.on(&pool).submit().join()?;
        forked = pool.stats().forked == 1;
        if forked {
            break;
        }
    }
    assert!(forked);
    compare(&here, &there);
    is_equal("environment", &here, &there);
    there = look.spawn().join()?;
    compare(&here, &there);
    is_equal("environment", &here, &there);

    let after = look();
    // The signals of its children's ends are pending: it blocks them.
    for key in here.keys().filter(|key| !key.starts_with("descriptor") && !key.ends_with("Pnd")) {
        is_equal(key, &here, &after);
    }
    println!("done");
    Ok(())
}
