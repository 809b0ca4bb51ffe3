//! The models of locks and their kin.

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use crate::barrier::{BarrierWord, RoundEnd};
use crate::condvar::CondvarWords;
use crate::event::EventWord;
use crate::lock::{Consistency, LockError, LockWord};
use crate::platform::{AtomicU64, WaitDeadline, become_process, die, set_impatient};
use crate::semaphore::{MOST, Permits, SemaphoreWords};

/// How often a thread may be interrupted where it would not wait. Most faults in such code show with two.
const PREEMPTIONS: usize = 2;

pub(crate) fn check(model: impl Fn() + Sync + Send + 'static) {
    check_within(PREEMPTIONS, model);
}

/// As [`check`], for models with so many turns that an unoptimized build takes minutes: that one goes less far.
pub(crate) fn check_large(model: impl Fn() + Sync + Send + 'static) {
    check_within(if cfg!(debug_assertions) { 1 } else { PREEMPTIONS }, model);
}

fn check_within(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// As [`check`], with waiters that ask for the lock at once, and with such that never do.
fn check_both(model: impl Fn() + Copy + Sync + Send + 'static) {
    for impatient in [false, true] {
        set_impatient(impatient);
        check(model);
    }
    set_impatient(false);
}

/// A number behind a lock. loom sees it when two touch the number at a time.
struct Guarded {
    lock: LockWord,
    number: UnsafeCell<u32>,
}

// SAFETY: the number is touched with the lock held; that it is so is what the models show.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new(number: u32) -> Arc<Self> {
        Arc::new(Self { lock: LockWord::new(), number: UnsafeCell::new(number) })
    }

    /// Call it with the lock held.
    fn add(&self, more: u32) -> u32 {
        self.number.with_mut(|number| {
            // SAFETY: loom has checked that nobody else touches it.
            let number = unsafe { &mut *number };
            *number = number.wrapping_add(more);
            *number
        })
    }

    fn add_locked(&self, more: u32) {
        self.lock.lock().unwrap();
        self.add(more);
        self.lock.unlock(Consistency::Whole);
    }
}

/// Runs `work` as the process of that number.
pub(crate) fn process<T: 'static>(pid: u64, work: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        become_process(pid);
        work()
    })
}

#[test]
fn two_that_lock_twice_exclude_each_other_and_none_sleeps_for_ever() {
    check_both(|| {
        let guarded = Guarded::new(0);
        let other = {
            let guarded = Arc::clone(&guarded);
            process(2, move || (0..2).for_each(|_| guarded.add_locked(1)))
        };
        (0..2).for_each(|_| guarded.add_locked(1));
        other.join().unwrap();
        guarded.lock.lock().unwrap();
        assert_eq!(guarded.add(0), 4);
    });
}

#[test]
fn three_that_lock_exclude_each_other_and_none_sleeps_for_ever() {
    check_both(|| {
        let guarded = Guarded::new(0);
        let others: Vec<_> = [2, 3]
            .into_iter()
            .map(|pid| {
                let guarded = Arc::clone(&guarded);
                process(pid, move || guarded.add_locked(1))
            })
            .collect();
        guarded.add_locked(1);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(guarded.lock.try_lock(), Ok(true));
        assert_eq!(guarded.add(0), 3);
    });
}

#[test]
fn one_that_times_out_takes_no_wake_up_from_another() {
    check_both(|| {
        let guarded = Guarded::new(0);
        guarded.lock.lock().unwrap();
        let timer = WaitDeadline::timer(1);
        let timed = {
            let guarded = Arc::clone(&guarded);
            process(2, move || match guarded.lock.lock_until(timer) {
                Ok(()) => guarded.lock.unlock(Consistency::Whole),
                Err(refused) => assert_eq!(refused, LockError::TimedOut),
            })
        };
        let patient = {
            let guarded = Arc::clone(&guarded);
            process(3, move || guarded.add_locked(1))
        };
        let clock = process(4, move || timer.fire());
        guarded.lock.unlock(Consistency::Whole);
        timed.join().unwrap();
        patient.join().unwrap();
        clock.join().unwrap();
    });
}

