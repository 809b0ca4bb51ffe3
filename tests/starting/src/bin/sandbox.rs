//! Has a thread confine itself in the way that the first argument names, and call in every way: what it calls must be at
//! least as confined. The second argument is a folder.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use parallel::prelude::*;
use parallel_starting::{eventually, execution, in_time, signal_process, zygotes};

/// What a thread finds that it is, and what it is refused.
type Found = BTreeMap<String, String>;

#[parallel]
fn look(folder: &str) -> Found {
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux");
    let line = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        (name.to_string(), value.unwrap_or_default().trim().to_string())
    };
    let lines = ["CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp_filters", "Uid", "Gid", "Groups"];
    let namespaces = ["mnt", "net", "uts", "ipc", "cgroup"].map(|name| {
        let link = fs::read_link(format!("/proc/thread-self/ns/{name}")).expect("Linux");
        (name.to_string(), link.display().to_string())
    });
    // SAFETY: plain system calls.
    let (nice, policy) = unsafe { (libc::getpriority(libc::PRIO_PROCESS, 0), libc::sched_getscheduler(0)) };
    let said = |result: io::Result<()>| result.map_or_else(|error| error.to_string(), |()| "done".to_string());
    let made = Path::new(folder).join(format!("made-by-{}", std::process::id()));
    let written = said(fs::write(&made, "").and_then(|()| fs::remove_file(&made)));
    let folder = said(fs::create_dir(&made).and_then(|()| fs::remove_dir(&made)));
    // SAFETY: a plain system call.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) };
    let socket = said(done(socket.min(0)));
    lines
        .map(line)
        .into_iter()
        .chain(namespaces)
        .chain(
            [("nice", nice.to_string()), ("policy", policy.to_string())].map(|(name, text)| (name.to_string(), text)),
        )
        .chain([("write", written), ("mkdir", folder), ("socket", socket)].map(|(name, text)| (name.to_string(), text)))
        .collect()
}

/// What keeps what is found from being as confined as `caller`.
fn excess(found: &Found, caller: &Found) -> Vec<String> {
    let is_within = |name: &str, found: &str, caller: &str| match name {
        "CapInh" | "CapPrm" | "CapEff" | "CapBnd" => {
            let set = |text: &str| u64::from_str_radix(text, 16).expect("a set");
            set(found) & !set(caller) == 0
        }
        "NoNewPrivs" | "Seccomp_filters" => {
            let number = |text: &str| text.parse::<u32>().expect("a number");
            number(found) >= number(caller)
        }
        _ => found == caller,
    };
    let beyond = |(name, text): (&String, &String)| {
        let caller = &caller[name];
        (!is_within(name, text, caller)).then(|| format!("{name}: {text}, and the caller {caller}"))
    };
    found.iter().filter_map(beyond).collect()
}

#[parallel]
fn look_nested(folder: &str, depth: u32) -> Found {
    if depth == 0 {
        return look(folder);
    }
    look_nested.spawn(folder, depth - 1).join().unwrap_or_else(|error| panic!("at {depth}: {error}"))
}

#[parallel]
fn look_at_second_try(folder: &str, tries: Value<u32>) -> Found {
    let first = tries.update(|tries| {
        *tries += 1;
        *tries == 1
    });
    if first.expect("it works") {
        signal_process(std::process::id(), libc::SIGKILL);
    }
    look(folder)
}

#[parallel]
fn look_when_told(folder: &str, begun: Event, go_on: Event) -> Found {
    begun.set();
    go_on.wait();
    look(folder)
}

#[parallel]
fn which_execution() -> [u8; 16] {
    execution()
}

#[parallel]
fn hang() {
    loop {
        thread::park();
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const REFUSE: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Lets the system refuse these calls to the calling thread.
fn refuse(calls: &[libc::c_long]) {
    let statement =
        |code: u32, value: u32, skip: u8| libc::sock_filter { code: code as u16, jt: 0, jf: skip, k: value };
    // The number of the call comes first in what a filter sees.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for &call in calls {
        filter.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 1));
        filter.push(statement(libc::BPF_RET | libc::BPF_K, REFUSE | libc::EPERM as u32, 0));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, ALLOW, 0));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: a plain system call.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).expect("anybody may");
    // SAFETY: the program and what it points to are alive.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program) }).expect("a good filter");
}

