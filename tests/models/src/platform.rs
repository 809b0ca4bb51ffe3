//! What the words stand on, in the model: loom's atomics, a list of sleepers, deadlines that pass when a model says so.

use std::cell::Cell;
use std::time::Duration;

use loom::sync::Mutex;
use loom::thread::{self, Thread};

pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

pub(crate) const PID_BITS: u32 = 22;
/// Looking again and again adds orders without adding outcomes.
pub(crate) const SPINS: u32 = 0;
/// Slices do not end by themselves.
pub(crate) const SLICE: Duration = Duration::MAX;
/// Neither do reservations: a newcomer is woken by the unlock that clears the reservation, or not at all.
pub(crate) const HANDOFF_WAIT: Duration = Duration::MAX;

/// No read-modify-write is a fence here.
pub(crate) fn fence_after_swap() {
    fence(Ordering::SeqCst);
}

/// Where the program has a barrier for the compiler on one side, and one for all cores on the other.
pub(crate) fn order_here() {
    fence(Ordering::SeqCst);
}

pub(crate) fn order_all() -> bool {
    fence(Ordering::SeqCst);
    true
}

pub(crate) fn spin_loop() {
    thread::yield_now();
}

/// Somebody who sleeps on a word.
struct Sleeper {
    number: usize,
    address: usize,
    timer: Option<u64>,
    thread: Thread,
}

/// The kernel's side.
#[derive(Default)]
struct Kernel {
    sleepers: Vec<Sleeper>,
    slept: usize,
    fired: Vec<u64>,
    dead: Vec<u64>,
}

loom::lazy_static! {
    static ref KERNEL: Mutex<Kernel> = Mutex::new(Kernel::default());
}

loom::thread_local! {
    static IDENTITY: Cell<u64> = Cell::new(1);
    static THREAD: Cell<u64> = Cell::new(0);
}

thread_local! {
    /// Whether waiters ask for a hand-off at once. The same during a whole model, so loom need not know.
    static IMPATIENT: Cell<bool> = const { Cell::new(false) };
}

/// Makes this thread the process of that number.
pub(crate) fn become_process(pid: u64) {
    IDENTITY.with(|identity| identity.set(pid));
}

/// Makes this thread the one of that number in its process; the others are number 0.
pub(crate) fn become_thread(number: u64) {
    THREAD.with(|thread| thread.set(number));
}

pub(crate) fn own_thread() -> u64 {
    own_identity() << 8 | THREAD.with(Cell::get)
}

/// Sets whether waiters ask for a hand-off at once, or never.
pub(crate) fn set_impatient(impatient: bool) {
    IMPATIENT.set(impatient);
}

/// This process is dead from now on; whoever sleeps looks.
pub(crate) fn die() {
    let mut kernel = KERNEL.lock().unwrap();
    kernel.dead.push(own_identity());
    for sleeper in kernel.sleepers.drain(..) {
        sleeper.thread.unpark();
    }
}

pub(crate) fn own_identity() -> u64 {
    IDENTITY.with(Cell::get)
}

pub(crate) fn is_gone(identity: u64) -> bool {
    KERNEL.lock().unwrap().dead.contains(&identity)
}

pub(crate) fn sleep(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    let address = std::ptr::from_ref(word).addr();
    // As the kernel does, an operation that reads and writes sees the latest value.
    sleep_at(address, || word.fetch_or(0, Ordering::Relaxed) == value, timeout);
}

pub(crate) fn sleep_low_half(word: &AtomicU64, value: u32, timeout: Option<Duration>) {
    let address = std::ptr::from_ref(word).addr();
    sleep_at(address, || word.fetch_or(0, Ordering::Relaxed) as u32 == value, timeout);
}

fn sleep_at(address: usize, is_as_expected: impl Fn() -> bool, timeout: Option<Duration>) {
    let timer = timeout.map(|timeout| timeout.as_secs());
    let number = {
        let mut kernel = KERNEL.lock().unwrap();
        let woken_at_once = timer.is_some_and(|timer| timer == 0 || kernel.fired.contains(&timer));
        if !is_as_expected() || woken_at_once {
            return;
        }
        if !kernel.dead.is_empty() {
            // Where somebody died, slices end, when others have had their turn.
            drop(kernel);
            thread::yield_now();
            return;
        }
        let number = kernel.slept;
        kernel.slept += 1;
        kernel.sleepers.push(Sleeper { number, address, timer, thread: thread::current() });
        number
    };
    loop {
        thread::park();
        if KERNEL.lock().unwrap().sleepers.iter().all(|sleeper| sleeper.number != number) {
            return;
        }
    }
}

pub(crate) fn wake(word: &AtomicU32, count: u32) -> u32 {
    wake_at(std::ptr::from_ref(word).addr(), count)
}

pub(crate) fn wake_low_half(word: &AtomicU64, count: u32) -> u32 {
    wake_at(std::ptr::from_ref(word).addr(), count)
}

fn wake_at(address: usize, count: u32) -> u32 {
    let mut kernel = KERNEL.lock().unwrap();
    let mut woken = 0;
    while woken < count {
        let Some(at) = kernel.sleepers.iter().position(|sleeper| sleeper.address == address) else { break };
        kernel.sleepers.remove(at).thread.unpark();
        woken += 1;
    }
    woken
}

/// When a wait ends: when the timer of that number [fires](WaitDeadline::fire); 0: it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitDeadline(Option<u64>);

impl WaitDeadline {
    pub(crate) const NEVER: Self = Self(None);
    pub(crate) const PASSED: Self = Self(Some(0));

    /// `number` is 1 or more.
    pub(crate) fn timer(number: u64) -> Self {
        Self(Some(number))
    }

    pub(crate) fn fire(self) {
        let Some(timer) = self.0 else { return };
        let mut kernel = KERNEL.lock().unwrap();
        kernel.fired.push(timer);
        while let Some(at) = kernel.sleepers.iter().position(|sleeper| sleeper.timer == Some(timer)) {
            kernel.sleepers.remove(at).thread.unpark();
        }
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|timer| timer == 0 || KERNEL.lock().unwrap().fired.contains(&timer))
    }

    pub(crate) fn within(self, _: Duration) -> Option<Duration> {
        self.0.map(Duration::from_secs)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning;

impl Beginning {
    pub(crate) fn now() -> Self {
        Self
    }

    pub(crate) fn is_long_ago(self) -> bool {
        IMPATIENT.get()
    }

    pub(crate) fn slice_has_passed(&mut self) -> bool {
        true
    }
}
