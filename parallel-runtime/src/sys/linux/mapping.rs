//! Shared memory as it is mapped into this process.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::refusal::Named;
use crate::sys::bytes::SharedBytes;

/// Memory that was mapped and is unmapped when this is dropped, unless it is to stay.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    stays: bool,
}

/// What this process does with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    /// It reads and writes.
    Write,
}

/// Which file a descriptor leads to, as long as the file is held: device and inode, stat(3type).
pub(crate) type FileIdentity = (u64, u64);

/// Which memory this is.
pub(crate) fn identity(memory: BorrowedFd<'_>) -> io::Result<FileIdentity> {
    let stat = rustix::fs::fstat(memory).named("fstat")?;
    Ok((stat.st_dev, stat.st_ino))
}

// SAFETY: plain memory, of no thread: accessed by atomics and copies, or under a seal or a lock.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of zeros that only this process sees.
    pub(crate) fn private(len: usize) -> io::Result<Self> {
        // SAFETY: a fresh mapping, at an address that the kernel chooses.
        let start = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }
        .named("mmap")?;
        Self::owning(start.cast(), len)
    }

    /// Maps `len` bytes of `memory`: every process that maps it sees the same bytes.
    pub(crate) fn shared(memory: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let (size, _) = sizes(memory)?;
        if size < len {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is smaller than its mapping"));
        }
        // SAFETY: a fresh mapping, at an address that the kernel chooses, inside the file.
        let start = unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, memory, 0)
        }
        .named("mmap")?;
        Self::owning(start.cast(), len)
    }

    /// Maps `len` bytes of sealed `memory` for reading only.
    pub(super) fn read_only(memory: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let map = |flags| {
            // SAFETY: a fresh mapping, at an address that the kernel chooses, inside the file (the caller looked).
            unsafe { rustix::mm::mmap(ptr::null_mut(), len, ProtFlags::READ, flags, memory, 0) }
        };
        let start = match map(MapFlags::SHARED) {
            // Write-sealed memory cannot be mapped as shared, even to read, before Linux 6.7 (commit 158978945f31), and in
            // 6.12 from commit 5de195060b2e until 8ec396d05d1b. A private mapping has the same pages while no process
            // writes, and none can.
            Err(rustix::io::Errno::PERM) => map(MapFlags::PRIVATE),
            outcome => outcome,
        }
        .named("mmap")?;
        Self::owning(start.cast(), len)
    }

    /// Maps `len` bytes of `memory` behind the first `skipped`, which are whole pages, all at once.
    pub(crate) fn behind(memory: BorrowedFd<'_>, skipped: usize, len: usize, access: Use) -> io::Result<Self> {
        let (size, taken) = sizes(memory)?;
        // Pages that were never written would be allocated here.
        if len == 0 || taken < len || size.checked_sub(skipped).is_none_or(|left| left < len) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is smaller than its mapping"));
        }
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        let protection = match access {
            Use::Read => ProtFlags::READ,
            Use::Write => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: a fresh mapping, at an address that the kernel chooses, inside the file.
        let start = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, flags, memory, skipped as u64) }
            .named("mmap")?;
        Self::owning(start.cast(), len)
    }

    /// Maps `len` bytes of `memory` from `offset` on, which are whole pages: every process that maps them sees the same
    /// bytes. They are not in core dumps, and not filled where the program locks whatever it maps: both would take memory
    /// for untouched pages.
    pub(super) fn part(memory: BorrowedFd<'_>, offset: usize, len: usize) -> io::Result<Self> {
        let (size, _) = sizes(memory)?;
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is smaller than its mapping"));
        }
        // SAFETY: a fresh mapping, at an address that the kernel chooses, inside the file.
        let start = unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, ProtFlags::empty(), MapFlags::SHARED, memory, offset as u64)
        }
        .named("mmap")?;
        let mapping = Self::owning(start.cast(), len)?;
        // Pages without access are not filled, and unlocked pages are not filled when access is given.
        // SAFETY: the mapping made above, which only this function uses yet.
        let _ = unsafe { rustix::mm::munlock(start, len) };
        // SAFETY: as above.
        unsafe { rustix::mm::mprotect(start, len, MprotectFlags::READ | MprotectFlags::WRITE) }.named("mprotect")?;
        // SAFETY: as above; the advice changes nothing of what the memory holds.
        let _ = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontDump) };
        Ok(mapping)
    }

    fn owning(start: *mut u8, len: usize) -> io::Result<Self> {
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mmap gave a null address"))?;
        Ok(Self { start, len, stays: false })
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// All of it, as bytes that others may write.
    #[inline]
    pub(crate) fn bytes(&self) -> SharedBytes<'_> {
        // SAFETY: mapped as long as `self`. References into a mapping are to atomic words, or to what no process writes while it
        // is borrowed: a seal or a held lock protects it, or it is a worker's arguments.
        unsafe { SharedBytes::new(self.as_ptr(), self.len) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives the memory of whole pages of a shared mapping back, in every process; they read as zeros from then on.
    pub(crate) fn release(&self, start: usize, len: usize) {
        if start.checked_add(len).is_none_or(|end| end > self.len) {
            return;
        }
        let first = self.as_ptr().wrapping_add(start);
        // Only a saving: where the kernel refuses, as it does for locked memory (madvise(2), `EINVAL`), the memory stays.
        // SAFETY: inside this mapping. References into it are to atomic words, which stay valid as zeros, or to bytes that the
        // caller knows to be unused.
        let _ = unsafe { rustix::mm::madvise(first.cast(), len, rustix::mm::Advice::LinuxRemove) };
    }

    /// Lets it stay mapped as long as the process.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // SAFETY: exactly the mapping made at birth. References into it borrow this owner, so none is left.
        let _ = unsafe { rustix::mm::munmap(self.as_ptr().cast(), self.len) };
    }
}

/// How many bytes `memory` has, and how many of them take memory because they were written.
pub(crate) fn sizes(memory: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    let stat = rustix::fs::fstat(memory).named("fstat")?;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok((number(stat.st_size), number(stat.st_blocks).saturating_mul(512)))
}
