//! All tests of a program once more, where there is little: 256 descriptors, and no `/dev/shm`.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The usual `ulimit -n 256`.
const DESCRIPTORS: u64 = 256;

/// Runs all tests of this program again, `this` one and those of `others` aside, with 256 descriptors and where `/dev/shm`
/// takes no file.
///
/// Where the kernel grants no file systems of one's own, `/dev/shm` stays as it is, and a line on stderr says so.
pub(crate) fn pass_again(this: &str, others: &[&str]) {
    let run = |without_shm: bool| {
        let mut command = Command::new(env::current_exe().unwrap());
        // Two at a time, as many cores as there may be: each test needs some descriptors.
        command.args(["--test-threads=2", "--skip", this]).args(others.iter().flat_map(|other| ["--skip", other]));
        let prepare = move || {
            if without_shm {
                hide_shm()?;
            }
            limit_descriptors()
        };
        // SAFETY: `prepare` makes system calls and nothing else: it takes no lock and no memory.
        unsafe { command.pre_exec(prepare) };
        command.output()
    };
    let output = run(true).or_else(|error| {
        // What is refused to whoever may not, or by a kernel that was built or set up without it.
        let refused = [libc::EPERM, libc::EACCES, libc::EINVAL, libc::ENOSYS, libc::ENOSPC, libc::EUSERS];
        assert!(error.raw_os_error().is_some_and(|code| refused.contains(&code)), "{error}");
        // Past the test harness, which keeps what a test prints to itself.
        let _ = writeln!(io::stderr(), "{this}: with /dev/shm, which cannot be hidden here: {error}");
        run(false)
    });
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}, with {DESCRIPTORS} descriptors and without /dev/shm:\n{said}", output.status);
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn limit_descriptors() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: DESCRIPTORS, rlim_max: DESCRIPTORS };
    // SAFETY: `limit` is filled.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
}

/// Puts an empty file system that cannot be written in the place of `/dev/shm`, for this process and its children.
fn hide_shm() -> io::Result<()> {
    // SAFETY: a plain system call, in a process of one thread.
    let own = done(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    // Who is not root is so in a user namespace.
    // SAFETY: as above.
    own.or_else(|_| done(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) }))?;
    let (none, shm) = (std::ptr::null(), c"/dev/shm".as_ptr());
    // SAFETY: the texts end with zero bytes; where there may be none, null is allowed.
    done(unsafe { libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) })?;
    // SAFETY: as above.
    let hidden = done(unsafe { libc::mount(c"none".as_ptr(), shm, c"tmpfs".as_ptr(), libc::MS_RDONLY, none.cast()) });
    match hidden {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()), // there is none
        hidden => hidden?,
    }
    // SAFETY: the text ends with a zero byte.
    let file = unsafe { libc::open(c"/dev/shm/parallel".as_ptr(), libc::O_CREAT | libc::O_WRONLY, 0o600) };
    // Seen by the test as an error that nothing above can give.
    if file == -1 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EEXIST)) }
}
