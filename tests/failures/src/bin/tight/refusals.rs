//! A sandbox that refuses one system call, and a system without `/proc`.

use parallel::prelude::*;

#[parallel]
fn square(x: i32) -> i32 {
    x * x
}

#[parallel]
fn count(total: Value<u64>, queue: Queue<String>) {
    total.update(|total| *total += 1).unwrap();
    queue.send("counted".to_string()).unwrap();
}

fn number_of(name: &str) -> libc::c_long {
    match name {
        "clone" => libc::SYS_clone,
        "close_range" => libc::SYS_close_range,
        "epoll_create1" => libc::SYS_epoll_create1,
        "epoll_ctl" => libc::SYS_epoll_ctl,
        "epoll_wait" => libc::SYS_epoll_pwait,
        "eventfd2" => libc::SYS_eventfd2,
        "execve" => libc::SYS_execve,
        "fcntl" => libc::SYS_fcntl,
        "ftruncate" => libc::SYS_ftruncate,
        "getppid" => libc::SYS_getppid,
        "memfd_create" => libc::SYS_memfd_create,
        "pidfd_open" => libc::SYS_pidfd_open,
        "prlimit64" => libc::SYS_prlimit64,
        "sendmsg" => libc::SYS_sendmsg,
        "socketpair" => libc::SYS_socketpair,
        "waitid" => libc::SYS_waitid,
        other => panic!("there is no call {other}"),
    }
}

/// Makes calls where the system refuses one of its own with this number: each gives its value, or an error that names the
/// refused one.
pub(crate) fn refusal(name: &str, errno: u32) {
    refuse(u32::try_from(number_of(name)).unwrap(), errno);
    let shared = || -> parallel::Result<u64> {
        let (total, queue) = (Value::new(0_u64)?, Queue::new()?);
        count.spawn(total.clone(), queue.clone()).join()?;
        queue.recv()?;
        total.get()
    };
    let pool = || -> parallel::Result<usize> {
        let pool = Pool::with_workers(1)?;
        let len = square.on(&pool).par_map(0..100)?.len();
        pool.join().map(|()| len)
    };
    let outcomes = [
        ("spawn", square.spawn(3).join().map(|nine| nine == 9)),
        ("map", square.par_map(0..100).map(|all| all.len() == 100)),
        ("shared", shared().map(|counted| counted == 1)),
        ("pool", pool().map(|len| len == 100)),
    ];
    let mut refused = 0;
    for (what, outcome) in outcomes {
        match outcome {
            Ok(is_right) => assert!(is_right, "{what}"),
            Err(error) => {
                println!("{what}: {error}");
                refused += 1;
                assert!(error.to_string().contains(&format!("{name}: ")), "{what}: {error}");
                assert!(!matches!(error.kind(), ErrorKind::Exited { .. }), "{error}");
            }
        }
    }
    // What nothing depends on is done without.
    assert_eq!(refused == 0, matches!(name, "pidfd_open" | "prlimit64"), "{name}");
}

fn refuse(number: u32, errno: u32) {
    let code = |code: u32, value: u32, jump: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: jump,
        k: value,
    };
    let mut filter = [
        code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 1),
        code(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno, 0),
        code(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program points to the filter, which the kernel copies.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }, 0);
}

/// Makes calls where `/proc` is not mounted.
pub(crate) fn unmounted() {
    // SAFETY: a plain system call, before the second thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return crate::not_run("to take /proc away needs root");
    }
    let none = std::ptr::null::<libc::c_char>();
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: strings that end in a zero byte; nothing else is read for such a change.
    assert_eq!(unsafe { libc::mount(none, c"/".as_ptr(), none, flags, none.cast()) }, 0);
    // SAFETY: a string that ends in a zero byte.
    assert_eq!(unsafe { libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) }, 0);
    for outcome in [square.spawn(3).join().map(|_| ()), square.par_map(0..10).map(|_| ())] {
        let error = outcome.unwrap_err();
        println!("{error}");
        assert!(error.to_string().contains("/proc is not mounted"), "{error}");
    }
}