/// Keeps the calling thread from writing. Where the kernel has no Landlock, says so.
fn landlock() -> bool {
    const WRITE_FILE: u64 = 1 << 1;
    const REMOVE_AND_MAKE: u64 = 0b1_1111_1111 << 4;
    let (create, restrict) = (444, 446);
    let handled = WRITE_FILE | REMOVE_AND_MAKE;
    // SAFETY: the attribute is one word long.
    let rules = unsafe { libc::syscall(create, &raw const handled, size_of::<u64>(), 0) };
    if rules < 0 {
        eprintln!("without Landlock: {}", io::Error::last_os_error());
        return false;
    }
    // SAFETY: a plain system call.
    done(unsafe { libc::syscall(restrict, rules, 0) } as libc::c_int).expect("root may");
    // SAFETY: a descriptor that nobody else knows.
    unsafe { libc::close(rules as libc::c_int) };
    true
}

const SETPCAP: u32 = 8;
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
const MKNOD: u32 = 27;

/// Takes capabilities from the calling thread, and no other.
fn give_up(capabilities: &[u32], for_good: bool) {
    let head = [0x2008_0522_u32, 0];
    // Effective, permitted and inheritable, first the lower halves and then the upper.
    let mut sets = [0_u32; 6];
    // SAFETY: a version, this thread, and room for both halves of the three sets.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const head, &raw mut sets) } as libc::c_int)
        .expect("anybody may");
    for &capability in capabilities {
        sets[0] &= !(1 << capability);
        if for_good {
            sets[1] &= !(1 << capability);
        }
    }
    // SAFETY: as above.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const head, &raw const sets) } as libc::c_int)
        .expect("anybody may");
}

/// Confines the calling thread; false where this system cannot.
fn confine(way: &str) -> bool {
    match way {
        "seccomp" => refuse(&[libc::SYS_mkdir, libc::SYS_mkdirat, libc::SYS_socket]),
        "landlock" => return landlock(),
        // SAFETY: a plain system call.
        "no_new_privs" => done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).expect("anybody may"),
        "mounts" | "network" | "names" | "messages" => {
            let kind = match way {
                "mounts" => libc::CLONE_NEWNS,
                "network" => libc::CLONE_NEWNET,
                "names" => libc::CLONE_NEWUTS,
                _ => libc::CLONE_NEWIPC,
            };
            // SAFETY: a plain system call.
            done(unsafe { libc::unshare(kind) }).expect("root may");
        }
        "capabilities" => give_up(&[SETPCAP, NET_ADMIN, SYS_ADMIN, MKNOD], true),
        "effective" => give_up(&[NET_ADMIN, MKNOD], false),
        // SAFETY: a plain system call.
        "bounding" => done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, MKNOD, 0, 0, 0) }).expect("root may"),
        // SAFETY: a plain system call, which is for this thread only, unlike the C library's function.
        "user" => done(unsafe { libc::syscall(libc::SYS_setresuid, 7, 7, 7) } as libc::c_int).expect("root may"),
        // SAFETY: a plain system call.
        "nice" => done(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) }).expect("anybody may"),
        "batch" => {
            let parameters = libc::sched_param { sched_priority: 0 };
            // SAFETY: the parameters are filled.
            done(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) })
                .expect("anybody may");
        }
        other => panic!("what is {other}?"),
    }
    true
}

/// Runs `body` on a thread of its own that has confined itself.
fn confined<T: Send + 'static>(way: &str, body: impl FnOnce() -> T + Send + 'static) -> T {
    let way = way.to_string();
    in_time(move || {
        confine(&way);
        body()
    })
}

/// Starts processes until they are forked.
fn warm() {
    let one = || which_execution.spawn().join().expect("it works");
    eventually("workers are forked", || one() == one());
    assert_eq!(zygotes(std::process::id()).len(), 1);
}

/// The main thread is what it was, and its processes are forked.
fn nothing_has_changed(folder: &str, before: &Found) {
    assert_eq!(look(folder), *before);
    assert_eq!(look.spawn(folder).join().expect("it works"), *before);
    warm();
}

