//! Handles on their way through a control channel: a few to a message, ahead of the message that names them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::control::{Body, Control, Delivery, HandleKind, Note, Opening, Package, Report};
use crate::lane::bulk::Arrived;
use crate::sys::memory::{Access, Block, Region, random_id};
use crate::sys::socket::MAX_DESCRIPTORS;
use crate::sys::{BorrowedDescriptor, Descriptor};
use crate::wire::handles::{Handle, Handles, Ids};
use crate::wire::payload::Payload;

/// The message that carries descriptors ahead, in either direction.
pub(crate) trait Ahead: Serialize {
    fn ahead(notes: Vec<Note>) -> Self;
}

impl Ahead for Opening {
    fn ahead(notes: Vec<Note>) -> Self {
        Self::Handles(notes)
    }
}

impl Ahead for Delivery {
    fn ahead(notes: Vec<Note>) -> Self {
        Self::Handles(notes)
    }
}

impl Ahead for Report {
    fn ahead(notes: Vec<Note>) -> Self {
        Self::Handles(notes)
    }
}

/// The numbers of the memory that a worker keeps.
pub(crate) type KnownMemory = HashSet<u64, BuildHasherDefault<IdHash>>;

/// A hash of numbers that are random as they are: to hash them once more took a third of what a handle costs a call.
#[derive(Default)]
pub(crate) struct IdHash(u64);

