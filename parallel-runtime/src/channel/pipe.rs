//! A pipe: a ring behind a lock for either side, with somebody waiting at either end.
//!
//! Each side changes the ring under its own lock only, and both locks, the senders' first, are held while it moves to
//! another level. Every change is whole (see [`ring`](super::ring)), so a lock whose holder died is taken over and
//! nothing more is to be done. Whoever finds the ring empty or full is counted in a [`Bell`], looks once
//! more, and sleeps until it rings; who has changed the ring looks at the count afterwards. One of the two sees the
//! other, so no call is lost. Should one who was woken die before he acts, the others look again after a slice of time.
//!
//! Handles travel beside the ring, through a pair of sockets that every holder has: a message's handles are put in before
//! the message, and taken out with it. Its sockets also tell when everybody at the other end is gone, however they went.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ring::{self, Ring, RingError, RingWords, Room};
use super::wires::{Wires, none_left};
use crate::error::{Error, ErrorKind, Result};
use crate::process::control::{Incoming, Note};
use crate::process::transfer::{Ahead, Store, send_ahead};
use crate::sync::words::lock::{Left, LockWord, Refused};
use crate::sync::words::platform::Deadline;
use crate::sys::memory::Region;
use crate::sys::word::{wait_low_half, wake_low_half};
use crate::wire::codec::CodecError;
use crate::wire::message;
use crate::wire::payload::Payload;

/// How long one who waits sleeps before he looks again whether the other end lives.
const SLICE: Duration = Duration::from_millis(50);
/// How often one who waits looks before he sleeps.
const LOOKS: u32 = 12;
/// How long he pauses between two looks, in turns of the processor's pause, so that the other side keeps its cache
/// lines meanwhile and puts in several messages: some microseconds in all.
const PAUSES: u32 = 32;
/// The largest buffer that a thread keeps for its next message, in bytes.
const SPARE: usize = 64 << 10;
/// The address space of a pipe: what waits in it has room for this much, where the process's limits allow it.
const ROOM: [u64; 4] = [16 << 30, 1 << 30, 64 << 20, 1 << 20];

/// The words of a pipe.
#[repr(C)]
struct PipeWords {
    /// Held by who puts in.
    senders: Lock,
    /// Held by who takes out.
    receivers: Lock,
    /// Rung by who has put in.
    arrivals: Bell,
    /// Rung by who has taken out.
    departures: Bell,
    ends: Ends,
    ring: RingWords,
}

/// A lock with a cache line of its own (two, which processors fetch together).
#[repr(C, align(128))]
struct Lock(LockWord);

/// Words that hardly ever change, so that looking at them costs nothing.
#[repr(C, align(128))]
struct Ends {
    /// 1: nothing more is put in.
    closed: AtomicU32,
    /// How many ends were dropped.
    drops: AtomicU32,
}

/// Who waits, and how often they were woken.
///
/// ```text
///  63             32  31                             0
/// | how many wait    | how often it rang; they sleep on this half |
/// ```
///
/// The count may be too high, by those who were killed: then a call finds nobody, and empties it. It is too low for no
/// longer than a slice.
#[repr(C, align(128))]
struct Bell(AtomicU64);

/// One who waits, in the upper half.
const WAITER: u64 = 1 << 32;

impl Bell {
    fn word(waiters: u64, rings: u32) -> u64 {
        waiters << 32 | u64::from(rings)
    }

    /// Counts in one who waits, and then looks once more; returns how often it rang.
    fn count_in(&self) -> u32 {
        let rings = self.0.fetch_add(WAITER, SeqCst) as u32;
        // All are sequentially consistent, the ring's marks too: either he sees the change, or who made it sees him. The
        // fence is for the sockets, as is that in `take`.
        fence(SeqCst);
        rings
    }

    /// Counts one out who was not woken.
    fn count_out(&self, rings: u32) {
        let out = |word: u64| (word as u32 == rings).then(|| word.checked_sub(WAITER)).flatten();
        let _ = self.0.fetch_update(Relaxed, Relaxed, out);
    }

