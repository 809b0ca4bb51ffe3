//! What a process that a task forks, without exec, finds in place of the memory that this one, a worker, shares with its parent.
//!
//! The parent goes on to write that memory, and to believe what it reads there; so the memory does not go along
//! (`MADV_DONTFORK`). In its place the forked process finds zeros of its own, and among them a copy of the bytes that the
//! task had borrowed, as they were at the fork. The copy is made on the forking thread ahead of the fork: after it, the
//! task may end, and the parent write, before the forked process gets a core.
//!
//! A process that is forked behind the C library's back, which then calls no handlers, finds nothing in that place: an
//! access there ends it with SIGSEGV.

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::memory::Mapping;

/// A mapping that does not go along, in two words; its length is stored last.
struct Hidden {
    start: AtomicPtr<u8>,
    len: AtomicUsize,
}

/// A worker's lane, and the bell of its pool.
static HIDDEN: [Hidden; 2] = [const { Hidden { start: AtomicPtr::new(ptr::null_mut()), len: AtomicUsize::new(0) } }; 2];
/// What a task has borrowed of the first one: how far behind its start, in the upper half, and how many bytes; 0: nothing.
static LENT: AtomicU64 = AtomicU64::new(0);
/// Set in a process that was forked from a worker that hides memory.
static IS_FORKED: AtomicBool = AtomicBool::new(false);

/// A copy of what was borrowed at a fork.
#[derive(Clone, Copy)]
struct Copied {
    bytes: NonNull<u8>,
    len: usize,
    offset: usize,
}

thread_local! {
    /// The copy that the fork of this thread goes with.
    static COPIED: Cell<Option<Copied>> = const { Cell::new(None) };
}

/// Hides mappings, which stay as long as this process, from processes that are forked from it. Call it once; bytes of the first
/// one can be [lent](lend).
pub(crate) fn hide(mappings: [&mut Mapping; 2]) {
    static ONCE: Once = Once::new();
    for (hidden, mapping) in HIDDEN.iter().zip(mappings) {
        mapping.stay();
        // SAFETY: a mapping of ours; the advice changes nothing of what this process sees.
        let advised = unsafe { rustix::mm::madvise(mapping.as_ptr().cast(), mapping.len(), Advice::LinuxDontFork) };
        if advised.is_ok() {
            hidden.start.store(mapping.as_ptr(), Ordering::Relaxed);
            hidden.len.store(mapping.len(), Ordering::Release);
        }
    }
    ONCE.call_once(|| {
        // SAFETY: the handlers take no lock, and stay valid, because this is the executable.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

/// Lends bytes of the first hidden mapping to a task, as long as the guard lives.
pub(crate) fn lend(bytes: &[u8]) -> Lent {
    let offset = bytes.as_ptr().addr().wrapping_sub(HIDDEN[0].start.load(Ordering::Relaxed).addr());
    let is_inside = offset < HIDDEN[0].len.load(Ordering::Relaxed);
    // Both are smaller than a lane.
    LENT.store(if is_inside { (offset as u64) << 32 | bytes.len() as u64 } else { 0 }, Ordering::Release);
    Lent(())
}

/// Bytes that are lent until this goes.
#[derive(Debug)]
pub(crate) struct Lent(());

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.store(0, Ordering::Release);
    }
}

/// Whether this process was forked, without exec, from a worker that hides memory. Such a process is no worker.
pub(crate) fn is_forked() -> bool {
    IS_FORKED.load(Ordering::Relaxed)
}

/// Copies what is lent.
extern "C" fn before() {
    COPIED.set(copy_of_lent());
}

fn copy_of_lent() -> Option<Copied> {
    let lent = LENT.load(Ordering::Acquire);
    let (offset, len) = ((lent >> 32) as usize, lent as u32 as usize);
    let hidden = &HIDDEN[0];
    let end = offset.checked_add(len).filter(|&end| end <= hidden.len.load(Ordering::Acquire))?;
    // SAFETY: a fresh mapping, at an address that the kernel chooses. No allocator: another thread may be in it.
    let bytes = unsafe {
        rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
    };
    // Where nothing is lent, so many bytes cannot be mapped.
    let bytes = NonNull::new(bytes.ok()?.cast::<u8>())?;
    // SAFETY: inside the hidden mapping, as was just looked at, which stays as long as this process.
    let start = unsafe { hidden.start.load(Ordering::Relaxed).add(end - len) };
    // SAFETY: as many bytes as both have; the copy is fresh. A task that forks cannot end meanwhile, so its parcel stays;
    // where another thread forks, the parcel may change, but the task does not run in the forked process.
    unsafe { ptr::copy_nonoverlapping(start, bytes.as_ptr(), len) };
    Some(Copied { bytes, len, offset })
}

/// Drops the copy, which is for the child.
extern "C" fn in_parent() {
    if let Some(copied) = COPIED.take() {
        copied.unmap();
    }
}

/// Puts memory of its own in the place of what has not come along.
extern "C" fn in_child() {
    IS_FORKED.store(true, Ordering::Relaxed);
    let copied = COPIED.take();
    for (index, hidden) in HIDDEN.iter().enumerate() {
        let (start, len) = (hidden.start.load(Ordering::Relaxed), hidden.len.load(Ordering::Relaxed));
        let is_mine = len > 0 && fill_with_zeros(start, len);
        if let Some(copied) = copied.filter(|_| is_mine && index == 0) {
            // SAFETY: what is lent is inside of the mapping, so it is inside of its place.
            let place = unsafe { start.add(copied.offset) };
            // SAFETY: as many bytes as both have; the place was made just now.
            unsafe { ptr::copy_nonoverlapping(copied.bytes.as_ptr(), place, copied.len) };
        }
    }
    if let Some(copied) = copied {
        copied.unmap();
    }
}

/// Maps zeros where nothing is; false where something is, as in the child of such a child, or the system refuses.
fn fill_with_zeros(start: *mut u8, len: usize) -> bool {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: a fresh mapping, which replaces none.
    unsafe { rustix::mm::mmap_anonymous(start.cast(), len, ProtFlags::READ | ProtFlags::WRITE, flags) }.is_ok()
}

impl Copied {
    fn unmap(self) {
        // SAFETY: exactly the mapping that was made for it, of which this was the only pointer.
        let _ = unsafe { rustix::mm::munmap(self.bytes.as_ptr().cast(), self.len) };
    }
}
