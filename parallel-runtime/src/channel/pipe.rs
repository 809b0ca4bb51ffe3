//! A pipe: a ring behind a lock, with somebody waiting at either end.
//!
//! The ring is changed under the lock only, and every change is whole (see [`ring`](super::ring)), so a lock whose holder
//! died is taken over and nothing more is to be done. Whoever finds the ring empty or full notes under the lock that he
//! waits, and sleeps until the other side's counter changes; so no call is lost. Should one who was woken die before he
//! acts, the others look again after a slice of time.
//!
//! Handles travel beside the ring, through a pair of sockets that every holder has: a message's handles are put in before
//! the message, and taken out with it. Its sockets also tell when everybody at the other end is gone, however they went.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ring::{self, Ring, RingError, RingWords};
use super::wires::Wires;
use crate::error::{Error, ErrorKind, Result};
use crate::process::control::{Incoming, Note};
use crate::process::transfer::{Ahead, Store, send_ahead};
use crate::sync::words::lock::{Left, LockWord, Refused};
use crate::sync::words::platform::Deadline;
use crate::sys::memory::Region;
use crate::sys::wait;
use crate::wire::codec::CodecError;
use crate::wire::message;
use crate::wire::payload::Payload;

/// How long one who waits sleeps before he looks again whether the other end lives.
const SLICE: Duration = Duration::from_millis(50);
/// How often one who waits looks before he sleeps: some microseconds.
const SPINS: u32 = 200;
/// The address space of a pipe: what waits in it has room for this much, where the process's limits allow it.
const ROOM: [u64; 4] = [16 << 30, 1 << 30, 64 << 20, 1 << 20];

/// The words of a pipe.
#[repr(C)]
struct PipeWords {
    lock: LockWord,
    signals: Signals,
    ring: RingWords,
}

#[repr(C, align(64))]
struct Signals {
    /// Counts what was put in while somebody waited for it.
    arrivals: AtomicU32,
    /// How many wait for that.
    receivers: AtomicU32,
    /// Counts what was taken out while somebody waited for room.
    departures: AtomicU32,
    /// How many wait for that.
    senders: AtomicU32,
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

    fn deadline(self) -> Deadline {
        match self {
            Self::None => Deadline::after(Duration::ZERO),
            Self::Until(at) => Deadline::after(at.saturating_duration_since(Instant::now())),
            Self::Endless => Deadline::NEVER,
        }
    }
}

/// The pipe's memory.
#[derive(Debug)]
pub(super) struct Pipe {
    region: Arc<Region>,
    ring: Ring,
}

/// A message that carries descriptors beside the ring.
#[derive(Debug, Serialize, Deserialize)]
struct Beside(Vec<Note>);

impl Ahead for Beside {
    fn ahead(notes: Vec<Note>) -> Self {
        Self(notes)
    }
}

impl Pipe {
    /// Makes an empty pipe.
    pub(super) fn create() -> Result<Self> {
        let mut last = None;
        for room in ROOM {
            match Region::zeroed(ring::region_len(room)) {
                Ok(region) => return Ok(Self::of(region)),
                Err(error) => last = Some(error),
            }
        }
        Err(Error::new(ErrorKind::Start(last.unwrap_or_else(|| io::ErrorKind::OutOfMemory.into()))))
    }

