//! Anonymous shared memory: mappings whose size is sealed, regions that processes share by handle, and blocks of bytes
//! behind a descriptor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use rustix::fs::{MemfdFlags, SealFlags};

use super::descriptor::above_standard;
use super::limits::{self, UserLimit};
pub(crate) use super::mapping::{FileIdentity, Mapping, Use, identity, sizes};
use super::parts::{self, RegionParts};
use super::refusal::{Named, refused};
use crate::poison::lock;
use crate::sys::bytes::SharedBytes;
use crate::tuning::HUGE_FROM;

/// Asks for huge pages for memory that is about to be filled: the first touch of a small page costs more than to fill it.
pub(crate) fn prefer_huge_pages<T>(memory: &mut [T]) {
    let page = rustix::param::page_size();
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(page);
    if bytes < HUGE_FROM || skipped > bytes {
        return;
    }
    let len = (bytes - skipped) / page * page;
    let first = start.wrapping_add(skipped);
    // SAFETY: whole pages inside `memory`; the advice changes nothing of what they hold. Where the kernel does not know it,
    // pages stay small.
    let _ = unsafe { rustix::mm::madvise(first.cast(), len, rustix::mm::Advice::LinuxHugepage) };
}

/// Makes `len` bytes of zeros that have no name in any file system. No holder of the descriptor can resize the memory, so a
/// mapping of it never faults for a missing page.
pub(crate) fn create(len: usize) -> io::Result<OwnedFd> {
    create_sealed(len, SEALED)
}

/// Makes `len` bytes of zeros that have no name in any file system, that grow as they are written, and never shrink.
pub(crate) fn create_growing(len: usize) -> io::Result<OwnedFd> {
    create_sealed(len, SealFlags::SHRINK | SealFlags::SEAL)
}

fn create_sealed(len: usize, seals: SealFlags) -> io::Result<OwnedFd> {
    let memory = create_empty(MemfdFlags::ALLOW_SEALING)?;
    let size = u64::try_from(len).map_err(io::Error::other)?;
    check_file_size(size, "ftruncate")?;
    rustix::fs::ftruncate(&memory, size).named("ftruncate")?;
    rustix::fs::fcntl_add_seals(&memory, seals).named("fcntl")?;
    Ok(memory)
}

fn create_empty(flags: MemfdFlags) -> io::Result<OwnedFd> {
    above_standard(rustix::fs::memfd_create(c"parallel", MemfdFlags::CLOEXEC | flags).named("memfd_create")?)
}

/// Refuses memory that a holder of it could cut short.
pub(crate) fn check_not_shrinking(memory: BorrowedFd<'_>) -> io::Result<()> {
    if rustix::fs::fcntl_get_seals(memory).named("fcntl")?.contains(SealFlags::SHRINK) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "shared memory that is not sealed"))
}

/// Refuses a file of `size` bytes that the limit does not allow, before `call` is made: the call would be refused too, but
/// the kernel would send SIGXFSZ first, which ends the program. Shared memory is a file to the kernel.
fn check_file_size(size: u64, call: &'static str) -> io::Result<()> {
    if is_file_allowed(size, limits::of(UserLimit::FileSize)) {
        return Ok(());
    }
    Err(refused(call, io::Error::from_raw_os_error(libc::EFBIG)))
}

/// Whether a file may have so many bytes.
fn is_file_allowed(size: u64, limit: Option<u64>) -> bool {
    limit.is_none_or(|limit| size <= limit)
}

/// Writes all of `bytes` at `at`.
pub(crate) fn write_at(memory: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    check_file_size(at.saturating_add(bytes.len() as u64), "pwrite64")?;
    while !bytes.is_empty() {
        match rustix::io::pwrite(memory, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                at += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).named("pwrite64"),
        }
    }
    Ok(())
}

/// What processes may do with a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every process that has it reads and writes.
    Shared,
    /// The same, but a process maps only the parts that it uses; every process maps the [head](parts::HEAD).
    InParts,
    /// No process writes any more, its maker included: the kernel refuses.
    Frozen,
}

