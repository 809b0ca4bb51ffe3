//! The wires of a pipe: a pair of connected sockets. Handles go into the sending end and come out of the receiving end.
//! Each end shows when no process holds the other any more, even if all were killed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::process::control::{Control, Incoming, Note};
use crate::process::transfer::{Ahead, Store, send_ahead};
use crate::sys::socket::{MAX_DESCRIPTORS, Socket};
use crate::sys::wait::monotonic_nanos;
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};
use crate::tuning::BETWEEN_LOOKS;
use crate::wire::handles::{Handle, Handles, Ids};

/// One end of the pair.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    descriptor: Arc<Descriptor>,
    control: Arc<Control>,
}

impl Wire {
    /// Makes both ends: the sending one, and the receiving one.
    pub(super) fn pair() -> Result<(Self, Self)> {
        let (into, out) = Socket::pair().map_err(|error| none_left(&error))?;
        Ok((Self::of(into.into_shared()), Self::of(out.into_shared())))
    }

    pub(super) fn of(descriptor: Arc<Descriptor>) -> Self {
        Self { control: Arc::new(Control::new(Socket::shared(Arc::clone(&descriptor)))), descriptor }
    }

    pub(super) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    fn other_end_is_gone(&self) -> bool {
        Socket::shared(Arc::clone(&self.descriptor)).is_at_end()
    }
}

/// The error where there is no memory or descriptor for another queue.
pub(super) fn none_left(error: &io::Error) -> Error {
    Error::invalid(format!("the system has no memory or descriptor left for a queue: {error}"))
}

/// What travels on the wires. The handles of a message of the pipe are one message here, so that all or none are put in.
#[derive(Debug, Serialize, Deserialize)]
enum Beside {
    Handles(Vec<Note>),
    /// The handles are too many for one message. Each descriptor is a wire that carries some of them.
    Bundles,
}

impl Ahead for Beside {
    fn ahead(notes: Vec<Note>) -> Self {
        Self::Handles(notes)
    }
}

/// What a process holds of a pipe's wires.
#[derive(Debug)]
pub(super) struct Wires {
    /// The sending end.
    pub(super) into: Option<Wire>,
    /// The receiving end.
    pub(super) out: Option<Wire>,
    /// When a receiver was last seen to be left.
    looked: AtomicU64,
    /// The count of dropped ends at that time.
    drops: AtomicU64,
}

impl Wires {
    pub(super) fn new(into: Option<Wire>, out: Option<Wire>) -> Self {
        Self { into, out, looked: AtomicU64::new(0), drops: AtomicU64::new(u64::MAX) }
    }

    /// Whether no receiver is left. `drops`: how many ends of the pipe were ever dropped.
    pub(super) fn receivers_are_gone(&self, drops: u32) -> bool {
        let (Some(into), None) = (&self.into, &self.out) else { return false };
        let now = monotonic_nanos();
        let fresh = Duration::from_nanos(now.saturating_sub(self.looked.load(Relaxed))) < BETWEEN_LOOKS;
        if fresh && self.drops.load(Relaxed) == u64::from(drops) {
            return false;
        }
        let gone = into.other_end_is_gone();
        if !gone {
            self.looked.store(now, Relaxed);
            self.drops.store(u64::from(drops), Relaxed);
        }
        gone
    }

    /// Whether no sender is left.
    pub(super) fn senders_are_gone(&self) -> bool {
        match (&self.into, &self.out) {
            (None, Some(out)) => out.other_end_is_gone(),
            _ => false,
        }
    }

    /// Puts the handles of one message in, and returns their numbers. All are sent or none; `WouldBlock`: there is no room
    /// now.
    pub(super) fn send_handles(&self, handles: &[Handle]) -> io::Result<Ids> {
        let Some(into) = &self.into else { return Ok(Ids::new()) };
        if handles.len() <= MAX_DESCRIPTORS {
            return send_ahead::<Beside>(into.control(), handles, None, false);
        }
        if handles.len() > MAX_DESCRIPTORS * MAX_DESCRIPTORS {
            return Err(io::Error::other(format!("{} handles are more than a message can have", handles.len())));
        }
        let mut ids = Ids::with_capacity(handles.len());
        let mut bundles = Vec::new();
        for some in handles.chunks(MAX_DESCRIPTORS) {
            let (in_there, out) = Socket::pair()?;
            ids.extend(send_ahead::<Beside>(&Control::new(in_there), some, None, false)?);
            bundles.push(out);
        }
        let bundles: Vec<BorrowedDescriptor<'_>> = bundles.iter().map(AsDescriptor::as_descriptor).collect();
        into.control().send(&Beside::Bundles, &bundles, false)?;
        Ok(ids)
    }

