//! A pipe: a ring behind a lock for either side, with somebody waiting at either end.
//!
//! Each side changes the ring under its own lock only, and both locks, the senders' first, are held while it moves to
//! another level. Every change is whole (see [`marks`](super::words::marks)), so a lock whose holder died is taken over and
//! nothing more is to be done. Whoever finds the ring empty or full waits for a [`Bell`].
//!
//! Handles travel beside the ring, through a pair of sockets that every holder has: a message's handles are put in before
//! the message, and taken out with it. Its sockets also tell when everybody at the other end is gone, however they went.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::SendError;
use super::message::{Incoming, Outgoing, encoded};
use super::ring::{self, Popped, Ring, RingWords, Slot, Space, Trouble};
use super::sockets::{Wires, none_left};
use super::words::bell::Bell;
use super::words::marks::RingError;
use super::words::turn::{Held, Turn};
use crate::error::{Error, ErrorKind, Result};
use crate::process::peer::Refused;
use crate::sync::words::platform::WaitDeadline;
use crate::sys::limits::{self, Limit};
use crate::sys::memory::{Access, Region};
use crate::wire::codec::CodecError;
use crate::wire::given::Given;
use crate::wire::payload::Payload;

/// How long one who waits sleeps before he looks again whether the other end lives.
const SLICE: Duration = Duration::from_millis(50);
/// How often one who waits looks before he sleeps.
const LOOKS: u32 = 12;
/// How long he pauses between two looks, in turns of the processor's pause, so that the other side keeps its cache
/// lines meanwhile and puts in several messages: some microseconds in all.
const PAUSES: u32 = 32;
/// The words of a pipe.
#[repr(C)]
struct PipeWords {
    /// Held by who puts in.
    senders: Turn,
    /// Held by who takes out.
    receivers: Turn,
    /// Rung by who has put in.
    arrivals: Bell,
    /// Rung by who has taken out.
    departures: Bell,
    ends: Ends,
    ring: RingWords,
}

/// Words that hardly ever change, so that looking at them costs nothing.
#[repr(C, align(128))]
struct Ends {
    /// 1: nothing more is put in.
    closed: AtomicU32,
    /// How many ends were dropped.
    drops: AtomicU32,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// For a timeout; one beyond the clock's end is endless.
    pub(super) fn timeout(timeout: Duration) -> Self {
        Instant::now().checked_add(timeout).map_or(Self::Endless, Self::Until)
    }

    /// How long to sleep now; `None`: not at all any more.
    fn slice(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Endless => Some(SLICE),
            Self::Until(at) => {
                let left = at.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(SLICE))
            }
        }
    }

    fn deadline(self) -> WaitDeadline {
        match self {
            Self::None => WaitDeadline::after(Duration::ZERO),
            Self::Until(at) => WaitDeadline::after(at.saturating_duration_since(Instant::now())),
            Self::Endless => WaitDeadline::NEVER,
        }
    }
}

/// The pipe's memory.
#[derive(Debug)]
pub(super) struct Pipe {
    region: Arc<Region>,
    ring: Ring,
}

