//! A pipe: a ring with a lock for each side, and with a bell for each side to wait on.
//!
//! Each side puts in or takes out under its own lock. A move to another level needs both locks: a sender that grows the
//! ring waits for the receivers' lock; a receiver that shrinks it only tries the senders' lock, so the two cannot
//! deadlock. Every change is whole (see [`marks`](super::words::marks)), so a lock whose holder died is taken over, and
//! nothing needs mending. A sender that finds the ring full, and a receiver that finds it empty, wait for a [`QueueBell`].
//!
//! Handles travel beside the ring, through a pair of sockets of which every process with the pipe has an end: a message's
//! handles are put in before the message, and taken out with it. The sockets also tell when no process is left at the
//! other end, even if all were killed.
//!
//! Longer than 400 lines: both sides of a pipe, with what each must know of the other, are read together.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, SeqCst};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::SendError;
use super::message::{EncodedMessage, ReceiveBuffer, encoded};
use super::patience::{Patience, spin};
use super::ring::{self, Popped, Ring, RingSlot, RingWords, Space, Trouble};
use super::sockets::{Wires, none_left};
use super::words::bell::QueueBell;
use super::words::marks::RingError;
use super::words::side_lock::{SideGuard, SideLock};
use crate::error::{Error, ErrorKind, Result};
use crate::process::peer::PeerError;
use crate::sys::limits::{self, UserLimit};
use crate::sys::memory::{Access, Region};
use crate::tuning::REFILLED_PART;
use crate::wire::codec::CodecError;
use crate::wire::given::Given;
use crate::wire::payload::Payload;

/// The words of a pipe.
#[repr(C)]
struct PipeWords {
    /// Held by a sender while it puts a message in.
    senders: SideLock,
    /// Held by a receiver while it takes a message out.
    receivers: SideLock,
    /// Rung by a sender after it has put a message in; receivers wait on it.
    arrivals: QueueBell,
    /// Rung by a receiver after it has taken a message out; senders wait on it.
    departures: QueueBell,
    status: PipeStatus,
    ring: RingWords,
}

/// Words that hardly ever change: they stay in every reader's cache.
#[repr(C, align(128))]
struct PipeStatus {
    /// 1: sends are refused.
    closed: AtomicU32,
    /// How often a process has dropped an end.
    drops: AtomicU32,
}

/// What a receiver that finds no message does next.
enum WaitStep {
    /// Looks for some microseconds without sleeping.
    Spin,
    Sleep,
    /// No message will come any more: if one last look finds none, returns `Closed`.
    LastLook,
}

#[derive(Debug)]
pub(super) struct Pipe {
    region: Arc<Region>,
    ring: Ring,
}

impl Pipe {
    /// Makes an empty pipe for at most `bound` waiting messages, of `width` bytes each if that is known.
    pub(super) fn create(bound: usize, width: Option<usize>) -> Result<Self> {
        // No larger than messages can need: file sizes may be limited, and some tools save whole files.
        let len = ring::region_len(bound, width, limits::of(UserLimit::FileSize).unwrap_or(u64::MAX));
        Region::in_parts(len).map(Self::of).map_err(|error| none_left(&error))
    }

    /// Finds the pipe in a region that another process handed over; `None` when it is no pipe's.
    pub(super) fn open(region: Arc<Region>) -> Option<Self> {
        (region.access() == Access::InParts).then(|| Self::of(region))
    }

    fn of(region: Arc<Region>) -> Self {
        let ring = Ring::new(Arc::clone(&region), std::mem::offset_of!(PipeWords, ring));
        Self { region, ring }
    }

    /// The same pipe again, for another end of it.
    pub(super) fn again(&self) -> Self {
        Self::of(Arc::clone(&self.region))
    }

    pub(super) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    fn words(&self) -> &PipeWords {
        // SAFETY: a region starts on a page and is larger than the words (`Ring::new` looked), which are atomic and may
        // hold any bits; it lives as long as `self`.
        unsafe { &*self.region.as_ptr().cast::<PipeWords>() }
    }