    /// Takes out the handles of a message with these numbers.
    pub(super) fn receive_handles(&self, ids: &[u64]) -> io::Result<Handles> {
        let missing = || io::Error::other("a shared handle did not arrive");
        let out = self.out.as_ref().ok_or_else(missing)?;
        let mut store = Store::default();
        while !store.has_all(ids.iter().copied()) {
            // Handles of a message that was never put in may lie before these; they are dropped with `store`.
            if !take_into(&mut store, out.control())? {
                return Err(missing());
            }
        }
        store.find(ids.iter().copied(), false)
    }
}

/// Takes one message from a wire; `false`: there is none.
fn take_into(store: &mut Store, control: &Control) -> io::Result<bool> {
    let Some(bundles) = take_handles(store, control)? else { return Ok(false) };
    for bundle in bundles {
        let inside = take_handles(store, &Control::new(Socket::shared(Arc::new(bundle))))?;
        // No sender puts bundles into a bundle: such could go on without end.
        if inside.is_some_and(|bundles| !bundles.is_empty()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "some process wrote what is no handle"));
        }
    }
    Ok(true)
}

/// Takes one message, and returns its bundles; `None`: there is no message.
fn take_handles(store: &mut Store, control: &Control) -> io::Result<Option<Vec<Descriptor>>> {
    match control.receive::<Beside>(false)? {
        Incoming::Message(Beside::Handles(notes), descriptors) => {
            store.keep(&notes, descriptors).map(|()| Some(Vec::new()))
        }
        Incoming::Message(Beside::Bundles, descriptors) => Ok(Some(descriptors)),
        Incoming::Nothing | Incoming::End => Ok(None),
    }
}

/// Decodes `data` as a message beside a ring.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_notes(data: &[u8]) {
    drop(crate::wire::codec::decode_whole::<Beside>(data));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::Region;

    /// How many descriptors of other things than bundles came out, until there were no more.
    fn drain(wires: &Wires, mut messages: usize) -> Vec<u64> {
        fn ids(control: &Control, into: &mut Vec<u64>) -> bool {
            match control.receive::<Beside>(false).unwrap() {
                Incoming::Message(Beside::Handles(notes), descriptors) => {
                    assert_eq!(notes.len(), descriptors.len());
                    into.extend(notes.iter().map(|note| note.id));
                }
                Incoming::Message(Beside::Bundles, descriptors) => {
                    for bundle in descriptors {
                        assert!(ids(&Control::new(Socket::shared(Arc::new(bundle))), into));
                    }
                }
                Incoming::Nothing | Incoming::End => return false,
            }
            true
        }
        let mut found = Vec::new();
        while messages > 0 && ids(wires.out.as_ref().unwrap().control(), &mut found) {
            messages -= 1;
        }
        found
    }

    #[test]
    fn many_handles_and_no_room_are_sent_once_and_all_or_none() {
        let (into, out) = Wire::pair().unwrap();
        let wires = Wires::new(Some(into), Some(out));
        let memory = || Handle::Memory(Region::zeroed(8).unwrap());
        for count in [200, MAX_DESCRIPTORS, MAX_DESCRIPTORS + 1, 2 * MAX_DESCRIPTORS + 1] {
            let handles: Handles = (0..count).map(|_| memory()).collect();
            let one = [memory()];
            let (mut before, mut after) = (0, Vec::new());
            loop {
                match wires.send_handles(&one) {
                    Ok(_) => before += 1,
                    Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
                }
            }
            // Room for a little more each time: at some point for a part of the message, if it came in parts.
            let ids = loop {
                match wires.send_handles(&handles) {
                    Ok(ids) => break ids,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
                }
                after.extend(drain(&wires, 1));
            };
            after.extend(drain(&wires, usize::MAX));
            assert_eq!(after.len(), before + count);
            assert_eq!(&after[before..], &ids[..]);
        }
    }

    #[test]
    fn more_handles_than_fit_a_message_arrive_in_their_order() {
        let (into, out) = Wire::pair().unwrap();
        let wires = Wires::new(Some(into), Some(out));
        let regions: Vec<_> = (0..MAX_DESCRIPTORS + 7).map(|_| Region::zeroed(8).unwrap()).collect();
        let handles: Handles = regions.iter().cloned().map(Handle::Memory).collect();
        let ids = wires.send_handles(&handles).unwrap();
        let came = wires.receive_handles(&ids).unwrap();
        for (came, region) in came.iter().zip(&regions) {
            assert!(matches!(came, Handle::Memory(came) if came.id() == region.id()));
        }
        assert_eq!(came.len(), regions.len());
    }
}