fn assert_confined(call: &str, outcome: parallel::Result<Found>, caller: &Found) {
    let found = outcome.unwrap_or_else(|error| panic!("{call}: {error}"));
    assert_eq!(excess(&found, caller), [""; 0], "{call}");
}

/// All that a confined thread may call is as confined as the thread.
fn calls(way: &'static str, folder: &'static str) {
    let before = look(folder);
    warm();
    let confined_look = confined(way, move || {
        let own = look(folder);
        assert_confined("spawn", look.spawn(folder).join(), &own);
        assert_confined("spawn once more", look.spawn(folder).join(), &own);
        assert_confined("nested", look_nested.spawn(folder, 2).join(), &own);
        let tries = Value::new(0).expect("memory");
        assert_confined("retried", look_at_second_try.retries(1).spawn(folder, tries).join(), &own);
        own
    });
    // It is not mistaken for a confined one where the system cannot confine it so.
    assert_ne!(confined_look, before, "{way}");
    nothing_has_changed(folder, &before);
    pools(way, folder);
    nothing_has_changed(folder, &before);
    waits_for_its_turn(way, folder);
}

/// Pools belong to the thread that made them, also when it has ended.
fn pools(way: &'static str, folder: &'static str) {
    let (pool, own) = confined(way, move || (Pool::with_workers(2).expect("a pool"), look(folder)));
    let look_everywhere = |what: &str, pool: &Pool, own: &Found| {
        for found in look.on(pool).chunk_size(1).par_map_results([folder; 8]) {
            assert_confined(what, found, own);
        }
    };
    look_everywhere("a pool", &pool, &own);
    let pids = pool.pids();
    for pid in &pids {
        signal_process(*pid, libc::SIGKILL);
    }
    eventually("they are replaced", || {
        let now = pool.pids();
        now.len() == pids.len() && !now.iter().any(|pid| pids.contains(pid))
    });
    look_everywhere("replaced workers", &pool, &own);
    let (global, own) = confined(way, move || (Pool::global().expect("a pool"), look(folder)));
    look_everywhere("the global pool", global, &own);
}

/// A call that waits for its turn is confined as its caller was, though that has ended.
fn waits_for_its_turn(way: &'static str, folder: &'static str) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills `limit`.
    done(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }).expect("it is told");
    // Four for each process, half of which are left to the program.
    let few = libc::rlimit { rlim_cur: 4 * 18, ..limit };
    // SAFETY: `few` is filled.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }).expect("anybody may");
    let (begun, go_on) = (Event::new().expect("memory"), Event::new().expect("memory"));
    let before: Vec<_> = (0..18).map(|_| look_when_told.spawn(folder, begun.clone(), go_on.clone())).collect();
    begun.wait();
    let (waiting, own) = confined(way, move || (look.spawn(folder), look(folder)));
    assert!(waiting.is_queued() && waiting.pid().is_none(), "it waits");
    go_on.set();
    assert_confined("queued", waiting.join(), &own);
    for call in before {
        call.join().expect("it works");
    }
    // SAFETY: `limit` is filled.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).expect("anybody may");
}

/// What a thread has called goes on when the thread has ended.
fn outlives_its_caller(way: &'static str, folder: &'static str) {
    warm();
    let (begun, go_on) = (Event::new().expect("memory"), Event::new().expect("memory"));
    let call = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        let (tell, told) = mpsc::channel();
        let caller = thread::spawn(move || {
            confine(way);
            // SAFETY: a plain system call.
            let _ = tell.send(unsafe { libc::gettid() });
            // It ends at once, before the process can have begun.
            look_when_told.spawn(folder, begun, go_on)
        });
        let thread = told.recv().expect("it tells");
        let call = caller.join().expect("no panic");
        eventually("the thread is gone", || !Path::new(&format!("/proc/self/task/{thread}")).exists());
        call
    };
    begun.wait();
    go_on.set();
    call.join().expect("it goes on");
    // What was there for it only goes with it.
    let left = || {
        let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.map(name).filter(|name| name.trim_end() == "parallel-deputy").count()
    };
    eventually("no thread is left", || left() == 0);
}

