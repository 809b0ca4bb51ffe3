//! The models of a lane: a parcel is taken up or taken back, divided while it runs, and told of; and no call is lost.

use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::door::Knocks;
use crate::limit::Limit;
use crate::models::check;
use crate::platform::{AtomicU32, Ordering};
use crate::pool_bell::{BellWords, Listener};
use crate::slot::{Found, SlotWord, State};

/// A lane of one slot, with the bytes of its parcel and of the reply, and the word that says how far its worker is.
struct Lane {
    slot: SlotWord,
    limit: Limit,
    knocks: Knocks,
    stop: AtomicU32,
    started: AtomicU32,
    parcel: UnsafeCell<u32>,
    reply: UnsafeCell<u32>,
    bell: BellWords,
}

// SAFETY: the cells are touched as the slot's word says; that no two touch one at a time is what the models show.
unsafe impl Sync for Lane {}
// SAFETY: as above.
unsafe impl Send for Lane {}

impl Lane {
    fn new() -> Self {
        Self {
            slot: SlotWord::new(),
            limit: Limit::new(),
            knocks: Knocks::new(),
            stop: AtomicU32::new(0),
            started: AtomicU32::new(0),
            parcel: UnsafeCell::new(0),
            reply: UnsafeCell::new(0),
            bell: BellWords::new(),
        }
    }

    /// The parent posts a parcel.
    fn post(&self, parcel: u32) {
        // SAFETY: the slot is empty, so the parcel is the parent's.
        self.parcel.with_mut(|place| unsafe { *place = parcel });
        self.limit.open();
        self.slot.fill();
        self.knocks.knock();
    }

    /// The worker takes parcels up until it is told to stop, and replies with the same number; returns how many there were.
    fn serve(&self) -> u32 {
        let mut taken = 0;
        loop {
            let count = self.knocks.count();
            // Before the slot: whoever posts and then stops has posted by then.
            let stop = self.stop.load(Ordering::Acquire);
            match self.slot.take() {
                Found::Parcel => {
                    // SAFETY: the slot is taken, so both are the worker's.
                    let parcel = self.parcel.with(|place| unsafe { *place });
                    // SAFETY: as above.
                    self.reply.with_mut(|place| unsafe { *place = parcel });
                    taken += 1;
                    self.slot.end();
                    match self.bell.listener() {
                        Listener::Caller => self.bell.call(),
                        Listener::Nobody | Listener::Reactor | Listener::ReactorWhenIdle => {}
                    }
                }
                Found::Revoked => self.slot.pass(),
                Found::Nothing if stop != 0 => return taken,
                Found::Nothing => self.knocks.sleep(count, None, || ()),
                Found::Spoilt => panic!("nobody has written over it"),
            }
        }
    }

    fn stop(&self) {
        self.stop.store(1, Ordering::Release);
        self.knocks.knock();
    }

    /// The caller waits until the parcel has ended, and takes its reply in.
    fn take_in(&self) -> u32 {
        loop {
            let rings = self.bell.rings();
            self.bell.listen(Listener::Caller);
            if self.slot.state() == State::Done {
                self.bell.listen(Listener::Nobody);
                // SAFETY: the parcel has ended, so its reply is the parent's.
                let reply = self.reply.with(|place| unsafe { *place });
                self.slot.release();
                return reply;
            }
            self.bell.sleep(rings, Duration::MAX);
        }
    }
}

/// Every parcel arrives, and so does every reply: whoever sleeps is woken.
#[test]
fn parcels_and_replies_arrive_and_no_call_is_lost() {
    check(|| {
        let lane = Arc::new(Lane::new());
        let theirs = Arc::clone(&lane);
        let worker = thread::spawn(move || theirs.serve());
        for parcel in [7, 8] {
            lane.post(parcel);
            assert_eq!(lane.take_in(), parcel);
        }
        lane.stop();
        assert_eq!(worker.join().unwrap(), 2);
    });
}

/// A parcel that is taken back is not run, and one that is run is not taken back; the slot is empty either way.
#[test]
fn a_parcel_is_run_or_taken_back_and_never_both() {
    check(|| {
        let lane = Arc::new(Lane::new());
        let theirs = Arc::clone(&lane);
        let worker = thread::spawn(move || theirs.serve());
        lane.post(7);
        let is_back = lane.slot.revoke();
        if !is_back {
            assert_eq!(lane.take_in(), 7);
        }
        lane.stop();
        assert_eq!(worker.join().unwrap(), u32::from(!is_back));
        assert_eq!(lane.slot.state(), State::Empty);
    });
}

/// What is posted before a stop is run.
#[test]
fn a_worker_that_is_told_to_stop_first_runs_what_it_holds() {
    check(|| {
        let lane = Arc::new(Lane::new());
        let theirs = Arc::clone(&lane);
        let worker = thread::spawn(move || theirs.serve());
        lane.post(7);
        lane.stop();
        assert_eq!(worker.join().unwrap(), 1);
        assert_eq!(lane.slot.state(), State::Done);
    });
}

/// How many items the parcel has that is divided.
const ITEMS: u32 = 3;

/// The parent lowers the limit while the worker starts items: none is run by both, and none that the worker was left is lost.
#[test]
fn an_item_of_a_divided_parcel_is_run_by_one() {
    for keep in 0..ITEMS {
        check(move || {
            let lane = Arc::new(Lane::new());
            let ran: Arc<[UnsafeCell<u32>; ITEMS as usize]> = Arc::new(std::array::from_fn(|_| UnsafeCell::new(0)));
            let (theirs, runs) = (Arc::clone(&lane), Arc::clone(&ran));
            let worker = thread::spawn(move || {
                let mut done = 0;
                while done < ITEMS {
                    theirs.started.store(done + 1, Ordering::Release);
                    if !theirs.limit.allows(done) {
                        theirs.started.store(done, Ordering::Release);
                        break;
                    }
                    // SAFETY: the item is the worker's, by what both have said; loom sees it where that is not so.
                    runs[done as usize].with_mut(|item| unsafe { *item += 1 });
                    done += 1;
                }
                done
            });
            let kept = lane.limit.lower(keep, || lane.started.load(Ordering::Acquire) as usize).unwrap();
            for item in ran.iter().skip(kept) {
                // SAFETY: as above, for the parent.
                item.with_mut(|item| unsafe { *item += 1 });
            }
            let done = worker.join().unwrap() as usize;
            // What the worker has said to start and left alone after all comes back as the parcel ends.
            for item in &ran[done.min(kept)..kept.min(ITEMS as usize)] {
                // SAFETY: the worker has ended.
                item.with_mut(|item| unsafe { *item += 1 });
            }
            for item in ran.iter() {
                // SAFETY: nobody else is left.
                assert_eq!(item.with(|item| unsafe { *item }), 1);
            }
        });
    }
}

/// The words that a wrong order of steps would break do break a model: the parent that looks before it lowers the limit takes
/// what the worker runs.
#[test]
#[should_panic(expected = "run twice")]
fn a_parent_that_looks_too_early_is_found() {
    check(|| {
        let lane = Arc::new(Lane::new());
        let theirs = Arc::clone(&lane);
        let worker = thread::spawn(move || {
            theirs.started.store(1, Ordering::Release);
            theirs.limit.allows(0)
        });
        let started = lane.started.load(Ordering::Acquire);
        let kept = lane.limit.lower(0, || started as usize).unwrap();
        let runs = worker.join().unwrap();
        assert!(!(runs && kept == 0), "the item is run twice");
    });
}
