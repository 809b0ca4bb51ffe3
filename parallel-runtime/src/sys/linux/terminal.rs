//! A worker has no controlling terminal.
//!
//! It leads a group of its own, which is never the one in the foreground: with a terminal, the kernel would stop it at the
//! first `read` of `/dev/tty`, at `tcsetattr`, and at each line that it prints under `stty tostop`, and nobody would hear of
//! that. Without one, `/dev/tty` is an error at once (ENXIO), and what is inherited, such as stdout, is an open file as any.

use std::ffi::{CStr, c_int};
use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

const TERMINAL: &CStr = c"/dev/tty";

/// Takes its controlling terminal from this process, a fresh child that leads no session; it closes its stdin. Its parent keeps
/// its own. What the process starts has none either, and none of them gets one by opening a terminal.
///
/// # Safety
///
/// Only where nobody else uses this process's descriptors. It makes a few system calls, good between clone and exec.
pub(super) unsafe fn leave() {
    // It frees a number that is below any limit. (rustix takes for granted that it is open.)
    // SAFETY: the caller's promise.
    unsafe { libc::close(0) };
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(TERMINAL, flags, Mode::empty()) {
        Ok(terminal) => give_up(terminal.as_raw_fd()),
        Err(Errno::NXIO) => {}
        // It cannot be opened, as in a folder made root, or where somebody has it to himself; then it can only be met here.
        Err(_) => (1..=2).for_each(give_up),
    }
}

/// Does nothing to what is not this process's controlling terminal.
fn give_up(terminal: c_int) {
    // SAFETY: a plain system call; the request takes no argument.
    unsafe { libc::ioctl(terminal, libc::TIOCNOTTY) };
}
