//! Rights that a program has from its file, by a set-user-id or set-group-id bit or by capabilities, and not from the
//! process that started it. Its workers are the same file, executed: they must take no orders from a process with fewer
//! rights, and must not get back what the program has given up.

use std::io;

/// Whether this process got rights from its file.
pub(crate) fn are_from_file() -> bool {
    auxiliary(libc::AT_SECURE) != 0
}

fn auxiliary(what: libc::c_ulong) -> libc::c_ulong {
    // SAFETY: reads the process's own auxiliary vector.
    unsafe { libc::getauxval(what) }
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileOwner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl FileOwner {
    fn effective() -> Self {
        Self { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }

    fn real() -> Self {
        Self { user: rustix::process::getuid().as_raw(), group: rustix::process::getgid().as_raw() }
    }

    /// The effective user and group that this process had when it was executed.
    fn at_start() -> Option<Self> {
        let user = auxiliary(libc::AT_EUID).try_into().ok()?;
        Some(Self { user, group: auxiliary(libc::AT_EGID).try_into().ok()? })
    }
}

/// Whether a process started from this one's file must not get rights from it, because it would have more than this
/// process, which has given some up. What the file's capabilities give, it keeps even so, as far as this process has it.
pub(crate) fn must_not_grow() -> bool {
    are_from_file() && grows(FileOwner::real(), FileOwner::effective(), FileOwner::at_start())
}

/// An effective identity that differs from the real one is still what the file gave, where it is the one of the start; a process
/// that may not grow would lose it.
fn grows(real: FileOwner, effective: FileOwner, at_start: Option<FileOwner>) -> bool {
    real == effective || at_start != Some(effective)
}

/// What decides whether a process may take orders.
#[derive(Debug, Clone, Copy)]
struct Credentials {
    real: FileOwner,
    effective: FileOwner,
    has_capabilities: bool,
    /// It was started so that it gets no rights from its file.
    may_not_grow: bool,
}

/// Whether this process may take orders from its parent. `maker`: the effective user and group that the maker of the
/// channel had when it made it; those that the parent has by now say less.
///
/// # Errors
///
/// Where the system does not tell.
pub(crate) fn are_those_of(maker: FileOwner) -> io::Result<bool> {
    if !are_from_file() {
        return Ok(true);
    }
    let capabilities = rustix::thread::capabilities(None)?;
    let own = Credentials {
        real: FileOwner::real(),
        effective: FileOwner::effective(),
        has_capabilities: !capabilities.permitted.is_empty(),
        may_not_grow: rustix::thread::no_new_privs()?,
    };
    Ok(own.are_from(maker) && parent_is_this_program().unwrap_or(true))
}

/// Whether the parent runs the same file; `None` where this process may not know.
fn parent_is_this_program() -> Option<bool> {
    let parent = rustix::process::getppid()?.as_raw_nonzero();
    let file = |path: &str| rustix::fs::stat(path).ok().map(|status| (status.st_dev, status.st_ino));
    Some(file(&format!("/proc/{parent}/exe"))? == file("/proc/self/exe")?)
}

impl Credentials {
    fn are_from(&self, maker: FileOwner) -> bool {
        const ROOT: u32 = 0;
        // Exec gave no capabilities that the maker of the channel did not have. Root has all by its number, also as the
        // real user, which is always the starter's.
        let same_capabilities = !self.has_capabilities
            || [self.effective.user, self.real.user].contains(&ROOT)
            || (self.may_not_grow && self.real == self.effective);
        self.effective == maker && same_capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn owner(user: u32, group: u32) -> FileOwner {
        FileOwner { user, group }
    }

    #[test]
    fn only_what_is_still_in_effect_is_taken_from_the_file_again() {
        let (user, root, games) = (owner(1000, 1000), owner(0, 1000), owner(1000, 60));
        for (real, effective, at_start, expected) in [
            // Set-user-id, in effect; given up for good; for now.
            (user, root, root, false),
            (user, user, root, true),
            (user, owner(7, 1000), root, true),
            // Set-group-id.
            (user, games, games, false),
            (user, user, games, true),
            // Capabilities only.
            (user, user, user, true),
            // It has become root altogether.
            (root, root, root, true),
        ] {
            assert_eq!(grows(real, effective, Some(at_start)), expected, "{real:?} {effective:?} {at_start:?}");
        }
        assert!(grows(user, root, None));
    }

    #[test]
    fn orders_are_taken_only_from_whoever_has_the_same_rights() {
        let (user, root, games) = (owner(1000, 1000), owner(0, 1000), owner(1000, 60));
        for (real, effective, has_capabilities, may_not_grow, starter, expected) in [
            // Set-user-id: started by the program itself, by its caller.
            (user, root, true, false, root, true),
            (user, root, true, false, user, false),
            (user, root, true, true, user, false),
            (user, owner(5, 1000), false, false, owner(5, 1000), true),
            (user, owner(5, 1000), false, false, user, false),
            // Set-group-id.
            (user, games, false, false, games, true),
            (user, games, false, false, user, false),
            // Capabilities: they are the starter's only where the file gives none.
            (user, user, true, false, user, false),
            (user, user, true, true, user, true),
            // Root that has put its rights aside, and will take them back.
            (root, user, true, false, user, true),
            (root, user, true, false, games, false),
            // Both at once.
            (user, games, true, true, games, false),
        ] {
            let own = Credentials { real, effective, has_capabilities, may_not_grow };
            assert_eq!(own.are_from(starter), expected, "{own:?} by {starter:?}");
        }
    }
}
