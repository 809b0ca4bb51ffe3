//! The models of the lock that its holder may take again.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::lock::{Consistency, LockError};
use crate::models::{check, check_large, process};
use crate::platform::{become_thread, die};
use crate::reentrant::{Failed, ReentrantWords};

/// A number behind a lock. loom sees it when two touch the number at a time.
struct Guarded {
    words: ReentrantWords,
    number: UnsafeCell<u32>,
}

// SAFETY: the number is touched with the lock held; that it is so is what the models show.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { words: ReentrantWords::new(), number: UnsafeCell::new(0) })
    }

    /// Call it with the lock held.
    fn add(&self, more: u32) -> u32 {
        self.number.with_mut(|number| {
            // SAFETY: loom has checked that nobody else touches it.
            let number = unsafe { &mut *number };
            *number += more;
            *number
        })
    }

    /// Adds 1 in an outer and 1 in an inner turn.
    fn add_twice(&self) {
        self.words.lock().unwrap();
        self.add(1);
        self.words.lock().unwrap();
        self.add(1);
        self.words.unlock(Consistency::Whole);
        // Still held.
        self.add(0);
        self.words.unlock(Consistency::Whole);
    }
}

/// Runs `work` as a thread of the process of that number.
fn thread_of<T: 'static>(pid: u64, number: u64, work: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    process(pid, move || {
        become_thread(number);
        work()
    })
}

/// Fails when the mark is not taken away before the lock is freed (the thread that had it then takes another thread's lock
/// for its own), when it is not looked at, and when who takes the lock leaves the depth as it is.
#[test]
fn threads_of_one_process_exclude_each_other_as_processes_do() {
    for other in [1, 2] {
        check(move || {
            let guarded = Guarded::new();
            let both = [(1, 1), (other, 2)].map(|(pid, number)| {
                let guarded = Arc::clone(&guarded);
                thread_of(pid, number, move || (0..2).for_each(|_| guarded.add_twice()))
            });
            both.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(guarded.words.try_lock(), Ok(true));
            assert_eq!(guarded.add(0), 8);
        });
    }
}

#[test]
fn one_thread_holds_it_while_two_others_of_two_processes_try() {
    check_large(|| {
        let guarded = Guarded::new();
        let others: Vec<_> = [1, 2]
            .into_iter()
            .map(|pid| {
                let guarded = Arc::clone(&guarded);
                thread_of(pid, 1, move || {
                    let mut locked = 0;
                    for _ in 0..2 {
                        if guarded.words.try_lock().unwrap() {
                            guarded.add(1);
                            locked += 1;
                        }
                    }
                    (0..locked).for_each(|_| guarded.words.unlock(Consistency::Whole));
                    locked
                })
            })
            .collect();
        guarded.add_twice();
        let more: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        guarded.words.lock().unwrap();
        assert_eq!(guarded.add(0), 2 + more);
    });
}

/// Fails when who takes the lock leaves the note of a panic as it is.
#[test]
fn a_death_at_any_depth_is_refused_until_it_is_recovered_and_nothing_of_it_is_left() {
    check(|| {
        let guarded = Guarded::new();
        let holder = {
            let guarded = Arc::clone(&guarded);
            process(2, move || {
                for _ in 0..2 {
                    if guarded.words.lock().is_err() {
                        return;
                    }
                }
                // An inner turn that a panic ended.
                guarded.words.unlock(Consistency::Panicked);
                die();
            })
        };
        let waiter = {
            let guarded = Arc::clone(&guarded);
            process(3, move || match guarded.words.lock() {
                // It came first.
                Ok(()) => guarded.words.unlock(Consistency::Whole),
                Err(failed) => assert_eq!(failed, Failed::Refused(LockError::OwnerDied(2))),
            })
        };
        holder.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(guarded.words.try_lock(), Err(Failed::Refused(LockError::OwnerDied(2))));
        guarded.words.recover();
        guarded.add_twice();
        assert_eq!(guarded.words.try_lock(), Ok(true));
        assert_eq!(guarded.add(0), 2);
        guarded.words.unlock(Consistency::Whole);
        guarded.add_twice();
    });
}