    /// Takes the lock of one side; `None`: not free in time.
    #[inline]
    fn lock_side(lock: &SideLock, patience: Patience) -> Option<SideGuard<'_>> {
        match patience {
            Patience::Endless => Some(lock.lock()),
            Patience::None => lock.try_lock(),
            Patience::Until(_) => lock.lock_until(patience.deadline()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.words().status.closed.load(Acquire) != 0
    }

    /// Refuses all later sends, and wakes all waiters.
    pub(super) fn close(&self) {
        self.words().status.closed.store(1, SeqCst);
        self.ring_all();
    }

    /// Counts an end that this process has dropped, and wakes all waiters to look whether an end is left.
    pub(super) fn note_drop(&self) {
        self.words().status.drops.fetch_add(1, SeqCst);
        self.ring_all();
    }

    fn ring_all(&self) {
        self.words().arrivals.ring_all();
        self.words().departures.ring_all();
    }

    /// Sends a message; `false`: there was no room in time. `bound`: how many messages may wait.
    #[inline]
    pub(super) fn send<T: Serialize>(
        &self,
        message: &T,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> Result<bool> {
        encoded(message, |message| self.put_or_wait(message, bound, patience, wires))
    }

    /// Sends an owned message; gives it back where there was no room in time, and on an error.
    #[inline]
    pub(super) fn send_given<T: Serialize>(
        &self,
        message: T,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> std::result::Result<Option<T>, SendError<T>> {
        let message = Given::new(message);
        match self.send(&*message, bound, patience, wires) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(message.into_inner())),
            Err(error) => Err(SendError::new(message.into_inner(), error)),
        }
    }

    /// Receives the first message; `None`: there was none in time.
    #[inline]
    pub(super) fn receive<T: DeserializeOwned>(&self, patience: Patience, wires: &Wires) -> Result<Option<T>> {
        let mut message = ReceiveBuffer::of::<T>();
        if self.take_or_wait(&mut message, patience, wires)? {
            message.decode().map(Some)
        } else {
            message.give_up();
            Ok(None)
        }
    }

    /// Puts a message in, and waits for room; `false`: there was none in time.
    fn put_or_wait(
        &self,
        message: &EncodedMessage<'_>,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> Result<bool> {
        let PipeWords { senders, arrivals, departures, status, .. } = self.words();
        let mut spun = false;
        loop {
            let before = departures.rings();
            if wires.receivers_are_gone(status.drops.load(Acquire)) {
                return Err(Error::new(ErrorKind::Closed));
            }
            let Some(held) = Self::lock_side(senders, patience) else { return Ok(false) };
            if self.is_closed() {
                return Err(Error::new(ErrorKind::Closed));
            }
            if self.try_put(message, bound, patience, wires)? {
                drop(held);
                arrivals.ring();
                return Ok(true);
            }
            let Some(slice) = patience.slice() else { return Ok(false) };
            if !spun {
                drop(held);
                // Until a part of the bound is free: less to and fro between the sides than for each message.
                spin(|| self.ring.len() <= bound - bound / REFILLED_PART);
                spun = true;
                continue;
            }
            let mut put = Ok(false);
            let act = || {
                put = self.try_put(message, bound, patience, wires);
                !matches!(put, Ok(false))
            };
            departures.wait(before, held, act, slice);
            if !matches!(put, Ok(false)) {
                arrivals.ring();
                return put;
            }
            spun = false;
        }
    }

    /// Takes the first message out, and waits for one; `false`: there was none in time.
    fn take_or_wait(&self, message: &mut ReceiveBuffer, patience: Patience, wires: &Wires) -> Result<bool> {
        let PipeWords { senders, receivers, arrivals, departures, .. } = self.words();
        let mut next = if matches!(patience, Patience::None) { WaitStep::Sleep } else { WaitStep::Spin };
        loop {
            let Some(held) = Self::lock_side(receivers, patience) else { return Ok(false) };
            if self.try_take(message, wires)? {
                drop(held);
                departures.ring();
                return Ok(true);
            }
            match next {
                WaitStep::LastLook => return Err(Error::new(ErrorKind::Closed)),
                WaitStep::Spin => {
                    drop(held);
                    spin(|| self.ring.len() > 0);
                    next = WaitStep::Sleep;
                    continue;
                }
                WaitStep::Sleep => {}
            }
            let before = arrivals.rings();
            if self.is_closed() || wires.senders_are_gone() {
                // A sender may have put a message in since the look, or be about to: wait until it has freed its lock.
                drop(held);
                if Self::lock_side(senders, patience).is_none() {
                    return Ok(false);
                }
                next = WaitStep::LastLook;
                continue;
            }
            let Some(slice) = patience.slice() else { return Ok(false) };
            let mut taken = Ok(false);
            let act = || {
                taken = self.try_take(message, wires);
                !matches!(taken, Ok(false))
            };
            arrivals.wait(before, held, act, slice);
            if !matches!(taken, Ok(false)) {
                departures.ring();
                return taken;
            }
            next = WaitStep::Spin;
        }
    }

    /// Puts a message in, under the senders' lock; `false`: the message, or its handles, have no room now.
    #[inline]
    fn try_put(&self, message: &EncodedMessage<'_>, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let EncodedMessage { head, bytes, handles } = message;
        if !handles.is_empty() {
            return self.put_with_handles(message, bound, patience, wires);
        }
        let Some(slot) = self.slot(head.len() + bytes.len(), bound, patience)? else { return Ok(false) };
        slot.fill(head, bytes, 0);
        Ok(true)
    }

    #[cold]
    fn put_with_handles(
        &self,
        message: &EncodedMessage<'_>,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> Result<bool> {
        let EncodedMessage { head, bytes, handles } = message;
        let len = handles.len() * size_of::<u64>();
        let Some(slot) = self.slot(len + head.len() + bytes.len(), bound, patience)? else { return Ok(false) };
        let ids = match wires.send_handles(handles) {
            Ok(ids) => ids,
            Err(error) => match PeerError::of(&error) {
                PeerError::Full => return Ok(false),
                // The last receiver has gone since the look in `put_or_wait`.
                PeerError::Gone => return Err(Error::new(ErrorKind::Closed)),
                PeerError::Here => return Err(none_left(&error)),
            },
        };
        let count = ids.len() as u64;
        let ids: Vec<u8> = ids.into_iter().flat_map(u64::to_le_bytes).collect();
        slot.fill(&[&ids, *head].concat(), bytes, count);
        Ok(true)
    }

    /// Finds room for a message of `len` bytes, under the senders' lock; `None`: there is no room now.
    #[inline]
    fn slot(&self, len: usize, bound: usize, patience: Patience) -> Result<Option<RingSlot<'_>>> {
        match self.ring.room(len, bound) {
            Ok(Space::Enough(slot)) => Ok(Some(slot)),
            Ok(Space::Full) => Ok(None),
            Ok(Space::Narrow) => self.grow(len, bound, patience),
            Err(trouble) => Err(self.refused(trouble, len)),
        }
    }

