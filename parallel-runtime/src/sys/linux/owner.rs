//! The owner of the program: its users and groups, which it may change while it runs.
//!
//! To ask the kernel takes 0.2 to 0.6 µs, too long for each parcel. So a thread watches for the change. The C library makes
//! `setuid` and its like on every thread: it sends SIGSETXID to each, waits until all have done it in a handler, and does
//! it on the calling thread last (`nptl/nptl_setxid.c`). The watching thread keeps that signal blocked. When the signal is
//! pending, the thread first says that the owner is unknown, then lets the handler run, and publishes its new owner;
//! `setuid` does not return before the handler has run. A program that makes the system call itself changes one thread
//! only, and not the owner of its workers.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::wait::wait_readable;
use crate::tuning::SMALL_STACK;

/// The real and the effective user and group of a process that a thread starts: those of the thread. Exec sets the saved
/// ones, and those for the file system, to the effective ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    ids: [libc::uid_t; 4],
    /// Whether the thread may take another user or group.
    changes: bool,
}

/// `_LINUX_CAPABILITY_VERSION_3`, and the two capabilities by which a process changes its group and user, which are in the first
/// of its two words.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
const SETGID: u32 = 1 << 6;
const SETUID: u32 = 1 << 7;

impl Owner {
    /// The owner of the calling thread.
    pub(crate) fn own() -> Self {
        let (users, groups) = (users(), groups());
        let [user, effective_user, saved_user] = users.unwrap_or_default();
        let [group, effective_group, saved_group] = groups.unwrap_or_default();
        let differ = [effective_user, saved_user] != [user; 2] || [effective_group, saved_group] != [group; 2];
        let known = users.is_some() && groups.is_some();
        Self { ids: [user, effective_user, group, effective_group], changes: known && (differ || may_change_ids()) }
    }

    /// `None` where this process keeps its owner for good: it has no other identity to take, and no right to take one. That
    /// is so for nearly all programs but those of root.
    pub(crate) fn if_it_may_change(self) -> Option<Self> {
        self.changes.then_some(self)
    }

    /// Whether the calling thread's users and groups are these. Two system calls, good between clone and exec; where the system
    /// refuses them, it is believed.
    pub(crate) fn is_still_own(&self) -> bool {
        let Some(([user, effective_user, _], [group, effective_group, _])) = users().zip(groups()) else { return true };
        self.ids == [user, effective_user, group, effective_group]
    }
}

/// The owner of the program when it was last looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownOwner {
    owner: Owner,
    /// [`GENERATION`] when that owner was found.
    generation: u64,
}

impl KnownOwner {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner, generation: 0 }
    }

    /// Whether the owner was this one.
    pub(crate) fn is(&self, owner: Owner) -> bool {
        self.owner == owner
    }

    /// Whether the program still has that owner. One load, as long as nothing has changed and the watching thread runs.
    pub(crate) fn holds(&mut self) -> bool {
        let generation = GENERATION.load(Acquire);
        if generation == self.generation && generation != 0 {
            return true;
        }
        if !generation.is_multiple_of(2) || generation == 0 {
            // The owner changes right now, or no thread watches.
            return self.owner.is_still_own();
        }
        let ids = [0, 1, 2, 3].map(|at: usize| IDS[at].load(Acquire));
        if GENERATION.load(Acquire) != generation {
            return self.owner.is_still_own();
        }
        let same = ids == self.owner.ids;
        if same {
            self.generation = generation;
        }
        same
    }
}

/// Odd while the owner may be changing; even, and another number, once [`IDS`] tells the new owner. 0 where no thread
/// watches.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// The numbers of an [`Owner`], as the watching thread has them.
static IDS: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

/// Whether a change shows without a system call.
pub(crate) fn is_watched() -> bool {
    GENERATION.load(Relaxed) != 0
}

/// The signal by which the C library has every thread change its users and groups (nptl(7)).
const SIGSETXID: u32 = 33;

/// Starts the thread that watches for changes, once, and calls `changed` after each. Without a descriptor or a thread for
/// it, changes are not watched.
pub(crate) fn watch(changed: fn()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ =
            std::thread::Builder::new().name("parallel-owner".to_string()).stack_size(SMALL_STACK).spawn(move || {
                // All signals: those but SIGSETXID are for the program's own threads.
                change_mask(libc::SIG_BLOCK, u64::MAX);
                let Some(asked) = descriptor_of_signal() else {
                    change_mask(libc::SIG_UNBLOCK, 1 << (SIGSETXID - 1));
                    return;
                };
                let mut generation = 0;
                loop {
                    for (word, id) in IDS.iter().zip(Owner::own().ids) {
                        word.store(id, Release);
                    }
                    generation += 2;
                    GENERATION.store(generation, Release);
                    if generation > 2 {
                        changed();
                    }
                    while !wait_readable(asked.as_fd(), None) {}
                    if !is_pending() {
                        // A sandbox refuses to wait. This thread ends, and changes are not watched from now on.
                        GENERATION.store(0, Release);
                        change_mask(libc::SIG_UNBLOCK, 1 << (SIGSETXID - 1));
                        return;
                    }
                    GENERATION.store(generation + 1, Release);
                    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
                    // The handler of the C library runs here.
                    change_mask(libc::SIG_UNBLOCK, 1 << (SIGSETXID - 1));
                    change_mask(libc::SIG_BLOCK, 1 << (SIGSETXID - 1));
                }
            });
    });
}

/// Changes which signals the calling thread blocks. A system call, because the C library's functions leave its own signals
/// out.
fn change_mask(how: libc::c_int, set: u64) {
    let no_former = ptr::null_mut::<u64>();
    // SAFETY: the kernel reads a set of this size from the local.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const set, no_former, size_of::<u64>()) };
}

/// Whether [`SIGSETXID`] waits for the calling thread.
fn is_pending() -> bool {
    let mut set = 0_u64;
    // SAFETY: the kernel writes a set of this size into the local.
    let answer = unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) };
    answer == 0 && set & (1 << (SIGSETXID - 1)) != 0
}

/// What becomes readable when [`SIGSETXID`] waits for the thread that reads it.
fn descriptor_of_signal() -> Option<OwnedFd> {
    let set: u64 = 1 << (SIGSETXID - 1);
    // SAFETY: the kernel reads a set of this size from the local.
    let number = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const set, size_of::<u64>(), libc::SFD_CLOEXEC) };
    let number = libc::c_int::try_from(number).ok().filter(|&number| number >= 0)?;
    // SAFETY: the kernel has opened it just now, so it has no other owner.
    super::descriptor::above_standard(unsafe { OwnedFd::from_raw_fd(number) }).ok()
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