    /// How often it rang. Who reads this before he looks at the ends hears of what happens to them after.
    fn rings(&self) -> u32 {
        self.0.load(Acquire) as u32
    }

    /// Sleeps until it rings, or no longer than it takes to see that it rang since `before`; having been counted in.
    fn sleep(&self, before: u32, rings: u32, slice: Duration) {
        wait_low_half(&self.0, before, Some(slice));
        self.count_out(rings);
    }

    /// Wakes one who waits, if there is one; after the ring was changed.
    fn ring(&self) {
        if self.0.load(SeqCst) >= WAITER {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let mut word = self.0.load(Relaxed);
        let rung = loop {
            let Some(waiters) = (word >> 32).checked_sub(1) else { return };
            let rung = Self::word(waiters, (word as u32).wrapping_add(1));
            match self.0.compare_exchange_weak(word, rung, Release, Relaxed) {
                Ok(_) => break rung,
                Err(now) => word = now,
            }
        };
        if wake_low_half(&self.0, 1) == 0 {
            // They were killed, or have not fallen asleep yet and see that it rang. Fails where somebody came since.
            let _ = self.0.compare_exchange(rung, Self::word(0, rung as u32), Relaxed, Relaxed);
        }
    }

    /// Wakes everybody.
    fn wake_all(&self) {
        let rung = |word: u64| Some(Self::word(0, (word as u32).wrapping_add(1)));
        let _ = self.0.fetch_update(SeqCst, Relaxed, rung);
        wake_low_half(&self.0, u32::MAX >> 1);
    }
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
        Err(none_left(&last.unwrap_or_else(|| io::ErrorKind::OutOfMemory.into())))
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

    /// Takes a lock, from a holder that died too; `None`: not in time.
    fn lock(Lock(lock): &Lock, patience: Patience) -> Option<Held<'_>> {
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
        self.words().ends.closed.load(Acquire) != 0
    }

    /// Lets nothing more be put in, and wakes everybody who waits.
    pub(super) fn close(&self) {
        self.words().ends.closed.store(1, SeqCst);
        self.wake_all();
    }

    /// An end was dropped: lets everybody who waits look again.
    pub(super) fn note_drop(&self) {
        self.words().ends.drops.fetch_add(1, SeqCst);
        self.wake_all();
    }

    /// Lets everybody who waits look again.
    fn wake_all(&self) {
        self.words().arrivals.wake_all();
        self.words().departures.wake_all();
    }

    /// Puts a message in; false: there was no room in time. `bound`: how many may wait in it.
    pub(super) fn send(&self, message: Payload, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let sent = self.send_borrowed(&message, bound, patience, wires);
        keep(message.bytes);
        sent
    }

    fn send_borrowed(&self, message: &Payload, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let PipeWords { senders, arrivals, departures, ends, .. } = self.words();
        let mut spun = false;
        loop {
            let before = departures.rings();
            if wires.receivers_are_gone(ends.drops.load(Acquire)) {
                return Err(Error::new(ErrorKind::Closed));
            }
            let Some(held) = Self::lock(senders, patience) else { return Ok(false) };
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
            let rings = departures.count_in();
            let put = self.put(message, bound, patience, wires);
            drop(held);
            if !matches!(put, Ok(false)) {
                departures.count_out(rings);
                arrivals.ring();
                return put;
            }
            departures.sleep(before, rings, slice);
            spun = false;
        }
    }

    /// Takes the first message out; `None`: there was none in time.
    pub(super) fn receive(&self, patience: Patience, wires: &Wires) -> Result<Option<Payload>> {
        let PipeWords { senders, receivers, arrivals, departures, .. } = self.words();
        let (mut over, mut spun) = (false, matches!(patience, Patience::None));
        loop {
            let Some(held) = Self::lock(receivers, patience) else { return Ok(None) };
            if let Some(payload) = self.take(wires)? {
                drop(held);
                departures.ring();
                return Ok(Some(payload));
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
                if Self::lock(senders, patience).is_none() {
                    return Ok(None);
                }
                continue;
            }
            let Some(slice) = patience.slice() else { return Ok(None) };
            let rings = arrivals.count_in();
            let taken = self.take(wires);
            drop(held);
            if !matches!(taken, Ok(None)) {
                arrivals.count_out(rings);
                departures.ring();
                return taken;
            }
            arrivals.sleep(before, rings, slice);
            spun = false;
        }
    }

