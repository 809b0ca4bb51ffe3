//! What a thread may do that a process started by exec gets from it, and what exec would add to that.
//!
//! Exec gives rights back. A thread of root that has given up capabilities starts processes that have all of its bounding
//! set; so does a file with the set-user-id bit, or with capabilities, to a program that gave up what it had from there.
//! Source: capabilities(7), "Transformation of capabilities during execve()", and `security/commoncap.c`.

use std::ffi::CStr;
use std::fmt::Write;
use std::io;

use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

/// Users, groups, capabilities, and what restrains system calls, of one thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    users: Ids,
    groups: Ids,
    others: Vec<u32>,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    secure_bits: u32,
    no_new_privileges: bool,
    /// 0: system calls are not filtered.
    seccomp: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
    /// For files.
    files: u32,
}

/// What of the executed file decides which rights exec gives, beside the rights of the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Executable {
    /// The user and the group that it is executed as, whichever thread calls.
    user: Option<u32>,
    group: Option<u32>,
    /// The capabilities that it is executed with.
    capabilities: u64,
}

/// Rights of a thread, for a process that it starts: exec gives back what the thread has laid down, and the new process
/// lays it down again. Only what the thread could take again by itself is meant: the kernel withholds the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    effective: u64,
    user: u32,
    group: u32,
}

const ROOT: u32 = 0;
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
/// The most capabilities that a kernel may know: it keeps them in a word of 64 bits.
const CAPABILITIES: u32 = 64;

impl Rights {
    /// The rights of the calling thread. Plain system calls; the first are those that a filter is least likely to refuse.
    pub(crate) fn own() -> Self {
        let seccomp = rustix::thread::secure_computing_mode().map_or(-1, |mode| mode as i32);
        let no_new_privileges = rustix::thread::no_new_privs().unwrap_or(false);
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        let sets = rustix::thread::capabilities(None).unwrap_or(none);
        Self {
            users: Ids::users(),
            groups: Ids::groups(),
            others: other_groups(),
            effective: sets.effective.bits(),
            permitted: sets.permitted.bits(),
            inheritable: sets.inheritable.bits(),
            secure_bits: rustix::thread::capabilities_secure_bits().map_or(0, |bits| bits.bits()),
            no_new_privileges,
            seccomp,
        }
    }

    /// Whether system calls are filtered.
    pub(crate) fn are_filtered(&self) -> bool {
        self.seccomp != 0
    }

    /// Where these rights differ from `program`'s.
    pub(crate) fn difference(&self, program: &Self) -> Option<&'static str> {
        if self.seccomp != program.seccomp {
            Some("seccomp filters")
        } else if self.no_new_privileges != program.no_new_privileges {
            Some("no_new_privs")
        } else if (self.effective, self.permitted, self.inheritable, self.secure_bits)
            != (program.effective, program.permitted, program.inheritable, program.secure_bits)
        {
            Some("capabilities")
        } else if self != program {
            Some("users and groups")
        } else {
            None
        }
    }

    /// What a thread with these rights has beyond those of `caller`, and a thread with those could not have taken by
    /// itself.
    pub(crate) fn excess_over(&self, caller: &Self) -> Option<&'static str> {
        let may = |capability: u32| caller.effective & (1 << capability) != 0;
        let lowered = |now: Ids, then: Ids, free: bool| now == then || free || now.is_only(then.real);
        if self.seccomp < caller.seccomp {
            Some("without its seccomp filters")
        } else if caller.no_new_privileges && !self.no_new_privileges {
            Some("without its no_new_privs")
        } else if self.permitted & !caller.permitted != 0 || self.effective & !caller.effective != 0 {
            Some("with more capabilities")
        } else if !lowered(self.users, caller.users, may(CAP_SETUID)) {
            Some("as another user")
        } else if !lowered(self.groups, caller.groups, may(CAP_SETGID))
            || !(may(CAP_SETGID) || self.others.iter().all(|group| caller.others.contains(group)))
        {
            Some("in other groups")
        } else {
            None
        }
    }

    /// Whether exec of this program, by a thread with these rights, would add rights.
    pub(crate) fn would_grow(&self) -> bool {
        self.grow_by(bounding_set_among, &Executable::own())
    }

    /// `bounding_among`: which of some capabilities are in the bounding set.
    fn grow_by(&self, bounding_among: impl Fn(u64) -> u64, executable: &Executable) -> bool {
        if self.no_new_privileges {
            return false;
        }
        let user = executable.user.unwrap_or(self.users.effective);
        let group = executable.group.unwrap_or(self.groups.effective);
        let counts_as_root = !CapabilitiesSecureBits::from_bits_retain(self.secure_bits)
            .contains(CapabilitiesSecureBits::NO_ROOT)
            && (self.users.real == ROOT || user == ROOT);
        let new = |set: u64| set & !self.permitted;
        let is_added = if counts_as_root {
            new(self.inheritable) != 0 || bounding_among(new(u64::MAX)) != 0
        } else {
            bounding_among(new(executable.capabilities)) != 0
        };
        user != self.users.effective || group != self.groups.effective || is_added
    }

    /// What exec gives back of what a thread with these rights has laid down.
    pub(crate) fn kept(&self) -> Option<Kept> {
        // Exec gives root all that is permitted, and makes user and group for files the effective ones.
        let counts = self.users.effective == ROOT && self.effective != self.permitted;
        let files = self.users.files != self.users.effective || self.groups.files != self.groups.effective;
        let kept = Kept { effective: self.effective, user: self.users.files, group: self.groups.files };
        (counts || files).then_some(kept)
    }
}

