//! A worker has no controlling terminal.
//!
//! A worker leads a group of its own, never the one in the foreground. With a terminal, the kernel would stop it at the
//! first `read` of `/dev/tty`, at `tcsetattr`, and at each line printed under `stty tostop`, and its parent would not hear
//! of that. Without one, `/dev/tty` is an error at once (ENXIO), and an inherited descriptor, such as stdout, is an open
//! file like any other.

use std::ffi::{CStr, c_int};
use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

const TERMINAL: &CStr = c"/dev/tty";

/// Takes the controlling terminal from this process, a fresh child that leads no session, and closes its stdin. The parent
/// keeps its terminal. What this process starts has none either, and none of them gets one by opening a terminal.
///
/// # Safety
///
/// Only where no other thread uses this process's descriptors. It makes a few system calls, good between clone and exec.
pub(super) unsafe fn leave() {
    // This frees a descriptor below any limit for the `open`. (rustix takes for granted that stdin is open.)
    // SAFETY: the caller's promise.
    unsafe { libc::close(0) };
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(TERMINAL, flags, Mode::empty()) {
        Ok(terminal) => give_up(terminal.as_raw_fd()),
        Err(Errno::NXIO) => {}
        // It cannot be opened by name, as after chroot, or under TIOCEXCL (ioctl_tty(2)): only stdout and stderr can lead
        // to it.
        Err(_) => (1..=2).for_each(give_up),
    }
}

/// Does nothing to what is not this process's controlling terminal.
fn give_up(terminal: c_int) {
    // SAFETY: a plain system call; the request takes no argument.
    unsafe { libc::ioctl(terminal, libc::TIOCNOTTY) };
}
