//! Forking a process of one thread, which is no worker itself, into children of its parent.
//!
//! The fork is a plain `clone(CLONE_PARENT)`, which the C library does not offer. What its own `fork` does around the
//! system call is done here as far as a process of one thread needs it: the thread's number is written where the library
//! keeps it, and its list of robust locks is registered anew. Locks are open, because there is no other thread that could
//! hold them. Handlers of `pthread_atfork` are not run.

use std::ffi::{c_int, c_long, c_void};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Instant;

use super::process::Started;
use crate::tuning::{BETWEEN_LOOKS, SYSTEM_PATIENCE};

/// What a fork must know of the one thread of this process.
pub(crate) struct Original {
    /// Where the C library keeps the thread's number.
    number: *mut c_int,
    robust_list: *mut c_void,
    robust_len: usize,
    parent: libc::pid_t,
}

/// Which process returns from a fork.
pub(crate) enum Forked {
    /// This process, with its new sibling.
    Original(Started),
    Copy,
}

impl Original {
    /// Looks whether this process can be forked, and readies it for that. `channel` leads to its parent.
    ///
    /// # Errors
    ///
    /// Why its copies would not be what a fresh process is: it has threads, descriptors or shared memory of its own
    /// making, or the system does not tell what a fork needs.
    pub(crate) fn new(channel: BorrowedFd<'_>) -> Result<Self, String> {
        check_alone(channel.as_raw_fd())?;
        let text = |what: &str| format!("{what}: {}", io::Error::last_os_error());
        let mut number: *mut c_int = ptr::null_mut();
        // SAFETY: the kernel writes one address into the local.
        if unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut number) } != 0 || number.is_null() {
            return Err(text("the thread's number cannot be found"));
        }
        // SAFETY: the address was given to the kernel by the C library, which keeps an aligned number there.
        let known = unsafe { number.read() };
        if known != super::process::thread_number() {
            return Err("the thread's number is not where it should be".to_string());
        }
        let mut robust_list: *mut c_void = ptr::null_mut();
        let mut robust_len = 0_usize;
        // SAFETY: the kernel writes an address and a length into the locals.
        let answer = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut robust_list, &raw mut robust_len) };
        if answer != 0 {
            return Err(text("the list of robust locks cannot be found"));
        }
        Ok(Self { number, robust_list, robust_len, parent: super::process::parent_number() })
    }

    /// Makes a copy of this process: a child of this process's parent, in this process's group.
    pub(crate) fn fork(&self) -> io::Result<Forked> {
        let mut pidfd: RawFd = -1;
        match self.clone(&mut pidfd) {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                self.settle();
                Ok(Forked::Copy)
            }
            pid => {
                // SAFETY: clone succeeded with CLONE_PIDFD, so it has just opened this descriptor, which has no other
                // owner.
                let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
                Ok(Forked::Original(Started { pid: u32::try_from(pid).map_err(io::Error::other)?, pidfd }))
            }
        }
    }

    fn clone(&self, pidfd: &mut RawFd) -> c_long {
        // The copy's end sends its parent the same signal as the end of this process: SIGCHLD.
        let flags = libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
        let flags = c_long::from(flags | libc::SIGCHLD);
        let (stack, tls) = (0_usize, 0_usize);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: without CLONE_VM the copy has memory of its own, and goes on here; `check_alone` saw that there is no
        // other thread whose locks it would lack. Both addresses are good for a number.
        return unsafe { libc::syscall(libc::SYS_clone, flags, stack, &raw mut *pidfd, self.number, tls) };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        return unsafe { libc::syscall(libc::SYS_clone, flags, stack, &raw mut *pidfd, tls, self.number) };
    }

    /// In the copy: registers the thread's robust locks, and has the kernel end the copy with its parent.
    fn settle(&self) {
        // SAFETY: the list that the C library had registered for this thread, at the same place in the copy.
        unsafe { libc::syscall(libc::SYS_set_robust_list, self.robust_list, self.robust_len) };
        self.follow_parent();
    }

    /// Has the kernel end this process with its parent, and ends it now if that parent is gone.
    pub(crate) fn follow_parent(&self) {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        if super::process::parent_number() != self.parent {
            leave();
        }
    }
}

/// Checks that this process has one thread, and no descriptors but the streams and `channel`, and no shared memory: what
/// a copy would share with its siblings.
fn check_alone(channel: RawFd) -> Result<(), String> {
    let list = |folder: &str| fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"));
    let deadline = Instant::now() + SYSTEM_PATIENCE;
    while list("/proc/self/task")?.count() != 1 {
        // A thread that has ended is still listed for a moment.
        if Instant::now() >= deadline {
            return Err("a constructor has started a thread".to_string());
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    let numbers = list("/proc/self/fd")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let unknown = numbers.filter(|&number: &RawFd| number > 2 && number != channel).count();
    // One is the listing itself.
    if unknown > 1 {
        return Err("a constructor has opened a descriptor".to_string());
    }
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
    let is_shared = |line: &str| line.split(' ').nth(1).is_some_and(|access| access.ends_with('s'));
    if maps.lines().any(is_shared) {
        return Err("a constructor has mapped shared memory".to_string());
    }
    Ok(())
}

/// Points stdout and stderr to where stdin leads, the device that swallows everything: this process is not to hold open
/// what its parent may close.
pub(crate) fn silence() {
    set_streams([std::io::stdin().as_fd(); 2]);
}

/// Gives this process its stdout and stderr.
pub(crate) fn set_streams([stdout, stderr]: [BorrowedFd<'_>; 2]) {
    let _ = rustix::stdio::dup2_stdout(stdout);
    let _ = rustix::stdio::dup2_stderr(stderr);
}

/// Ends this process without a word: no `atexit`, no buffers.
pub(crate) fn leave() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}