    #[cold]
    fn grow(&self, len: usize, bound: usize, patience: Patience) -> Result<Option<RingSlot<'_>>> {
        let Some(_both) = Self::lock_side(&self.words().receivers, patience) else { return Ok(None) };
        self.ring.grow(len).map_err(|trouble| self.refused(trouble, len))?;
        match self.ring.room(len, bound) {
            Ok(Space::Enough(slot)) => Ok(Some(slot)),
            Ok(Space::Full) => Ok(None),
            Ok(Space::Narrow) => Err(self.refused(RingError::Spoilt.into(), len)),
            Err(trouble) => Err(self.refused(trouble, len)),
        }
    }

    /// Why the ring has no room for a message of `len` bytes.
    #[cold]
    fn refused(&self, trouble: Trouble, len: usize) -> Error {
        match trouble {
            Trouble::Ring(RingError::TooLarge) => {
                let cause = if self.ring.is_cut_short() {
                    "; it was made where files may not be larger: raise the limit (`ulimit -f`)"
                } else {
                    ""
                };
                let most = self.ring.most();
                Error::invalid(format!("a message of {len} bytes has no room in a queue of {most} bytes{cause}"))
            }
            Trouble::Ring(RingError::Spoilt) => spoilt(),
            Trouble::NoAddressSpace(error) => {
                Error::invalid(format!("the queue has no address space for a message of {len} bytes: {error}"))
            }
        }
    }

    /// Takes the first message out, under the receivers' lock; `false`: there is none.
    #[inline]
    fn try_take(&self, message: &mut ReceiveBuffer, wires: &Wires) -> Result<bool> {
        let (number, bytes) = message.places();
        let popped = self.ring.pop(number, bytes).map_err(|trouble| match trouble {
            Trouble::Ring(_) => spoilt(),
            Trouble::NoAddressSpace(error) => {
                Error::invalid(format!("this process has no address space for what waits in the queue: {error}"))
            }
        })?;
        match popped {
            None => {
                // A process that grew the ring, or emptied it, may have been killed before it could shrink it.
                if self.ring.may_shrink() {
                    self.shrink();
                }
                return Ok(false);
            }
            Some(Popped::Short) => message.is_number = true,
            Some(Popped::Long { handles }) => {
                if handles > 0 {
                    take_apart(&mut message.payload, handles, wires)?;
                }
            }
        }
        if self.ring.may_shrink() {
            self.shrink();
        }
        Ok(true)
    }

    #[cold]
    fn shrink(&self) {
        // A sender that holds its lock may grow the ring at once. If it does not, the next receiver shrinks the ring.
        if let Some(_both) = self.words().senders.try_lock() {
            self.ring.shrink();
        }
    }
}

