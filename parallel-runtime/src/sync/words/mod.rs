//! The words of locks and their kin: how processes that may die at any instruction take turns.
//!
//! A word may hold any bits, because other processes can write it: rubbish makes a lock useless and breaks nothing else.
//! The algorithms do not know what the words guard, or where they are. Limits: all processes share one machine and one
//! pid namespace; a process that replaces itself by `exec` keeps the locks and permits that it holds.

pub(crate) mod barrier;
pub(crate) mod condvar;
pub(crate) mod event;
pub(crate) mod lock;
pub(crate) mod platform;
pub(crate) mod reentrant;
pub(crate) mod semaphore;

const _: () = assert!(size_of::<lock::LockWord>() == 8 && size_of::<reentrant::ReentrantWords>() == 24);
const _: () = assert!(size_of::<semaphore::SemaphoreWords>() == 8 && size_of::<event::EventWord>() == 4);
const _: () = assert!(size_of::<condvar::CondvarWords>() == 16 && size_of::<barrier::BarrierWord>() == 8);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::barrier::BarrierWord;
    use super::condvar::CondvarWords;
    use super::event::EventWord;
    use super::lock::{Consistency, LockWord};
    use super::platform::{WaitDeadline, own_identity};
    use super::reentrant::ReentrantWords;
    use super::semaphore::{MOST, Permits, SemaphoreWords};

    /// Memory for words of any type, filled with rubbish.
    #[repr(C, align(64))]
    struct Scribbled([AtomicU64; 8]);

    impl Scribbled {
        fn new(mut next: impl FnMut() -> u64) -> Self {
            Self([(); 8].map(|()| AtomicU64::new(next())))
        }

        fn words<W>(&self) -> &W {
            const { assert!(size_of::<W>() <= size_of::<Self>() && align_of::<W>() <= align_of::<Self>()) };
            // SAFETY: large enough and aligned, see above; all words are atomic, and any bits are words.
            unsafe { &*std::ptr::from_ref(self).cast::<W>() }
        }
    }

    #[test]
    fn rubbish_in_words_makes_nothing_panic_or_wait_beyond_its_deadline() {
        // Xorshift, from any number but 0. Some rounds use words with few bits set, which resemble valid ones.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let soon = || WaitDeadline::after(Duration::from_nanos(1));
        for round in 0..2_000_u32 {
            let mut rubbish = || match round % 4 {
                0 => random(),
                1 => random() & random() & random() & random(),
                2 => u64::MAX << (random() % 64),
                _ => own_identity() | 1 << (random() % 64),
            };
            let lock = Scribbled::new(&mut rubbish);
            let lock = lock.words::<LockWord>();
            let _ = lock.try_lock();
            let _ = lock.lock_until(soon());
            for left in [Consistency::Whole, Consistency::Panicked, Consistency::BrokenBefore(7)] {
                lock.unlock(left);
            }
            lock.recover();

            let again = Scribbled::new(&mut rubbish);
            let again = again.words::<ReentrantWords>();
            let _ = again.try_lock();
            let _ = again.lock_until(soon);
            again.unlock(Consistency::Panicked);
            again.unlock(Consistency::Whole);
            again.recover();

            let (words, notes) = (Scribbled::new(&mut rubbish), Scribbled::new(&mut rubbish));
            let (words, notes) = (words.words::<SemaphoreWords>(), notes.0.as_slice());
            let semaphore = Permits { words, notes, bound: MOST };
            let _ = semaphore.release(3);
            if let Ok(Some(held)) = semaphore.acquire_until(soon()) {
                semaphore.give_back(&held);
            }
            let _ = Permits { bound: 3, ..semaphore }.try_acquire();

            let event = Scribbled::new(&mut rubbish);
            let event = event.words::<EventWord>();
            let _ = event.wait_until(soon());
            event.clear();
            event.set();
            assert!(event.wait_until(WaitDeadline::NEVER));

            let condvar = Scribbled::new(&mut rubbish);
            let condvar = condvar.words::<CondvarWords>();
            condvar.notify(2);
            let free = LockWord::new();
            assert!(free.lock_at_once());
            let _ = condvar.wait_until(&free, soon());
            condvar.notify(u32::MAX);

            let barrier = Scribbled::new(&mut rubbish);
            let barrier = barrier.words::<BarrierWord>();
            let _ = barrier.wait_until(3, soon());
            barrier.abort();
            barrier.reset();
            let _ = barrier.wait_until(2, soon());
            assert!(barrier.is_broken());
        }
    }
}
