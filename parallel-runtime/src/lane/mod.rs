//! The lane: the two-way path between a parent and one worker.
//!
//! # Protocol
//!
//! Parcels go round the two slots in turn, at both ends. The parent fills an empty slot, then knocks; the worker ends a
//! parcel, then rings the [bell](crate::lane::bell). A parcel that runs can be divided. What each word of that means, and
//! why no call is lost, stands in [`memory::words`](crate::lane::words).
//!
//! The worker publishes that it starts an item before it touches the item, and that the item is done after its reply is
//! written, at the latest when it starts the next one. So a worker's death shows which item it died of, and the replies
//! before that item are whole ([`memory::reply`](crate::lane::reply) does both).

pub(crate) mod bell;
pub(crate) mod bulk;
pub(crate) mod memory;
pub(crate) mod parent;
pub(crate) mod reply;
pub(crate) mod rows;
pub(crate) mod step;
pub(crate) mod words;
pub(crate) mod worker;