impl Hasher for IdHash {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Sends `handles` ahead and returns their numbers. `known`: the memory that the receiver keeps, which is not sent
/// again; what is sent, and nothing else, is added to it. Handles for several messages may be sent in part where this fails.
pub(crate) fn send_ahead<M: Ahead>(
    control: &Control,
    handles: &[Handle],
    mut known: Option<&mut KnownMemory>,
    wait: bool,
) -> io::Result<Ids> {
    let mut ids = Ids::with_capacity(handles.len());
    let mut fresh: Vec<(Note, BorrowedDescriptor<'_>)> = Vec::new();
    for handle in handles {
        let note = note(handle).inspect_err(|_| unlearn(known.as_deref_mut(), &fresh))?;
        let (Some(note), Some(descriptor)) = (note, handle.descriptor()) else {
            ids.push(STAYS);
            continue;
        };
        ids.push(note.id);
        let kept = match (&mut known, handle) {
            (Some(known), Handle::Memory(region)) => {
                region.note_sent();
                !known.insert(note.id)
            }
            _ => false,
        };
        if !kept {
            fresh.push((note, descriptor));
        }
    }
    let mut unsent = fresh.as_slice();
    while !unsent.is_empty() {
        let (some, later) = unsent.split_at(unsent.len().min(MAX_DESCRIPTORS));
        let (notes, descriptors): (Vec<Note>, Vec<BorrowedDescriptor<'_>>) = some.iter().copied().unzip();
        let sent = control.send(&M::ahead(notes), &descriptors, wait);
        sent.inspect_err(|_| unlearn(known.as_deref_mut(), unsent))?;
        unsent = later;
    }
    Ok(ids)
}

/// Takes what was not sent out of what the receiver keeps.
fn unlearn(known: Option<&mut KnownMemory>, unsent: &[(Note, BorrowedDescriptor<'_>)]) {
    if let Some(known) = known {
        for (note, _) in unsent {
            known.remove(&note.id);
        }
    }
}

/// The number of a handle that is not sent, but has its place in the table.
const STAYS: u64 = 0;

fn note(handle: &Handle) -> io::Result<Option<Note>> {
    Ok(Some(match handle {
        Handle::Memory(region) => {
            let kind = match region.access() {
                Access::Shared => HandleKind::Shared,
                Access::InParts => HandleKind::InParts,
                Access::Frozen => HandleKind::Frozen,
            };
            Note { id: region.id(), kind }
        }
        Handle::Descriptor(_) => Note { id: random_id()?, kind: HandleKind::Descriptor },
        Handle::Bulk(bulk) => Note { id: bulk.announce(), kind: HandleKind::Bulk },
        Handle::Kept(_) | Handle::Arrived(_) => return Ok(None),
    }))
}

/// Sends a payload's handles ahead and packs the rest; the block, if there is one, is to be the last descriptor of the
/// message. It is `spare` filled anew, or stays there as a new one.
pub(crate) fn pack<'b, M: Ahead>(
    control: &Control,
    payload: &Payload,
    spare: &'b mut Option<Block>,
    wait: bool,
) -> io::Result<(Package, Option<&'b Block>)> {
    let handles = send_ahead::<M>(control, &payload.handles, None, wait)?;
    let (body, block) = Body::pack(&[&payload.bytes], spare)?;
    Ok((Package { body, handles }, block))
}

/// The handles that came ahead of a message.
#[derive(Debug, Default)]
pub(crate) struct Store {
    handles: HashMap<u64, Handle, BuildHasherDefault<IdHash>>,
    /// Why the latest loss happened, told when the lost thing is looked for.
    lost: Option<String>,
}

impl Store {
    /// Keeps what a message carried.
    ///
    /// # Errors
    ///
    /// When the kernel had no number free for a descriptor, or memory is not what it is said to be.
    pub(crate) fn keep(&mut self, notes: &[Note], descriptors: Vec<Descriptor>) -> io::Result<()> {
        let kept = self.try_keep(notes, descriptors);
        self.note_lost(kept)
    }

    fn note_lost<T>(&mut self, arrived: io::Result<T>) -> io::Result<T> {
        arrived.inspect_err(|error| self.lost = Some(error.to_string()))
    }

    /// Why the latest thing that was lost did not arrive, if one was.
    pub(crate) fn why_lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    fn try_keep(&mut self, notes: &[Note], descriptors: Vec<Descriptor>) -> io::Result<()> {
        if descriptors.len() < notes.len() {
            return Err(io::Error::other(
                "no descriptor was free to receive a shared handle; raise the limit (`ulimit -n`)",
            ));
        }
        for (note, descriptor) in notes.iter().zip(descriptors) {
            let handle = match note.kind {
                HandleKind::Shared => Handle::Memory(Region::adopt(note.id, Access::Shared, descriptor)?),
                HandleKind::InParts => Handle::Memory(Region::adopt(note.id, Access::InParts, descriptor)?),
                HandleKind::Frozen => Handle::Memory(Region::adopt(note.id, Access::Frozen, descriptor)?),
                HandleKind::Descriptor => Handle::Descriptor(Arc::new(descriptor)),
                HandleKind::Bulk => Handle::Arrived(Arc::new(Arrived::open(note.id, descriptor)?)),
            };
            self.handles.insert(note.id, handle);
        }
        Ok(())
    }

    /// Finds handles by their numbers. Descriptors are taken out; memory too, unless it is to be kept for later calls.
    pub(crate) fn find(&mut self, ids: impl Iterator<Item = u64>, keep_memory: bool) -> io::Result<Handles> {
        ids.map(|id| {
            if id == STAYS {
                return Ok(Handle::kept(()));
            }
            let missing = || match &self.lost {
                Some(why) => io::Error::other(format!("a shared handle did not arrive: {why}")),
                None => io::Error::other("a shared handle did not arrive"),
            };
            match self.handles.get(&id).ok_or_else(missing)? {
                memory @ Handle::Memory(_) if keep_memory => Ok(memory.clone()),
                _ => self.handles.remove(&id).ok_or_else(missing),
            }
        })
        .collect()
    }

    /// Whether all of these have arrived.
    pub(crate) fn has_all(&self, mut ids: impl Iterator<Item = u64>) -> bool {
        ids.all(|id| id == STAYS || self.handles.contains_key(&id))
    }

    /// Drops memory that its sender has dropped.
    pub(crate) fn forget(&mut self, id: u64) {
        self.handles.remove(&id);
    }

    /// Unpacks a message's payload.
    pub(crate) fn unpack(&mut self, package: Package, descriptors: &mut Vec<Descriptor>) -> io::Result<Payload> {
        let bytes = self.note_lost(package.body.unpack(descriptors))?;
        Ok(Payload { bytes, handles: self.find(package.handles.into_iter(), false)? })
    }
}