/// Anonymous memory that processes share, mapped here. It has no name in any file system and goes with its last user.
#[derive(Debug)]
pub(crate) struct Region {
    id: u64,
    access: Access,
    descriptor: OwnedFd,
    /// All of it, or its head.
    mapping: Mapping,
    parts: RegionParts,
    len: usize,
    /// Whether a worker was sent the region: the worker keeps it until this process has it forgotten.
    sent: AtomicBool,
}

/// What is mapped here, so that a region that comes back is the same mapping.
static REGIONS: Mutex<BTreeMap<u64, Weak<Region>>> = Mutex::new(BTreeMap::new());

impl Region {
    /// Makes a region of `len` bytes of zeros, at least one.
    pub(crate) fn zeroed(len: usize) -> io::Result<Arc<Self>> {
        let len = len.max(1);
        let descriptor = create(len)?;
        let mapping = Mapping::shared(descriptor.as_fd(), len)?;
        Self::enter(random_id()?, Access::Shared, descriptor, mapping)
    }

    /// Makes a region of `len` bytes of zeros that is used in parts. What is not touched takes no memory, and what is not used
    /// no address space.
    pub(crate) fn in_parts(len: usize) -> io::Result<Arc<Self>> {
        let descriptor = create(len)?;
        let mapping = Mapping::part(descriptor.as_fd(), 0, parts::HEAD)?;
        Self::enter_whole(random_id()?, Access::InParts, descriptor, mapping, len)
    }

    /// Makes a region that holds a copy of `bytes`, and that no process can write.
    pub(crate) fn frozen(bytes: &[u8]) -> io::Result<Arc<Self>> {
        let descriptor = create_empty(MemfdFlags::ALLOW_SEALING)?;
        write_at(descriptor.as_fd(), if bytes.is_empty() { &[0] } else { bytes }, 0)?;
        rustix::fs::fcntl_add_seals(&descriptor, FROZEN).named("fcntl")?;
        let mapping = Mapping::read_only(descriptor.as_fd(), bytes.len().max(1))?;
        Self::enter(random_id()?, Access::Frozen, descriptor, mapping)
    }

    /// Takes a region that another process handed over. `id` is what that process calls it.
    ///
    /// # Errors
    ///
    /// `InvalidData` when it is not sealed as its kind must be: then its maker could take memory from under us.
    pub(crate) fn adopt(id: u64, access: Access, descriptor: OwnedFd) -> io::Result<Arc<Self>> {
        let known = lock(&REGIONS).get(&id).and_then(Weak::upgrade);
        if let Some(known) = known {
            return Ok(known);
        }
        let needed = match access {
            Access::Shared | Access::InParts => SEALED,
            Access::Frozen => FROZEN,
        };
        if !rustix::fs::fcntl_get_seals(&descriptor).named("fcntl")?.contains(needed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "shared memory that is not sealed"));
        }
        let len = usize::try_from(rustix::fs::fstat(&descriptor).named("fstat")?.st_size).map_err(io::Error::other)?;
        let mapping = match access {
            Access::Shared => Mapping::shared(descriptor.as_fd(), len)?,
            Access::InParts => Mapping::part(descriptor.as_fd(), 0, parts::HEAD)?,
            Access::Frozen => Mapping::read_only(descriptor.as_fd(), len)?,
        };
        Self::enter_whole(id, access, descriptor, mapping, len)
    }

    fn enter(id: u64, access: Access, descriptor: OwnedFd, mapping: Mapping) -> io::Result<Arc<Self>> {
        let len = mapping.len();
        Self::enter_whole(id, access, descriptor, mapping, len)
    }

    fn enter_whole(
        id: u64,
        access: Access,
        descriptor: OwnedFd,
        mapping: Mapping,
        len: usize,
    ) -> io::Result<Arc<Self>> {
        let (parts, sent) = (RegionParts::default(), AtomicBool::new(false));
        let region = Arc::new(Self { id, access, descriptor, mapping, parts, len, sent });
        let first = {
            let mut regions = lock(&REGIONS);
            let first = regions.get(&id).and_then(Weak::upgrade);
            if first.is_none() {
                regions.insert(id, Arc::downgrade(&region));
            }
            first
        };
        // Another thread may have adopted it meanwhile; ours is then dropped, which takes the lock again.
        Ok(first.unwrap_or(region))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Notes that a worker keeps the region from now on.
    pub(crate) fn note_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Where it is mapped: at the start of a page, for [`len`](Self::len) bytes, as long as `self` lives; of one that is used in
    /// parts, the [head](parts::HEAD).
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.mapping.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What [`as_ptr`](Self::as_ptr) points to, as bytes that others may write.
    #[inline]
    pub(crate) fn bytes(&self) -> SharedBytes<'_> {
        self.mapping.bytes()
    }

    /// A part that was [opened](Self::open_part) before.
    #[inline]
    pub(crate) fn part(&self, part: usize) -> Option<SharedBytes<'_>> {
        self.parts.bytes(part)
    }

    /// Maps a part, `len` bytes from `offset` on, unless it is mapped.
    #[cold]
    pub(crate) fn open_part(&self, part: usize, offset: usize, len: usize) -> io::Result<SharedBytes<'_>> {
        self.parts.open(part, self.descriptor.as_fd(), offset, len)
    }

    /// Gives the memory of these bytes back; they read as zeros from then on.
    pub(crate) fn release(&self, start: usize, len: usize) {
        // Only a saving: where the kernel refuses, the memory stays.
        let _ = rustix::fs::fallocate(
            &self.descriptor,
            rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
            start as u64,
            len as u64,
        );
    }
}