/// The calling thread's groups beside those of [`Ids`].
fn other_groups() -> Vec<u32> {
    const MOST: usize = 64;
    let mut groups = [0; MOST];
    // SAFETY: fills as many numbers as it is told there are.
    let count = unsafe { libc::getgroups(MOST as i32, groups.as_mut_ptr()) };
    match usize::try_from(count) {
        Ok(count) => groups[..count].to_vec(),
        // There are more.
        Err(_) => rustix::process::getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect(),
    }
}

impl Ids {
    fn users() -> Self {
        let mut ids = [0; 3];
        let [real, effective, saved] = &mut ids;
        // SAFETY: fills the three numbers.
        unsafe { libc::getresuid(real, effective, saved) };
        // SAFETY: a number that is no user's changes nothing, and the call tells what holds.
        let files = unsafe { libc::setfsuid(u32::MAX) };
        Self::new(ids, files)
    }

    fn groups() -> Self {
        let mut ids = [0; 3];
        let [real, effective, saved] = &mut ids;
        // SAFETY: fills the three numbers.
        unsafe { libc::getresgid(real, effective, saved) };
        // SAFETY: a number that is no group's changes nothing, and the call tells what holds.
        let files = unsafe { libc::setfsgid(u32::MAX) };
        Self::new(ids, files)
    }

    /// `files`: -1 where a filter does not let the system tell, which is then taken to be as usual.
    const fn new([real, effective, saved]: [u32; 3], files: i32) -> Self {
        let files = if files == -1 { effective } else { files as u32 };
        Self { real, effective, saved, files }
    }

    fn is_only(self, id: u32) -> bool {
        self == Self { real: id, effective: id, saved: id, files: id }
    }
}

impl Executable {
    /// The file of this program.
    fn own() -> Self {
        const PATH: &CStr = c"/proc/self/exe";
        let Ok(status) = rustix::fs::stat(PATH) else { return Self::default() };
        let mode = status.st_mode;
        let mut attribute = [0; 24];
        let len = rustix::fs::getxattr(PATH, c"security.capability", &mut attribute).unwrap_or(0);
        Self {
            user: (mode & libc::S_ISUID != 0).then_some(status.st_uid),
            group: (mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0).then_some(status.st_gid),
            capabilities: permitted_by(&attribute[..len]),
        }
    }
}

/// The capabilities that exec may give a process which the calling thread starts.
pub(crate) fn bounding_set() -> u64 {
    bounding_set_among(u64::MAX)
}

/// Which of these capabilities are in the bounding set: a system call for each.
fn bounding_set_among(set: u64) -> u64 {
    let is_in = |capability: u32| {
        // SAFETY: only asks.
        let answer = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) };
        // An error: the kernel knows none of this number, nor of a higher one.
        (answer >= 0).then_some(u64::from(answer == 1) << capability)
    };
    (0..CAPABILITIES).filter(|capability| set & (1 << capability) != 0).map_while(is_in).fold(0, |set, one| set | one)
}