#[test]
fn a_lock_whose_holder_died_is_refused_to_all_until_it_is_recovered() {
    check_both(|| {
        let guarded = Guarded::new(0);
        let holder = {
            let guarded = Arc::clone(&guarded);
            process(2, move || {
                if guarded.lock.lock().is_ok() {
                    die();
                }
            })
        };
        let waiter = {
            let guarded = Arc::clone(&guarded);
            process(3, move || match guarded.lock.lock() {
                // It came first.
                Ok(()) => guarded.lock.unlock(Consistency::Whole),
                Err(refused) => assert_eq!(refused, LockError::OwnerDied(2)),
            })
        };
        holder.join().unwrap();
        assert_eq!(guarded.lock.lock_until(WaitDeadline::PASSED), Err(LockError::OwnerDied(2)));
        waiter.join().unwrap();
        guarded.lock.recover();
        guarded.add_locked(1);
    });
}

#[test]
fn one_who_looks_at_a_refused_lock_leaves_it_as_somebody_else_wants_it() {
    check(|| {
        let guarded = Guarded::new(0);
        guarded.lock.lock().unwrap();
        guarded.lock.unlock(Consistency::Panicked);
        let looker = {
            let guarded = Arc::clone(&guarded);
            process(2, move || {
                let left = guarded.lock.lock_anyway();
                guarded.add(0);
                guarded.lock.unlock(left);
            })
        };
        let mender = {
            let guarded = Arc::clone(&guarded);
            process(3, move || {
                guarded.lock.recover();
                guarded.add_locked(1);
            })
        };
        looker.join().unwrap();
        mender.join().unwrap();
        guarded.add_locked(1);
    });
}

/// A semaphore with room for the notes of `NOTES` processes.
struct Semaphore<const NOTES: usize> {
    words: SemaphoreWords,
    notes: [AtomicU64; NOTES],
}

impl<const NOTES: usize> Semaphore<NOTES> {
    fn new() -> Self {
        Self { words: SemaphoreWords::new(), notes: [(); NOTES].map(|()| AtomicU64::new(0)) }
    }

    fn within(&self, bound: u32) -> Permits<'_> {
        Permits { words: &self.words, notes: &self.notes, bound }
    }
}

#[test]
fn a_permit_goes_to_one_of_those_who_wait_and_is_never_lost() {
    check(|| {
        let semaphore = Arc::new(Semaphore::<1>::new());
        let takers: Vec<_> = [2, 3]
            .into_iter()
            .map(|pid| {
                let semaphore = Arc::clone(&semaphore);
                process(pid, move || {
                    let held = semaphore.within(1).acquire_until(WaitDeadline::NEVER).unwrap().unwrap();
                    semaphore.within(1).give_back(&held);
                })
            })
            .collect();
        semaphore.within(MOST).release(1).unwrap();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        assert!(semaphore.within(1).try_acquire().unwrap().is_some());
        assert!(semaphore.within(1).try_acquire().unwrap().is_none());
    });
}

#[test]
fn one_that_times_out_takes_no_permit_from_another() {
    check(|| {
        let semaphore = Arc::new(Semaphore::<1>::new());
        let timer = WaitDeadline::timer(1);
        let timed = {
            let semaphore = Arc::clone(&semaphore);
            process(2, move || {
                if let Some(held) = semaphore.within(MOST).acquire_until(timer).unwrap() {
                    semaphore.within(MOST).give_back(&held);
                }
            })
        };
        let patient = {
            let semaphore = Arc::clone(&semaphore);
            process(3, move || assert!(semaphore.within(MOST).acquire_until(WaitDeadline::NEVER).unwrap().is_some()))
        };
        let clock = process(4, move || timer.fire());
        semaphore.within(MOST).release(1).unwrap();
        timed.join().unwrap();
        patient.join().unwrap();
        clock.join().unwrap();
    });
}

