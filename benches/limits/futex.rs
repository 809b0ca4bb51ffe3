//! The ping-pong of two processes over one word of shared memory: the shortest way to another process and back.
//!
//! The word counts up: this process makes it odd, the other one makes it even again.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use parallel_benches::Contender;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::thread::futex;

use super::process::{self, fork_into, wait_for};

pub(crate) const SPINNING: &str = "futex, spinning";
pub(crate) const SPIN_THEN_PARK: &str = "futex, spin then park";
pub(crate) const PARKED: &str = "futex, parked";

/// Far longer than any answer takes that is under way, and still short, so that between its samples the partner leaves
/// its core to the others.
const SPINS_LONG: u32 = 100_000;
/// Some 10 µs to 50 µs, depending on what a pause costs the processor: longer than an answer takes that is under way.
const SPINS_SHORT: u32 = 1_000;

/// Trips there and back that find the partner awake. So many trips count as `units` units of the row's work.
pub(crate) fn spinning(trips: u32, units: u32) -> Contender {
    ping_pong(SPINNING, SPINS_LONG, trips, units)
}

/// As [`spinning`], with a park after a short spin.
pub(crate) fn spin_then_park(trips: u32, units: u32) -> Contender {
    ping_pong(SPIN_THEN_PARK, SPINS_SHORT, trips, units)
}

/// As [`spinning`], with a park at once.
pub(crate) fn parked(trips: u32, units: u32) -> Contender {
    ping_pong(PARKED, 0, trips, units)
}

fn ping_pong(name: &str, spins: u32, trips: u32, units: u32) -> Contender {
    Contender::timed(
        name,
        units,
        move || {
            let partner = Partner::start(spins);
            move || {
                let before = partner.count();
                (0..trips).for_each(|_| partner.trip());
                partner.count() - before
            }
        },
        move |counted| *counted == trips * 2,
    )
}

/// The other process. It ends with this.
struct Partner {
    table: Table,
    spins: u32,
    pid: libc::pid_t,
}

/// The value of the word that ends the other process: odd, so it comes in its turn, and out of reach of the counting.
const END: u32 = u32::MAX;

impl Partner {
    fn start(spins: u32) -> Self {
        let table = Table::new();
        // SAFETY: `answer` reads and writes the shared words and makes system calls; it takes no lock.
        let pid = unsafe { fork_into(|| answer(table.get(), spins)) };
        Self { table, spins, pid }
    }

    fn count(&self) -> u32 {
        self.table.get().word.load(Ordering::Relaxed)
    }

    fn trip(&self) {
        let words = self.table.get();
        let odd = self.count() + 1;
        words.say(odd);
        words.wait_until_not(odd, self.spins);
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.table.get().say(END);
        wait_for(self.pid);
    }
}

/// The other process: makes each odd value even.
fn answer(words: &Words, spins: u32) {
    // SAFETY: what follows uses no descriptor.
    unsafe { process::belong_to_the_parent() };
    let mut even = 0;
    loop {
        match words.wait_until_not(even, spins) {
            END => return,
            odd => even = odd + 1,
        }
        words.say(even);
    }
}

/// What both processes see.
#[repr(C)]
struct Words {
    word: AtomicU32,
    /// How many of the two are parked, or about to park: without any, a new value needs no system call.
    parked: AtomicU32,
}

impl Words {
    fn say(&self, value: u32) {
        // This store and the load after it, and the two accesses in `park`, stay in one order for both processes:
        // either this one sees the other parked, or the other one sees the value.
        self.word.store(value, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) > 0 {
            // An error would say that the address is not readable; it is.
            let _ = futex::wake(&self.word, futex::Flags::empty(), 1);
        }
    }

    /// Waits until the word has another value, and returns that.
    fn wait_until_not(&self, old: u32, spins: u32) -> u32 {
        let mut spun = 0;
        loop {
            let value = self.word.load(Ordering::Acquire);
            if value != old {
                return value;
            }
            if spun < spins {
                spun += 1;
                std::hint::spin_loop();
            } else {
                self.park(old);
            }
        }
    }

    fn park(&self, old: u32) {
        self.parked.fetch_add(1, Ordering::SeqCst);
        // Whatever ends the sleep, the caller looks at the word again.
        let _ = futex::wait(&self.word, futex::Flags::empty(), old, None);
        self.parked.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The memory of [`Words`], which a forked child shares.
struct Table(ptr::NonNull<Words>);

impl Table {
    fn new() -> Self {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: no address is asked for, so the mapping overlaps nothing.
        let address = unsafe { mmap_anonymous(ptr::null_mut(), size_of::<Words>(), access, MapFlags::SHARED) };
        let address = address.expect("one page is left").cast();
        Self(ptr::NonNull::new(address).expect("a mapping is never at address 0"))
    }

    fn get(&self) -> &Words {
        // SAFETY: the mapping lives as long as `self`, is aligned to a page, and its zeroed bytes are valid `Words`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and nothing borrows from it any more.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Words>()) };
        unmapped.expect("the mapping was there");
    }
}