    /// Puts a message in, under the senders' lock; false: it, or its handles, have no room now.
    fn put(&self, message: &Payload, bound: usize, patience: Patience, wires: &Wires) -> Result<bool> {
        let Payload { bytes, handles } = message;
        let len = bytes.len() + handles.len() * size_of::<u64>();
        match self.ring.room(len, bound).map_err(spoilt)? {
            Room::Enough => {}
            Room::Full => return Ok(false),
            Room::Narrow => {
                let Some(_both) = Self::lock(&self.words().receivers, patience) else { return Ok(false) };
                self.ring.grow(len).map_err(|error| refused(error, len))?;
            }
        }
        if handles.is_empty() {
            self.ring.push(&[], bytes, 0).map_err(spoilt)?;
            return Ok(true);
        }
        let ids = match &wires.into {
            Some(into) => send_ahead::<Beside>(into.control(), handles, None, false),
            None => Ok(Vec::new()),
        };
        let ids = match ids {
            Ok(ids) => ids,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(none_left(&error)),
        };
        let count = ids.len() as u64;
        let ids: Vec<u8> = ids.into_iter().flat_map(u64::to_le_bytes).collect();
        self.ring.push(&ids, bytes, count).map_err(spoilt)?;
        Ok(true)
    }

    /// Takes the first message out, under the receivers' lock.
    fn take(&self, wires: &Wires) -> Result<Option<Payload>> {
        let mut bytes = spare();
        let Some(handles) = self.ring.pop(&mut bytes).map_err(spoilt)? else {
            keep(bytes);
            return Ok(None);
        };
        if self.ring.may_shrink() {
            // A sender who is at it makes it grow again at once, or leaves it to the next receiver.
            if let Some(_both) = Self::lock(&self.words().senders, Patience::None) {
                self.ring.shrink();
            }
        }
        let taken = take_apart(bytes, handles, wires);
        if handles > 0 {
            fence(SeqCst);
        }
        taken.map(Some)
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

thread_local! {
    /// A buffer for this thread's next message.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, used before where there is one.
fn spare() -> Vec<u8> {
    // While the thread ends there is none.
    BUFFER.try_with(Cell::take).unwrap_or_default()
}

/// Keeps a buffer for the next message.
fn keep(mut bytes: Vec<u8>) {
    if bytes.capacity() <= SPARE {
        bytes.clear();
        let _ = BUFFER.try_with(|buffer| buffer.set(bytes));
    }
}

/// Finds the handles of a message, under the lock.
fn take_apart(mut bytes: Vec<u8>, handles: u64, wires: &Wires) -> Result<Payload> {
    if handles == 0 {
        return Ok(Payload { bytes, handles: Vec::new() });
    }
    let lost = |error: io::Error| {
        let text = format!("a message was lost, because its handles could not be received: {error}");
        Error::new(ErrorKind::Decode(CodecError::of_bytes(text)))
    };
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
    message::encode(message, spare()).map_err(|error| Error::new(ErrorKind::Encode(error)))
}

/// Decodes a message.
pub(super) fn decode<T: DeserializeOwned>(payload: Payload) -> Result<T> {
    let decoded = message::decode(&payload).map_err(|error| Error::new(ErrorKind::Decode(error)));
    keep(payload.bytes);
    decoded
}

/// Why the ring does not grow for a message of `len` bytes.
fn refused(error: RingError, len: usize) -> Error {
    match error {
        RingError::TooLarge => Error::invalid(format!("a message of {len} bytes is larger than the room of the queue")),
        RingError::Spoilt => spoilt(error),
    }
}

fn spoilt(_error: RingError) -> Error {
    Error::new(ErrorKind::Decode(CodecError::of_bytes("some process wrote over the memory of the queue")))
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
