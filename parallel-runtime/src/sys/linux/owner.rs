//! Whose the program is: its users and groups, which it may change while it runs.

use std::mem::MaybeUninit;

/// The real and the effective user and group of a process that a thread starts: those of the thread. The saved ones, and those
/// for the file system, a new program takes from the effective ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    ids: [libc::uid_t; 4],
    /// Whether the thread may become another's.
    changes: bool,
}

/// `_LINUX_CAPABILITY_VERSION_3`, and the two capabilities by which a process changes its group and user, which are in the first
/// of its two words.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
const SETGID: u32 = 1 << 6;
const SETUID: u32 = 1 << 7;

impl Owner {
    /// Of the calling thread.
    pub(crate) fn own() -> Self {
        let (users, groups) = (users(), groups());
        let [user, effective_user, saved_user] = users.unwrap_or_default();
        let [group, effective_group, saved_group] = groups.unwrap_or_default();
        let differ = [effective_user, saved_user] != [user; 2] || [effective_group, saved_group] != [group; 2];
        let known = users.is_some() && groups.is_some();
        Self { ids: [user, effective_user, group, effective_group], changes: known && (differ || may_change_ids()) }
    }

    /// `None` where this process stays whose it is for good: it has no other identity to take, and no right to take one. That
    /// is so for nearly all programs but those of root.
    pub(crate) fn if_it_may_change(self) -> Option<Self> {
        self.changes.then_some(self)
    }

    /// Whether the calling thread's users and groups are these. Two system calls; where the system refuses them, it is believed.
    pub(crate) fn is_still_own(&self) -> bool {
        let Some(([user, effective_user, _], [group, effective_group, _])) = users().zip(groups()) else { return true };
        self.ids == [user, effective_user, group, effective_group]
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids
    }
}

/// The real, the effective and the saved user.
fn users() -> Option<[libc::uid_t; 3]> {
    let mut ids = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: the kernel writes three numbers into the locals.
    (unsafe { libc::getresuid(real, effective, saved) } == 0).then_some(ids)
}

/// The same of the group.
fn groups() -> Option<[libc::gid_t; 3]> {
    let mut ids = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: the kernel writes three numbers into the locals.
    (unsafe { libc::getresgid(real, effective, saved) } == 0).then_some(ids)
}

/// Whether the calling thread has, or may take, the right to any user or group.
fn may_change_ids() -> bool {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Word {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let mut words = MaybeUninit::<[Word; 2]>::zeroed();
    // SAFETY: the kernel reads the header and writes two words, as its version says.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    // SAFETY: zeroed at first; the kernel writes numbers.
    let words = unsafe { words.assume_init() };
    answer != 0 || words[0].permitted & (SETUID | SETGID) != 0
}
