//! Shared memory of which a process maps only the parts that it uses.
//!
//! What is not mapped takes no address space, is in no core dump, and is not filled by `mlockall`. A part that was mapped
//! once stays so until the region is dropped: another process could overwrite any lock that its users hold, so no moment is
//! known at which none of them reads there.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use super::limits;
use super::mapping::Mapping;
use crate::sys::bytes::SharedBytes;
use crate::tuning::RING;

/// How much of such memory, from its start, every process maps at once, in bytes.
pub(crate) const HEAD: usize = (4 << 10) + RING;
/// How many parts there are at most behind the head.
pub(crate) const MOST: usize = 16;

/// The parts of a region that are mapped in this process.
#[derive(Debug, Default)]
pub(super) struct RegionParts([OnceLock<Mapping>; MOST]);

impl RegionParts {
    /// The bytes of a part, if it is mapped.
    #[inline]
    pub(super) fn bytes(&self, part: usize) -> Option<SharedBytes<'_>> {
        self.0.get(part)?.get().map(Mapping::bytes)
    }

    /// Maps a part: `len` bytes of `memory` from `offset` on, which are whole pages.
    ///
    /// # Errors
    ///
    /// When all that lies before its end is more than this process should use for one region, or can.
    pub(super) fn open(
        &self,
        part: usize,
        memory: BorrowedFd<'_>,
        offset: usize,
        len: usize,
    ) -> io::Result<SharedBytes<'_>> {
        let place = self.0.get(part).ok_or(io::ErrorKind::InvalidInput)?;
        limits::check_share(offset.saturating_add(len) as u64)?;
        let mapping = Mapping::part(memory, offset, len)?;
        // Another thread may have been first; ours is then unmapped.
        Ok(place.get_or_init(|| mapping).bytes())
    }
}