/// Finds the handles of a message, whose numbers are in front of its bytes; under the receivers' lock.
#[cold]
fn take_apart(message: &mut Payload, handles: u64, wires: &Wires) -> Result<()> {
    let len = usize::try_from(handles).ok().and_then(|handles| handles.checked_mul(size_of::<u64>()));
    let len = len.filter(|&len| len <= message.bytes.len()).ok_or_else(spoilt)?;
    let rest = message.bytes.split_off(len);
    let ids = std::mem::replace(&mut message.bytes, rest);
    let ids: Vec<u64> = ids.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap_or_default())).collect();
    message.handles = wires.receive_handles(&ids).map_err(|error| {
        let text = format!("a message was lost, because its handles could not be received: {error}");
        Error::new(ErrorKind::Decode(CodecError::of_bytes(text)))
    })?;
    Ok(())
}

fn spoilt() -> Error {
    Error::new(ErrorKind::Decode(CodecError::of_bytes("some process wrote over the memory of the queue")))
}

#[cfg(test)]
mod tests {
    use super::super::sockets::Wire;
    use super::*;
    use crate::wire::handles::Handle;

    #[test]
    fn handles_for_a_receiver_that_was_just_killed_are_refused_as_any_message_is() {
        let pipe = Pipe::create(usize::MAX, None).unwrap();
        let (into, out) = Wire::pair().unwrap();
        let wires = Wires::new(Some(into), None);
        let handles = [Handle::Memory(Region::zeroed(8).unwrap())];
        let message = EncodedMessage { head: &[], bytes: b"message", handles: &handles };
        assert!(pipe.try_put(&message, usize::MAX, Patience::None, &wires).unwrap());
        drop(out);
        // `put_or_wait` looks only now and then whether a receiver is left.
        let error = pipe.try_put(&message, usize::MAX, Patience::None, &wires).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    }

    #[test]
    fn the_memory_that_a_killed_sender_had_taken_is_given_back() {
        const LEN: usize = 64 << 20;
        let pipe = Pipe::create(usize::MAX, None).unwrap();
        let (into, out) = Wire::pair().unwrap();
        let wires = Wires::new(Some(into), Some(out));
        let taken = || crate::sys::memory::sizes(pipe.region().descriptor()).unwrap().1;
        // A sender grows the ring, and is killed amid its message.
        pipe.ring.grow(LEN).unwrap();
        let Ok(Space::Enough(slot)) = pipe.ring.room(LEN, usize::MAX) else { panic!("there is room") };
        slot.fill_in_vain(&vec![1; LEN]);
        assert!(taken() >= LEN);
        assert_eq!(pipe.receive::<u64>(Patience::None, &wires).unwrap(), None);
        assert!(taken() < 1 << 20, "{} bytes", taken());
        assert!(pipe.send(&7_u64, usize::MAX, Patience::None, &wires).unwrap());
        assert_eq!(pipe.receive(Patience::None, &wires).unwrap(), Some(7_u64));
    }
}
