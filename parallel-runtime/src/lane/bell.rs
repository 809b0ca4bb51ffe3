//! The bell by which all workers of a pool call their parent, and how long a process looks at a word before it sleeps. Its
//! words are in [`memory::words::bell`](crate::lane::words::bell).

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;

use super::memory::{BELL, BellMemory, crowd};
pub(crate) use super::words::bell::Listener;
use crate::sys::memory::{self, Mapping};
use crate::sys::wait::Event;
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};
use crate::tuning::{LOOKS, LOOKS_BEFORE_YIELD};

/// Looks whether `word` has changed from `value`, for a while; true once it has.
pub(crate) fn look(word: &AtomicU32, value: u32, crowd: u32) -> bool {
    if crowd >= crowd::THRONG {
        return word.load(Acquire) != value;
    }
    for _ in 0..LOOKS / LOOKS_BEFORE_YIELD {
        for _ in 0..LOOKS_BEFORE_YIELD {
            if word.load(Acquire) != value {
                return true;
            }
            std::hint::spin_loop();
        }
        // Yield only where processes outnumber cores. Otherwise the process could stay on one core for good with the one it
        // waits for: only one of them runs at a time, so the scheduler sees no reason to part them.
        if crowd != crowd::ROOM {
            std::thread::yield_now();
        }
    }
    false
}

/// The parent's side of the bell.
#[derive(Debug)]
pub(crate) struct Bell {
    memory: BellMemory,
    descriptor: Descriptor,
}

impl Bell {
    pub(crate) fn create() -> io::Result<Self> {
        let descriptor = memory::create(BELL)?;
        let memory = BellMemory::new(Mapping::shared(descriptor.as_descriptor(), BELL)?);
        Ok(Self { memory, descriptor })
    }

    pub(crate) fn descriptor(&self) -> BorrowedDescriptor<'_> {
        self.descriptor.as_descriptor()
    }

    /// Sets the listener. Look at the lanes once more afterwards: a worker that was done before rang for the former
    /// listener.
    pub(crate) fn listen(&self, who: Listener) {
        self.memory.words().listen(who);
    }

    /// The number of rings so far, for [`wait`](Self::wait).
    pub(crate) fn rings(&self) -> u32 {
        self.memory.words().rings()
    }

    /// Waits until the bell rings again after `rings`, at most `timeout`. The caller first looks at the word, `looks` times
    /// [`LOOKS`], and yields in between where there may be a `crowd`; then it sleeps. May return early.
    pub(crate) fn wait(&self, rings: u32, timeout: Duration, looks: u32, crowd: u32) {
        let words = self.memory.words();
        if (0..looks).any(|_| look(words.word(), rings, crowd)) {
            return;
        }
        words.sleep(rings, timeout);
    }

    /// Rings it from this side.
    pub(crate) fn ring(&self) {
        self.memory.words().ring();
    }
}

/// A worker's side of the bell.
#[derive(Debug)]
pub(crate) struct WorkerBell {
    memory: BellMemory,
    attention: Event,
}

impl WorkerBell {
    /// The mapping of its words.
    pub(crate) fn mapping(&mut self) -> &mut Mapping {
        self.memory.mapping()
    }

    pub(crate) fn open(descriptor: BorrowedDescriptor<'_>, attention: Event) -> io::Result<Self> {
        Ok(Self { memory: BellMemory::new(Mapping::shared(descriptor, BELL)?), attention })
    }

    /// Calls the listener. `urgent`: calls the reactor where no listener wants this ring.
    pub(crate) fn ring(&self, urgent: bool) {
        let words = self.memory.words();
        match words.listener() {
            Listener::Caller => words.call(),
            Listener::Reactor => self.attention.set(),
            Listener::Nobody | Listener::ReactorWhenIdle if urgent => self.attention.set(),
            Listener::Nobody | Listener::ReactorWhenIdle => {}
        }
    }

    /// Calls the reactor, where it listens, because this worker has nothing to do. The worker has looked for work before:
    /// most callers that go on to submit have done so by now.
    pub(crate) fn ring_idle(&self) {
        // The reactor may have become the listener after this worker's last ring, while the worker was still awake.
        if matches!(self.memory.words().listener(), Listener::Reactor | Listener::ReactorWhenIdle) {
            self.attention.set();
        }
    }
}