/// The capabilities that a file's attribute grants: `struct vfs_cap_data` of `linux/capability.h`.
fn permitted_by(attribute: &[u8]) -> u64 {
    let word = |at: usize| {
        attribute.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    // A head, then permitted and inheritable, first the lower halves and then the upper.
    u64::from(word(1)) | u64::from(word(3)) << 32
}

impl Kept {
    /// As text, for a new process.
    pub(crate) fn to_text(self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = write!(text, "{:x}.{}.{}", self.effective, self.user, self.group);
        text
    }

    /// `None`: it is not such a text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let effective = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (user, group) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { effective, user, group })
    }

    /// Lays down, for the calling thread, what the thread that started this process had laid down.
    ///
    /// # Errors
    ///
    /// Where the system refuses it: then this process must not go on.
    pub(crate) fn lay_down(self) -> io::Result<()> {
        // SAFETY: a plain system call.
        unsafe { libc::setfsgid(self.group) };
        // SAFETY: a plain system call.
        unsafe { libc::setfsuid(self.user) };
        let sets = rustix::thread::capabilities(None)?;
        let effective = CapabilitySet::from_bits_retain(self.effective) & sets.effective;
        rustix::thread::set_capabilities(None, CapabilitySets { effective, ..sets })?;
        if (Ids::users().files, Ids::groups().files) == (self.user, self.group) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the user or group for files cannot be set"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = (1 << 41) - 1;
    const NET_ADMIN: u64 = 1 << 12;

    fn root() -> Rights {
        Rights { effective: ALL, permitted: ALL, ..Rights::default() }
    }

    fn user(id: u32) -> Rights {
        let ids = Ids { real: id, effective: id, saved: id, files: id };
        Rights { users: ids, groups: ids, ..Rights::default() }
    }

    #[test]
    fn exec_adds_to_the_rights_of_root_without_all_capabilities_and_by_a_files_bits() {
        let plain = Executable::default();
        let without = |set: u64| Rights { effective: ALL & !set, permitted: ALL & !set, ..root() };
        let no_root = CapabilitiesSecureBits::NO_ROOT.bits();
        let set_user = Executable { user: Some(7), ..plain };
        let able = Executable { capabilities: NET_ADMIN, ..plain };
        for (what, rights, bounding, executable, grows) in [
            ("root", root(), 0, plain, false),
            ("less of root", without(NET_ADMIN), NET_ADMIN, plain, true),
            ("less of root, and no more to be had", without(NET_ADMIN), 0, plain, false),
            (
                "that with no_new_privs",
                Rights { no_new_privileges: true, ..without(NET_ADMIN) },
                NET_ADMIN,
                plain,
                false,
            ),
            (
                "that where root is nobody",
                Rights { secure_bits: no_root, ..without(NET_ADMIN) },
                NET_ADMIN,
                plain,
                false,
            ),
            ("a user", user(7), ALL, plain, false),
            ("a set-user-id program's user", user(7), ALL, set_user, false),
            ("one who no longer is", user(8), ALL, set_user, true),
            ("a file's capability given up", user(8), ALL, able, true),
            ("a file's capability kept", Rights { permitted: NET_ADMIN, ..user(8) }, ALL & !NET_ADMIN, able, false),
        ] {
            assert_eq!(rights.grow_by(|set| set & bounding, &executable), grows, "{what}");
        }
    }

    #[test]
    fn rights_exceed_others_only_by_what_those_could_not_take() {
        let filtered = |rights: Rights| Rights { seccomp: 2, no_new_privileges: true, ..rights };
        let for_now =
            |id: u32| Rights { users: Ids { real: 0, effective: id, saved: 0, files: id }, effective: 0, ..root() };
        for (what, now, caller, exceeds) in [
            ("the same", root(), root(), false),
            ("root given up", user(7), root(), false),
            ("root given up for now", for_now(7), root(), false),
            ("root taken back", root(), for_now(7), true),
            ("another user", user(8), user(7), true),
            ("a filter more", filtered(user(7)), user(7), false),
            ("a filter less", user(7), filtered(user(7)), true),
            ("a capability more", Rights { permitted: NET_ADMIN, ..user(7) }, user(7), true),
            ("a group more", Rights { others: vec![1], ..user(7) }, user(7), true),
            ("a group less", user(7), Rights { others: vec![1], ..user(7) }, false),
        ] {
            assert_eq!(now.excess_over(&caller).is_some(), exceeds, "{what}");
        }
    }

    #[test]
    fn what_is_laid_down_reads_as_it_was_written() {
        let lowered = Rights { effective: 3, ..root() };
        let for_files = Rights { users: Ids { files: 7, ..Ids::default() }, ..root() };
        assert_eq!(root().kept(), None);
        assert_eq!(user(7).kept(), None);
        for kept in [lowered.kept(), for_files.kept()] {
            let kept = kept.expect("something is laid down");
            assert_eq!(Kept::from_text(&kept.to_text()), Some(kept));
        }
        for spoilt in ["", "1", "1.2", "1.2.3.4", "x.2.3", "1.-2.3"] {
            assert_eq!(Kept::from_text(spoilt), None, "{spoilt}");
        }
    }

    #[test]
    fn a_files_capabilities_are_read_as_the_kernel_writes_them() {
        let words = [0x0200_0001_u32, 1 << 12, 0, 1 << 8, 0];
        let attribute: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(permitted_by(&attribute), 1 << 12 | 1 << 40);
        assert_eq!(permitted_by(&[]), 0);
    }

    #[test]
    fn a_thread_has_no_more_rights_than_itself() {
        let own = Rights::own();
        assert_eq!(own.excess_over(&own), None);
        assert_eq!(own.difference(&own), None);
    }
}
