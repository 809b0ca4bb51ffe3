//! Anonymous shared memory: mappings whose size is sealed, and blocks of bytes behind a descriptor.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::socket::above_standard;

/// Memory that was mapped and is unmapped when this is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that no thread owns; those who read and write it synchronize.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of zeros that only this process sees.
    pub(crate) fn private(len: usize) -> io::Result<Self> {
        // SAFETY: a fresh mapping, at an address that the kernel chooses.
        let start = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        Self::owning(start.cast(), len)
    }

    /// Maps `len` bytes of `memory`, seen by everyone who maps it.
    pub(crate) fn shared(memory: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let size = usize::try_from(rustix::fs::fstat(memory)?.st_size).unwrap_or(0);
        if size < len {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is smaller than its mapping"));
        }
        // SAFETY: a fresh mapping, at an address that the kernel chooses, inside the file.
        let start = unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, memory, 0)
        }?;
        Self::owning(start.cast(), len)
    }

    fn owning(start: *mut u8, len: usize) -> io::Result<Self> {
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mmap gave a null address"))?;
        Ok(Self { start, len })
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made at birth; whoever had a pointer into it borrowed this owner.
        let _ = unsafe { rustix::mm::munmap(self.as_ptr().cast(), self.len) };
    }
}

/// Makes `len` bytes of zeros that have no name in any file system. Nobody who holds the descriptor can resize it, so a
/// mapping of it never faults for a missing page.
pub(crate) fn create(len: usize) -> io::Result<OwnedFd> {
    let memory =
        above_standard(rustix::fs::memfd_create(c"parallel", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)?;
    let size = u64::try_from(len).map_err(io::Error::other)?;
    rustix::fs::ftruncate(&memory, size)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(memory)
}

/// Makes a block that holds a copy of `bytes`, to be handed to another process.
pub(crate) fn write_block(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memory = above_standard(rustix::fs::memfd_create(c"parallel", MemfdFlags::CLOEXEC)?)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// Reads the whole of a block that another process made. It is read, not mapped: whoever made it may still cut it
/// short, which here is an error and in a mapping would be a crash.
pub(crate) fn read_block(block: OwnedFd, len: usize) -> io::Result<Vec<u8>> {
    let size = rustix::fs::fstat(block.as_fd())?.st_size;
    if usize::try_from(size).is_ok_and(|size| size < len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; len];
    File::from(block).read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