#[test]
fn the_permit_of_one_that_died_goes_to_one_that_waits_and_is_one() {
    check(|| {
        let semaphore = Arc::new(Semaphore::<1>::new());
        semaphore.within(MOST).release(1).unwrap();
        let holder = {
            let semaphore = Arc::clone(&semaphore);
            process(2, move || {
                semaphore.within(MOST).acquire_until(WaitDeadline::NEVER).unwrap().unwrap();
                die();
            })
        };
        let taker = {
            let semaphore = Arc::clone(&semaphore);
            process(3, move || {
                let held = semaphore.within(MOST).acquire_until(WaitDeadline::NEVER).unwrap().unwrap();
                semaphore.within(MOST).give_back(&held);
            })
        };
        holder.join().unwrap();
        taker.join().unwrap();
        assert!(semaphore.within(MOST).try_acquire().unwrap().is_some());
        assert!(semaphore.within(MOST).try_acquire().unwrap().is_none());
    });
}

#[test]
fn the_permits_of_one_that_died_are_as_many_as_it_had() {
    check(|| {
        let semaphore = Arc::new(Semaphore::<1>::new());
        semaphore.within(MOST).release(2).unwrap();
        let holder = {
            let semaphore = Arc::clone(&semaphore);
            process(2, move || {
                for _ in 0..2 {
                    semaphore.within(MOST).acquire_until(WaitDeadline::NEVER).unwrap().unwrap();
                }
                die();
            })
        };
        holder.join().unwrap();
        // Two look for it at a time, of which one finds room for its own note.
        let looker = {
            let semaphore = Arc::clone(&semaphore);
            process(3, move || matches!(semaphore.within(MOST).try_acquire(), Ok(Some(_))))
        };
        let mine = matches!(semaphore.within(MOST).try_acquire(), Ok(Some(_)));
        assert_ne!(looker.join().unwrap(), mine);
        assert!(semaphore.within(1).release(1).is_err(), "one is free");
        assert!(semaphore.within(2).release(1).is_ok(), "and only one");
    });
}

#[test]
fn a_permit_that_cannot_be_noted_goes_back() {
    check(|| {
        let semaphore = Arc::new(Semaphore::<1>::new());
        semaphore.within(MOST).release(2).unwrap();
        let other = {
            let semaphore = Arc::clone(&semaphore);
            process(2, move || {
                let taken = semaphore.within(MOST).acquire_until(WaitDeadline::NEVER);
                if let Ok(Some(held)) = &taken {
                    semaphore.within(MOST).give_back(held);
                }
                taken.is_ok()
            })
        };
        let mine = semaphore.within(MOST).acquire_until(WaitDeadline::NEVER);
        let theirs = other.join().unwrap();
        assert!(theirs || mine.is_ok(), "there was room for one");
        if let Ok(Some(held)) = &mine {
            semaphore.within(MOST).give_back(held);
        }
        let taken = [(); 3].map(|()| semaphore.within(MOST).try_acquire().unwrap().is_some());
        assert_eq!(taken, [true, true, false]);
    });
}