/// What is called when a region that a worker keeps is gone here.
static FORGET: OnceLock<fn(u64)> = OnceLock::new();

/// Sets what is called, with its id, when a region that a worker keeps is gone here.
pub(crate) fn on_forget(hook: fn(u64)) {
    let _ = FORGET.set(hook);
}

impl Drop for Region {
    fn drop(&mut self) {
        let mut regions = lock(&REGIONS);
        // Another region with this id may have been entered meanwhile.
        if regions.get(&self.id).is_some_and(|weak| weak.strong_count() == 0) {
            regions.remove(&self.id);
        }
        drop(regions);
        if let Some(forget) = FORGET.get().filter(|_| *self.sent.get_mut()) {
            forget(self.id);
        }
    }
}

const SEALED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
const FROZEN: SealFlags = SEALED.union(SealFlags::WRITE);

/// A number that no other region has, in any process: it outlives processes whose numbers come again.
pub(crate) fn random_id() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).named("getrandom")?;
    // 0 stands for none.
    Ok(u64::from_ne_bytes(bytes).max(1))
}

/// Bytes on their way to another process, behind a descriptor. Memory that was written once is written again in a tenth of
/// the time, so the sender keeps a block and uses it for what comes next.
#[derive(Debug)]
pub(crate) struct Block(OwnedFd);

impl Block {
    /// Makes an empty one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(create_empty(MemfdFlags::empty())?))
    }

    /// Puts a copy of `parts`, one behind the other, in the place of what was in it.
    pub(crate) fn fill(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut at = 0;
        for part in parts {
            write_at(self.0.as_fd(), part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

impl AsFd for Block {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads the first `len` bytes of a block that another process made. It is read, not mapped: its maker may still cut it
/// short, which is an error in a read and would be a crash in a mapping.
pub(crate) fn read_block(block: OwnedFd, len: usize) -> io::Result<Vec<u8>> {
    // Only memory has seals. A read of another kind of file could take any time.
    rustix::fs::fcntl_get_seals(&block).named("fcntl")?;
    let (size, taken) = sizes(block.as_fd())?;
    // Refuse a sparse block of any size before as much memory is allocated here.
    if taken < len || size < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; len];
    prefer_huge_pages(&mut bytes);
    File::from(block).read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_large_as_the_limit_and_no_larger() {
        for (size, limit, allowed) in [
            (0, Some(0), true),
            (1, Some(0), false),
            (4096, Some(4096), true),
            (4097, Some(4096), false),
            (u64::MAX, None, true),
        ] {
            assert_eq!(is_file_allowed(size, limit), allowed, "{size} of {limit:?}");
        }
    }
}
