//! What the parent sends beside the lane: handles, and parcels that are too large for it.

use std::collections::BTreeMap;
use std::io;

use crate::process::control::{Control, Delivery, Incoming};
use crate::process::transfer::Store;
use crate::wire::handles::Handles;
use crate::wire::parcel::ParcelReader;

/// What the parent sends beside the lane.
pub(super) struct Mailbox<'a> {
    pub(super) control: &'a Control,
    pub(super) store: Store,
    /// Parcels that were too large for the lane.
    pub(super) blocks: BTreeMap<u64, Vec<u8>>,
}

impl Mailbox<'_> {
    /// Receives one message. `wait`: until there is one; otherwise false when there is none.
    pub(super) fn receive(&mut self, wait: bool) -> io::Result<bool> {
        check_intact(self.control)?;
        match self.control.receive(wait)? {
            Incoming::Message(Delivery::Handles(notes), descriptors) => self.store.keep(&notes, descriptors)?,
            Incoming::Message(Delivery::Parcel { number, body }, mut descriptors) => {
                let parcel = body.unpack(&mut descriptors)?;
                self.blocks.insert(number, parcel);
            }
            Incoming::Message(Delivery::Forget(id), _) => self.store.forget(id),
            Incoming::Nothing => return Ok(false),
            Incoming::End => return Err(io::Error::other("the parent ended")),
        }
        Ok(true)
    }

    /// The parcel with this number, which was announced.
    pub(super) fn parcel(&mut self, number: u64) -> io::Result<Vec<u8>> {
        loop {
            if let Some(parcel) = self.blocks.remove(&number) {
                return Ok(parcel);
            }
            self.receive(true)?;
        }
    }

    /// The handles that a parcel names; they were sent ahead of it.
    pub(super) fn handles(&mut self, opened: &ParcelReader<'_>) -> io::Result<Handles> {
        if opened.handles().next().is_none() {
            return Ok(Handles::new());
        }
        // What is kept here from an earlier call was not sent again.
        if !self.store.has_all(opened.handles()) {
            while self.receive(false)? {}
        }
        self.store.find(opened.handles(), true)
    }
}

/// Refuses a channel that a task has closed, whatever has its number now.
pub(super) fn check_intact(control: &Control) -> io::Result<()> {
    if control.is_intact() { Ok(()) } else { Err(io::Error::other("the task closed the way to its program")) }
}