impl Pipe {
    /// Makes an empty pipe, in which at most `bound` messages of `width` bytes each wait, if it is known how long they are.
    pub(super) fn create(bound: usize, width: Option<usize>) -> Result<Self> {
        // What can never be needed makes no file larger: some limit that, and some save all of it.
        let len = ring::region_len(bound, width, limits::of(Limit::FileSize).unwrap_or(u64::MAX));
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

    /// Takes a turn; `None`: not in time.
    #[inline]
    fn take_turn(turn: &Turn, patience: Patience) -> Option<Held<'_>> {
        match patience {
            Patience::Endless => Some(turn.take()),
            Patience::None => turn.try_take(),
            Patience::Until(_) => turn.take_until(patience.deadline()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.words().ends.closed.load(Acquire) != 0
    }

    /// Lets nothing more be put in, and wakes everybody who waits.
    pub(super) fn close(&self) {
        self.words().ends.closed.store(1, SeqCst);
        self.ring_all();
    }

    /// An end was dropped: lets everybody who waits look again.
    pub(super) fn note_drop(&self) {
        self.words().ends.drops.fetch_add(1, SeqCst);
        self.ring_all();
    }

    /// Lets everybody who waits look again.
    fn ring_all(&self) {
        self.words().arrivals.ring_all();
        self.words().departures.ring_all();
    }

    /// Sends a message; false: there was no room in time. `bound`: how many may wait.
    #[inline]
    pub(super) fn send<T: Serialize>(
        &self,
        message: &T,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> Result<bool> {
        encoded(message, |message| self.put_in(message, bound, patience, wires))
    }

    /// Sends a message that is given away; where there was no room in time, or on an error, it comes back.
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
        let mut message = Incoming::of::<T>();
        if self.take_out(&mut message, patience, wires)? {
            message.decode().map(Some)
        } else {
            message.give_up();
            Ok(None)
        }
    }

    /// Puts a message in; false: there was no room in time.
    fn put_in(&self, message: &Outgoing<'_>, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let PipeWords { senders, arrivals, departures, ends, .. } = self.words();
        let mut spun = false;
        loop {
            let before = departures.rings();
            if wires.receivers_are_gone(ends.drops.load(Acquire)) {
                return Err(Error::new(ErrorKind::Closed));
            }
            let Some(held) = Self::take_turn(senders, patience) else { return Ok(false) };
            if self.is_closed() {
                return Err(Error::new(ErrorKind::Closed));
            }
            if self.put(message, bound, patience, wires)? {
                drop(held);
                arrivals.ring();
                return Ok(true);
            }
            let Some(slice) = patience.slice() else { return Ok(false) };
            if !spun {
                drop(held);
                // Some room at once is less to and fro than one place at a time.
                spin(|| self.ring.len() <= bound / 4 * 3);
                spun = true;
                continue;
            }
            let mut put = Ok(false);
            let act = || {
                put = self.put(message, bound, patience, wires);
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

    /// Takes the first message out; false: there was none in time.
    fn take_out(&self, message: &mut Incoming, patience: Patience, wires: &Wires) -> Result<bool> {
        let PipeWords { senders, receivers, arrivals, departures, .. } = self.words();
        let (mut over, mut spun) = (false, matches!(patience, Patience::None));
        loop {
            let Some(held) = Self::take_turn(receivers, patience) else { return Ok(false) };
            if self.take(message, wires)? {
                drop(held);
                departures.ring();
                return Ok(true);
            }
            if over {
                return Err(Error::new(ErrorKind::Closed));
            }
            if !spun {
                drop(held);
                spin(|| self.ring.len() > 0);
                spun = true;
                continue;
            }
            let before = arrivals.rings();
            over = self.is_closed() || wires.senders_are_gone();
            if over {
                // What they put in before they went is looked for once more, after those who are at it.
                drop(held);
                if Self::take_turn(senders, patience).is_none() {
                    return Ok(false);
                }
                continue;
            }
            let Some(slice) = patience.slice() else { return Ok(false) };
            let mut taken = Ok(false);
            let act = || {
                taken = self.take(message, wires);
                !matches!(taken, Ok(false))
            };
            arrivals.wait(before, held, act, slice);
            if !matches!(taken, Ok(false)) {
                departures.ring();
                return taken;
            }
            spun = false;
        }
    }

    /// Puts a message in, under the senders' lock; false: it, or its handles, have no room now.
    #[inline]
    fn put(&self, message: &Outgoing<'_>, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let Outgoing { head, bytes, handles } = message;
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
        message: &Outgoing<'_>,
        bound: usize,
        patience: Patience,
        wires: &Wires,
    ) -> Result<bool> {
        let Outgoing { head, bytes, handles } = message;
        let len = handles.len() * size_of::<u64>();
        let Some(slot) = self.slot(len + head.len() + bytes.len(), bound, patience)? else { return Ok(false) };
        let ids = match wires.send_handles(handles) {
            Ok(ids) => ids,
            Err(error) => match Refused::of(&error) {
                Refused::Full => return Ok(false),
                // The last receiver has gone since somebody looked.
                Refused::Gone => return Err(Error::new(ErrorKind::Closed)),
                Refused::Here => return Err(none_left(&error)),
            },
        };
        let count = ids.len() as u64;
        let ids: Vec<u8> = ids.into_iter().flat_map(u64::to_le_bytes).collect();
        slot.fill(&[&ids, *head].concat(), bytes, count);
        Ok(true)
    }

    /// Finds room for a message of `len` bytes, under the senders' lock; `None`: there is none now.
    #[inline]
    fn slot(&self, len: usize, bound: usize, patience: Patience) -> Result<Option<Slot<'_>>> {
        match self.ring.room(len, bound) {
            Ok(Space::Enough(slot)) => Ok(Some(slot)),
            Ok(Space::Full) => Ok(None),
            Ok(Space::Narrow) => self.grow(len, bound, patience),
            Err(trouble) => Err(self.refused(trouble, len)),
        }
    }

    #[cold]
    fn grow(&self, len: usize, bound: usize, patience: Patience) -> Result<Option<Slot<'_>>> {
        let Some(_both) = Self::take_turn(&self.words().receivers, patience) else { return Ok(None) };
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

    /// Takes the first message out, under the receivers' lock; false: there is none.
    #[inline]
    fn take(&self, message: &mut Incoming, wires: &Wires) -> Result<bool> {
        let (number, bytes) = message.places();
        let popped = self.ring.pop(number, bytes).map_err(|trouble| match trouble {
            Trouble::Ring(_) => spoilt(),
            Trouble::NoAddressSpace(error) => {
                Error::invalid(format!("this process has no address space for what waits in the queue: {error}"))
            }
        })?;
        match popped {
            None => {
                // A process that was killed when it had made the ring larger, or had emptied it, has left that to others.
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
        // A sender who is at it makes it grow again at once, or leaves it to the next receiver.
        if let Some(_both) = self.words().senders.try_take() {
            self.ring.shrink();
        }
    }
}

/// Looks for a while whether `there` is something to do.
fn spin(there: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if there() {
            return;
        }
        (0..PAUSES).for_each(|_| std::hint::spin_loop());
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
        let message = Outgoing { head: &[], bytes: b"message", handles: &handles };
        assert!(pipe.put(&message, usize::MAX, Patience::None, &wires).unwrap());
        drop(out);
        // Whether a receiver is left is not looked at each time.
        let error = pipe.put(&message, usize::MAX, Patience::None, &wires).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    }

    #[test]
    fn the_memory_that_a_killed_sender_had_taken_is_given_back() {
        const LEN: usize = 64 << 20;
        let pipe = Pipe::create(usize::MAX, None).unwrap();
        let (into, out) = Wire::pair().unwrap();
        let wires = Wires::new(Some(into), Some(out));
        let taken = || rustix::fs::fstat(pipe.region().descriptor()).unwrap().st_blocks * 512;
        // It has made the ring larger, and is killed amid its message.
        pipe.ring.grow(LEN).unwrap();
        let Ok(Space::Enough(slot)) = pipe.ring.room(LEN, usize::MAX) else { panic!("there is room") };
        slot.fill_in_vain(&vec![1; LEN]);
        assert!(taken() >= LEN as i64);
        assert_eq!(pipe.receive::<u64>(Patience::None, &wires).unwrap(), None);
        assert!(taken() < 1 << 20, "{} bytes", taken());
        assert!(pipe.send(&7_u64, usize::MAX, Patience::None, &wires).unwrap());
        assert_eq!(pipe.receive(Patience::None, &wires).unwrap(), Some(7_u64));
    }
}
