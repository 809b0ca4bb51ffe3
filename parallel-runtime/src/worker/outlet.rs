//! Where outcomes leave a worker: into the lane, or beside it.

use std::io;
use std::time::Instant;

use super::is_forked_by_task;
use super::mailbox::check_intact;
use crate::lane::reply::{LONGEST_ENTRY, ReplyWriter, tag};
use crate::lane::worker::WorkerLane;
use crate::process::control::{Body, Control, Package, Report, SpareBlock, borrowed};
use crate::process::transfer;
use crate::run::items::Finish;
use crate::wire::codec::CodecError;
use crate::wire::handles::Ids;
use crate::wire::outcome::CallFailure;
use crate::wire::payload::Payload;
use crate::wire::reply;

/// Where outcomes go: into the lane, or beside it what does not fit there.
pub(super) struct Outlet<'a> {
    pub(super) control: &'a Control,
    pub(super) lane: &'a WorkerLane,
    pub(super) spare: &'a mut Option<SpareBlock>,
    pub(super) parcel: u64,
    /// Why nothing can be sent any more.
    pub(super) broken: Option<io::Error>,
}

impl Finish for Outlet<'_> {
    fn finish(
        &mut self,
        reply: Option<&mut ReplyWriter<'_>>,
        value: &mut Payload,
        failure: Option<CallFailure>,
    ) -> bool {
        reply.is_some_and(|reply| self.put(reply, reply.done(), value, failure))
    }
}

impl Outlet<'_> {
    /// Puts the outcome of an item where it fits; false when no other should follow.
    pub(super) fn put(
        &mut self,
        reply: &mut ReplyWriter<'_>,
        item: u32,
        value: &mut Payload,
        failure: Option<CallFailure>,
    ) -> bool {
        let failed = failure.is_some();
        if let Some(failure) = failure {
            value.handles.clear();
            value.bytes = reply::failure_bytes(failure);
        }
        let tag = if failed { tag::FAILURE } else { tag::VALUE };
        if value.handles.is_empty() && reply.push_entry(tag, &value.bytes) {
            return true;
        }
        // Where the area is full the parent takes it in, and sends the rest again.
        let full = value.handles.is_empty() && value.bytes.len() <= LONGEST_ENTRY;
        let sent = self.send_beside(item, value, failed);
        // There is room for it: an item is not started where there is none.
        reply.push_entry(tag::LARGE, &[]);
        // Do not keep the memory of one large value.
        value.handles.clear();
        value.bytes.clear();
        value.bytes.shrink_to(LONGEST_ENTRY);
        if let Err(error) = sent {
            self.broken = Some(error);
            return false;
        }
        !full
    }

    fn send_beside(&mut self, item: u32, value: &Payload, failed: bool) -> io::Result<()> {
        check_intact(self.control)?;
        if is_forked_by_task() {
            return Ok(());
        }
        // The parent reads the block no more once it has taken in the parcel that it was for.
        let free = self.spare.take().filter(|spare| self.lane.is_taken_in(spare.parcel));
        let mut block = free.map(|spare| spare.block);
        match transfer::pack::<Report>(self.control, value, &mut block, true) {
            Ok((package, filled)) => {
                let report = Report::Large { parcel: self.parcel, item, package, failed };
                self.control.send(&report, &borrowed(filled), true)?;
                *self.spare = block.map(|block| SpareBlock { block, parcel: self.parcel, since: Instant::now() });
                Ok(())
            }
            Err(error) => {
                // A failure is short enough to go in the message itself.
                let bytes = reply::failure_bytes(not_handed_over(value.bytes.len(), &error));
                let package = Package { body: Body::Inline(bytes), handles: Ids::new() };
                self.control.send(&Report::Large { parcel: self.parcel, item, package, failed: true }, &[], true)
            }
        }
    }
}

/// Why a result that was ready did not leave this process.
pub(super) fn not_handed_over(len: usize, error: &io::Error) -> CallFailure {
    let text = format!("the result of {len} bytes could not be handed over: {error}");
    CallFailure::Encode(CodecError::of_bytes(text).seen_by_worker())
}
