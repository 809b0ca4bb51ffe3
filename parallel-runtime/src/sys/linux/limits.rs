//! The limits of this process, and what is left within them.

use std::io;

use crate::tuning::{LEAST_STACK, QUEUE_SHARE};

/// A limit that a user sets with `ulimit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserLimit {
    /// `ulimit -v`, in bytes.
    AddressSpace,
    /// `ulimit -d`, in bytes.
    Data,
    /// `ulimit -f`, in bytes.
    FileSize,
    /// `ulimit -s`, in bytes.
    Stack,
}

/// The limit as it stands; `None` where there is none, or the system refuses to tell.
pub(crate) fn of(limit: UserLimit) -> Option<u64> {
    let resource = match limit {
        UserLimit::AddressSpace => libc::RLIMIT_AS,
        UserLimit::Data => libc::RLIMIT_DATA,
        UserLimit::FileSize => libc::RLIMIT_FSIZE,
        UserLimit::Stack => libc::RLIMIT_STACK,
    };
    raw(resource).map(|limits| limits.rlim_cur).filter(|&limit| limit != libc::RLIM_INFINITY)
}

/// Both values of a limit; `None` where the system refuses to tell, as a sandbox may.
pub(crate) fn raw(resource: libc::__rlimit_resource_t) -> Option<libc::rlimit> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is memory for the answer.
    (unsafe { libc::getrlimit(resource, &raw mut limits) } == 0).then_some(limits)
}

/// Refuses to start processes where their stack would overflow before they reach a function.
pub(crate) fn check_stack() -> io::Result<()> {
    match of(UserLimit::Stack) {
        Some(stack) if stack < LEAST_STACK => Err(io::Error::other(format!(
            "a process may have {stack} bytes of stack, and needs {LEAST_STACK}; raise the limit (`ulimit -s`)"
        ))),
        _ => Ok(()),
    }
}

/// The address space of a process without a limit, in bytes: what x86-64 gives, the least of the machines that this runs on.
const WHOLE: u64 = 1 << 47;

/// Refuses `size` bytes of address space for one queue where that is more than its share.
pub(crate) fn check_share(size: u64) -> io::Result<()> {
    let left = address_space_left();
    if is_share(size, left) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "it would take {size} bytes of address space, and may take one part in {QUEUE_SHARE} of the {left} that are left; raise \
             the limit (`ulimit -v`)"
        ),
    ))
}

/// Whether one queue may take so much of the address space that is left.
fn is_share(size: u64, left: u64) -> bool {
    size <= left / QUEUE_SHARE
}

/// How much address space this process may still take, in bytes.
fn address_space_left() -> u64 {
    // Where the system does not tell, as without `/proc`, what is refused later is an error too.
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').next()?.parse().ok());
    let used = pages.unwrap_or(0_u64).saturating_mul(rustix::param::page_size() as u64);
    of(UserLimit::AddressSpace).unwrap_or(WHOLE).saturating_sub(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_no_more_than_its_share_of_the_address_space() {
        for (size, left, is_fine) in [
            (1 << 20, 64 << 20, true),
            ((1 << 20) + 1, 64 << 20, false),
            (32 << 30, WHOLE, true),
            (1 << 30, 40_000_000 << 10, false),
            (1 << 29, 40_000_000 << 10, true),
            (1, 0, false),
        ] {
            assert_eq!(is_share(size, left), is_fine, "{size} of {left}");
        }
        assert!((1..WHOLE).contains(&address_space_left()));
    }
}