    /// Finds the pipe in a region that another process handed over; `None` when it is too small for one.
    pub(super) fn open(region: Arc<Region>) -> Option<Self> {
        (region.len() >= ring::region_len(1)).then(|| Self::of(region))
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

    /// Takes the lock, from a holder that died too; `None`: not in time.
    fn lock(&self, patience: Patience) -> Option<Held<'_>> {
        let lock = &self.words().lock;
        loop {
            let taken = match patience {
                Patience::None => lock.try_lock(),
                Patience::Until(_) => lock.lock_until(patience.deadline()).map(|()| true),
                Patience::Endless => lock.lock().map(|()| true),
            };
            match taken {
                Ok(true) => return Some(Held { lock }),
                Ok(false) | Err(Refused::TimedOut) => return None,
                // Every change of the ring is whole, so there is nothing to mend.
                Err(Refused::OwnerDied(_)) => lock.recover(),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.words().signals.closed.load(Acquire) != 0
    }

    /// Lets nothing more be put in, and wakes everybody who waits.
    pub(super) fn close(&self) {
        let signals = &self.words().signals;
        signals.closed.store(1, Release);
        self.wake_all();
    }

    /// An end was dropped: lets everybody who waits look again.
    pub(super) fn note_drop(&self) {
        self.words().signals.drops.fetch_add(1, Release);
        self.wake_all();
    }

    /// Lets everybody who waits look again.
    fn wake_all(&self) {
        let signals = &self.words().signals;
        for word in [&signals.arrivals, &signals.departures] {
            word.fetch_add(1, Release);
            wait::wake_word(word, u32::MAX >> 1);
        }
    }

    /// Puts a message in; false: there was no room in time. `bound`: how many may wait in it.
    pub(super) fn send(&self, message: &Payload, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let signals = &self.words().signals;
        loop {
            if wires.receivers_are_gone(signals.drops.load(Acquire)) {
                return Err(Error::new(ErrorKind::Closed));
            }
            let Some(held) = self.lock(patience) else { return Ok(false) };
            if self.is_closed() {
                return Err(Error::new(ErrorKind::Closed));
            }
            if self.ring.len() < bound && self.put(message, wires)? {
                wake_one(&signals.arrivals, &signals.receivers);
                return Ok(true);
            }
            let seen = signals.departures.load(Acquire);
            let Some(slice) = patience.slice() else { return Ok(false) };
            signals.senders.fetch_add(1, Relaxed);
            drop(held);
            sleep(&signals.departures, seen, slice, &signals.senders);
        }
    }

    /// Takes the first message out; `None`: there was none in time.
    pub(super) fn receive(&self, patience: Patience, wires: &Wires) -> Result<Option<Payload>> {
        let signals = &self.words().signals;
        let mut over = false;
        loop {
            self.spin(patience);
            let Some(held) = self.lock(patience) else { return Ok(None) };
            if let Some(message) = self.ring.pop().map_err(spoilt)? {
                let payload = take_apart(message, wires)?;
                wake_one(&signals.departures, &signals.senders);
                return Ok(Some(payload));
            }
            if over {
                return Err(Error::new(ErrorKind::Closed));
            }
            over = self.is_closed() || wires.senders_are_gone();
            if over {
                // What they put in before they went is looked for once more.
                continue;
            }
            let seen = signals.arrivals.load(Acquire);
            let Some(slice) = patience.slice() else { return Ok(None) };
            signals.receivers.fetch_add(1, Relaxed);
            drop(held);
            sleep(&signals.arrivals, seen, slice, &signals.receivers);
        }
    }

    /// Looks for a while whether something arrives.
    fn spin(&self, patience: Patience) {
        if matches!(patience, Patience::None) {
            return;
        }
        for _ in 0..SPINS {
            if self.ring.len() > 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Puts a message in, under the lock; false: its handles have no room now.
    fn put(&self, message: &Payload, wires: &Wires) -> Result<bool> {
        let ids = match &wires.into {
            Some(into) if !message.handles.is_empty() => {
                send_ahead::<Beside>(into.control(), &message.handles, None, false)
            }
            _ => Ok(Vec::new()),
        };
        let ids = match ids {
            Ok(ids) => ids,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(Error::new(ErrorKind::Start(error))),
        };
        let handles = ids.len() as u64;
        let pushed = if ids.is_empty() {
            self.ring.push(&message.bytes, 0)
        } else {
            let mut bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            bytes.extend_from_slice(&message.bytes);
            self.ring.push(&bytes, handles)
        };
        match pushed {
            Ok(()) => Ok(true),
            Err(RingError::TooLarge) => {
                let len = message.bytes.len();
                Err(Error::invalid(format!("a message of {len} bytes is larger than the room of the queue")))
            }
            Err(error) => Err(spoilt(error)),
        }
    }
}

/// Finds the handles of a message, under the lock.
fn take_apart(message: ring::Message, wires: &Wires) -> Result<Payload> {
    let ring::Message { mut bytes, handles } = message;
    if handles == 0 {
        return Ok(Payload { bytes, handles: Vec::new() });
    }
    let lost = |error: io::Error| Error::new(ErrorKind::Start(error)).with_note("a message was lost with its handles");
    let len =
        usize::try_from(handles).ok().and_then(|handles| handles.checked_mul(8)).filter(|&len| len <= bytes.len());
    let Some(len) = len else { return Err(spoilt(RingError::Spoilt)) };
    let rest = bytes.split_off(len);
    let ids: Vec<u64> = bytes.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap_or_default())).collect();
    let Some(out) = &wires.out else { return Err(spoilt(RingError::Spoilt)) };
    let mut store = Store::default();
    while !store.has_all(&ids) {
        match out.control().receive::<Beside>(false).map_err(lost)? {
            // Those of a message that was never finished lie before them, and are dropped here.
            Incoming::Message(Beside(notes), descriptors) => store.keep(&notes, descriptors).map_err(lost)?,
            Incoming::Nothing | Incoming::End => return Err(lost(io::Error::other("a shared handle did not arrive"))),
        }
    }
    let handles = store.find(ids.into_iter(), false).map_err(lost)?;
    Ok(Payload { bytes: rest, handles })
}

/// Encodes a message.
pub(super) fn encode<T: Serialize>(message: &T) -> Result<Payload> {
    message::encode(message).map_err(|error| Error::new(ErrorKind::Encode(error)))
}

/// Decodes a message.
pub(super) fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T> {
    message::decode(payload).map_err(|error| Error::new(ErrorKind::Decode(error)))
}

fn spoilt(_error: RingError) -> Error {
    Error::new(ErrorKind::Decode(CodecError::of_bytes("some process wrote over the memory of the queue")))
}

/// Sleeps until `word` is no longer `seen`, having been counted in `waiting` under the lock.
fn sleep(word: &AtomicU32, seen: u32, slice: Duration, waiting: &AtomicU32) {
    wait::wait_word(word, seen, Some(slice));
    if word.load(Acquire) == seen {
        // Nobody woke us, so nobody has taken us from the count.
        let _ = waiting.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1));
    }
}

/// Wakes one who waits, if there is one; under the lock.
fn wake_one(word: &AtomicU32, waiting: &AtomicU32) {
    let counted = waiting.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1)).is_ok();
    if counted {
        word.fetch_add(1, Release);
        if wait::wake_word(word, 1) == 0 {
            // They were killed, or have not fallen asleep yet and see that the word has changed.
            waiting.store(0, Relaxed);
        }
    }
}

/// The lock, held.
struct Held<'a> {
    lock: &'a LockWord,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lock.unlock(Left::Whole);
    }
}