/// Has calls on their way when somebody ends the program.
fn has_calls_on_their_way(way: &'static str) {
    warm();
    let calls = confined(way, || (0..8).map(|_| hang.spawn()).collect::<Vec<_>>());
    println!("on their way");
    parallel_starting::hear();
    std::mem::forget(calls);
}

/// The first call of all comes from a confined thread.
fn is_first(folder: &'static str) {
    let before = look(folder);
    let first = confined("seccomp", move || {
        let own = look(folder);
        assert_confined("first", look.spawn(folder).join(), &own);
        own
    });
    assert_ne!(first, before);
    // Whom nothing confines is not confined by that.
    assert_eq!(look.spawn(folder).join().expect("it works"), before);
    // As many filters, and others.
    let other = in_time(move || {
        refuse(&[libc::SYS_mknod, libc::SYS_mknodat]);
        let own = look(folder);
        for _ in 0..6 {
            let found = tells_of_pipes.spawn(folder).join().expect("it works");
            assert_eq!(found, "refused", "as the caller's filter says");
        }
        own
    });
    assert_eq!(other["Seccomp_filters"], first["Seccomp_filters"]);
    assert_eq!(other["mkdir"], "done");
}

/// Whether a named pipe can be made.
#[parallel]
fn tells_of_pipes(folder: &str) -> String {
    let path = Path::new(folder).join(format!("pipe-{}", std::process::id()));
    let made = Command::new("mkfifo").arg(&path).stderr(std::process::Stdio::null()).status().expect("mkfifo");
    let _ = fs::remove_file(&path);
    if made.success() { "made" } else { "refused" }.to_string()
}

/// Where a confined thread cannot start a process, its calls fail and say why.
fn cannot_start() {
    warm();
    for (calls, step) in
        [(&[libc::SYS_clone, libc::SYS_clone3][..], "thread"), (&[libc::SYS_execve][..], "Operation not permitted")]
    {
        let error = in_time(move || {
            refuse(calls);
            hang.spawn().join().expect_err("it cannot start")
        });
        let text = error.to_string();
        assert!(matches!(error.kind(), ErrorKind::Start(_)), "{text}");
        assert!(text.contains("seccomp filters") && text.contains(step), "{text}");
        let error = in_time(move || {
            refuse(calls);
            Pool::with_workers(1).expect_err("it cannot start")
        });
        let text = error.to_string();
        assert!(text.contains("seccomp filters") && text.contains(step), "{text}");
    }
    warm();
}

/// A thread that takes rights back after a call has not given them to the call.
fn takes_rights_back(folder: &'static str) {
    let (begun, go_on) = (Event::new().expect("memory"), Event::new().expect("memory"));
    // Four for each process, half of which are left to the program.
    let most = libc::rlimit { rlim_cur: 4 * 12, rlim_max: 4096 };
    // SAFETY: `most` is filled.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const most) }).expect("anybody may");
    let before: Vec<_> = (0..12).map(|_| look_when_told.spawn(folder, begun.clone(), go_on.clone())).collect();
    begun.wait();
    // SAFETY: plain system calls of the C library, for all threads.
    done(unsafe { libc::seteuid(7) }).expect("root may");
    let call = look.spawn(folder);
    // SAFETY: as above.
    done(unsafe { libc::seteuid(0) }).expect("it was root");
    go_on.set();
    let error = call.join().expect_err("it must not run as root");
    let text = error.to_string();
    assert!(matches!(error.kind(), ErrorKind::Start(_)) && text.contains("taken that back"), "{text}");
    for call in before {
        call.join().expect("it works");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let word = |at: usize| -> &'static str { arguments.get(at).cloned().unwrap_or_default().leak() };
    let (what, way, folder) = (word(1), word(2), word(3));
    if way == "landlock" && !thread::spawn(landlock).join().expect("no panic") {
        return println!("done");
    }
    match what {
        "calls" => calls(way, folder),
        "outlives" => outlives_its_caller(way, folder),
        "orphans" => has_calls_on_their_way(way),
        "first" => is_first(folder),
        "cannot" => cannot_start(),
        "back" => takes_rights_back(folder),
        other => panic!("what is {other}?"),
    }
    println!("done");
}