#[test]
fn who_waits_for_an_event_sees_what_was_done_before_it() {
    check(|| {
        let event = Arc::new(EventWord::new());
        let guarded = Guarded::new(0);
        let waiters: Vec<_> = [2, 3]
            .into_iter()
            .map(|pid| {
                let (event, guarded) = (Arc::clone(&event), Arc::clone(&guarded));
                process(pid, move || {
                    assert!(event.wait_until(WaitDeadline::NEVER));
                    // SAFETY: loom checks that it was written before.
                    guarded.number.with(|number| assert_eq!(unsafe { *number }, 1));
                })
            })
            .collect();
        guarded.add(1);
        event.set();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

/// Takes one from the number, which it waits for; returns whether it came before the deadline.
fn take_one(guarded: &Guarded, changed: &CondvarWords, deadline: WaitDeadline) -> bool {
    guarded.lock.lock().unwrap();
    let mut in_time = true;
    while guarded.add(0) == 0 && in_time {
        in_time = changed.wait_until(&guarded.lock, deadline).unwrap();
    }
    let there = guarded.add(0) > 0;
    if there {
        guarded.add(u32::MAX);
    }
    guarded.lock.unlock(Consistency::Whole);
    there
}

#[test]
fn each_notification_wakes_one_of_those_who_wait() {
    check(|| {
        let (guarded, changed) = (Guarded::new(0), Arc::new(CondvarWords::new()));
        let takers: Vec<_> = [2, 3]
            .into_iter()
            .map(|pid| {
                let (guarded, changed) = (Arc::clone(&guarded), Arc::clone(&changed));
                process(pid, move || assert!(take_one(&guarded, &changed, WaitDeadline::NEVER)))
            })
            .collect();
        for _ in 0..2 {
            guarded.add_locked(1);
            changed.notify(1);
        }
        takers.into_iter().for_each(|taker| taker.join().unwrap());
    });
}

#[test]
fn one_that_times_out_takes_no_notification_from_another() {
    check(|| {
        let (guarded, changed) = (Guarded::new(0), Arc::new(CondvarWords::new()));
        let timer = WaitDeadline::timer(1);
        let timed = {
            let (guarded, changed) = (Arc::clone(&guarded), Arc::clone(&changed));
            process(2, move || {
                if take_one(&guarded, &changed, timer) {
                    // Gives it on.
                    guarded.add_locked(1);
                    changed.notify(1);
                }
            })
        };
        let patient = {
            let (guarded, changed) = (Arc::clone(&guarded), Arc::clone(&changed));
            process(3, move || assert!(take_one(&guarded, &changed, WaitDeadline::NEVER)))
        };
        let clock = process(4, move || timer.fire());
        guarded.add_locked(1);
        changed.notify(1);
        timed.join().unwrap();
        patient.join().unwrap();
        clock.join().unwrap();
    });
}

#[test]
fn all_go_on_together_round_after_round_with_one_leader_each() {
    check(|| {
        let barrier = Arc::new(BarrierWord::new());
        let rounds = |barrier: &BarrierWord| [(); 2].map(|()| barrier.wait_until(2, WaitDeadline::NEVER));
        let other = {
            let barrier = Arc::clone(&barrier);
            process(2, move || rounds(&barrier))
        };
        let mine = rounds(&barrier);
        let theirs = other.join().unwrap();
        for (mine, theirs) in mine.into_iter().zip(theirs) {
            assert!(mine != theirs && ![mine, theirs].contains(&RoundEnd::Broken));
        }
    });
}

#[test]
fn a_barrier_is_broken_for_all_or_for_none() {
    check(|| {
        let barrier = Arc::new(BarrierWord::new());
        let timer = WaitDeadline::timer(1);
        let others: Vec<_> = [(2, timer), (3, WaitDeadline::NEVER)]
            .into_iter()
            .map(|(pid, deadline)| {
                let barrier = Arc::clone(&barrier);
                process(pid, move || barrier.wait_until(3, deadline))
            })
            .collect();
        let clock = process(4, move || timer.fire());
        let mine = barrier.wait_until(3, WaitDeadline::NEVER) == RoundEnd::Broken;
        for other in others {
            assert_eq!(other.join().unwrap() == RoundEnd::Broken, mine);
        }
        clock.join().unwrap();
        assert_eq!(barrier.is_broken(), mine);
    });
}

#[test]
fn one_that_waits_learns_of_a_reset_also_when_others_were_quicker() {
    check(|| {
        let barrier = Arc::new(BarrierWord::new());
        let first = {
            let barrier = Arc::clone(&barrier);
            process(2, move || barrier.wait_until(2, WaitDeadline::NEVER))
        };
        let resetter = {
            let barrier = Arc::clone(&barrier);
            process(3, move || barrier.reset())
        };
        resetter.join().unwrap();
        // Either the first was sent away, or it waits for one more, or it comes later.
        let mine = barrier.wait_until(2, WaitDeadline::PASSED);
        let first = first.join().unwrap();
        match mine {
            RoundEnd::Leader => assert_eq!(first, RoundEnd::Follower),
            RoundEnd::Follower => assert_eq!(first, RoundEnd::Leader),
            RoundEnd::Broken => assert_eq!(first, RoundEnd::Broken),
        }
    });
}
