//! The models of queues: the marks of the ring, the locks of its two sides, and the bells on which they wait.
//!
//! A message is a number in a cell of its own for each place of each level, so loom sees it when one is read while it is
//! written. What a process does that is killed is done up to that point.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use crate::bell::QueueBell;
use crate::marks::{ALIGNMENT, Marks, Move, Room};
use crate::models::{check, check_large, process};
use crate::platform::{AtomicU32, Ordering, SLICE, die};
use crate::side_lock::SideLock;

/// Level 0 has room for so many messages.
const FIRST: usize = 2;
const LEVELS: usize = 3;
const NO_BOUND: usize = usize::MAX;

/// All of them.
const KILLED: [Killed; 6] = [
    Killed::BeforeIt,
    Killed::AfterIt,
    Killed::InTheMove(1),
    Killed::InTheMove(3),
    Killed::InTheMove(5),
    Killed::AfterTheMove,
];

impl Killed {
    fn is_in_a_move(self) -> bool {
        matches!(self, Self::InTheMove(_) | Self::AfterTheMove)
    }
}

/// A pipe as that of the runtime, with messages of one number.
struct Pipe {
    senders: SideLock,
    receivers: SideLock,
    arrivals: QueueBell,
    departures: QueueBell,
    closed: AtomicU32,
    marks: Marks<{ FIRST as u64 * ALIGNMENT }>,
    levels: [Vec<UnsafeCell<u32>>; LEVELS],
}

// SAFETY: the cells are touched as the marks say; that no two touch one at a time is what the models show.
unsafe impl Sync for Pipe {}
// SAFETY: as above.
unsafe impl Send for Pipe {}

/// Where a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Not,
    /// The message is written, or read, and that has not taken effect.
    BeforeIt,
    /// It has taken effect; the lock is still held.
    AfterIt,
    /// So many words of the move are written aside; both locks are held.
    InTheMove(usize),
    /// The move has taken effect; both locks are held.
    AfterTheMove,
}

impl Pipe {
    fn new() -> Arc<Self> {
        let level = |level: usize| (0..FIRST << level).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Self {
            senders: SideLock::new(),
            receivers: SideLock::new(),
            arrivals: QueueBell::new(),
            departures: QueueBell::new(),
            closed: AtomicU32::new(0),
            marks: Marks::new(),
            levels: std::array::from_fn(level),
        })
    }

    /// For two processes.
    fn shared() -> (Arc<Self>, Arc<Self>) {
        let pipe = Self::new();
        (Arc::clone(&pipe), pipe)
    }

    fn cell(&self, level: u64, position: u64) -> &UnsafeCell<u32> {
        let level = &self.levels[level as usize];
        &level[(position / ALIGNMENT) as usize % level.len()]
    }

    fn write(&self, level: u64, position: u64, message: u32) {
        self.cell(level, position).with_mut(|cell| {
            // SAFETY: loom has checked that nobody else touches it.
            unsafe { *cell = message }
        });
    }

    fn read(&self, level: u64, position: u64) -> u32 {
        self.cell(level, position).with(|cell| {
            // SAFETY: loom has checked that nobody writes it.
            unsafe { *cell }
        })
    }

    /// Copies what waits to another level, and lets the move hold; false: killed.
    fn make(&self, to: Move, killed: Killed) -> bool {
        for at in (0..to.used).step_by(ALIGNMENT as usize) {
            self.write(to.to, at, self.read(to.from, to.position + at));
        }
        if let Killed::InTheMove(words) = killed {
            let aside = self.marks.aside(to).into_iter();
            aside.take(words).for_each(|(word, value)| word.store(value, Ordering::Release));
            return false;
        }
        self.marks.commit(to);
        killed != Killed::AfterTheMove
    }

    /// Under the senders' lock: whether there was room; `None`: killed.
    fn put(&self, message: u32, bound: usize, killed: Killed) -> Option<bool> {
        loop {
            match self.marks.room(LEVELS as u64, ALIGNMENT, bound).unwrap() {
                Room::Enough(gap) => {
                    self.write(gap.level, gap.position(), message);
                    if killed == Killed::BeforeIt {
                        return None;
                    }
                    gap.commit();
                    return (killed != Killed::AfterIt).then_some(true);
                }
                Room::Full => return Some(false),
                Room::Narrow => {
                    let both = self.receivers.lock();
                    if let Some(up) = self.marks.growth(LEVELS as u64, ALIGNMENT).unwrap()
                        && !self.make(up, killed)
                    {
                        std::mem::forget(both);
                        return None;
                    }
                }
            }
        }
    }

    /// Sends; waits for room.
    fn send(&self, message: u32, bound: usize, killed: Killed) {
        loop {
            let before = self.departures.rings();
            let held = self.senders.lock();
            match self.put(message, bound, killed) {
                Some(true) => {
                    drop(held);
                    return self.arrivals.ring();
                }
                Some(false) => {}
                None => {
                    std::mem::forget(held);
                    return die();
                }
            }
            let mut put = false;
            let act = || {
                put = self.put(message, bound, Killed::Not).unwrap();
                put
            };
            self.departures.wait(before, held, act, SLICE);
            if put {
                return self.arrivals.ring();
            }
        }
    }

    /// Under the receivers' lock: the first message.
    fn take(&self) -> Option<u32> {
        let first = self.marks.first(LEVELS as u64).unwrap()?;
        let message = self.read(first.level, first.position());
        first.commit(ALIGNMENT);
        Some(message)
    }

    /// Receives; waits for a message. `None`: it is closed and empty.
    fn receive(&self) -> Option<u32> {
        loop {
            let held = self.receivers.lock();
            let before = self.arrivals.rings();
            let closed = self.closed.load(Ordering::Acquire) != 0;
            let mut taken = self.take();
            if taken.is_none() && !closed {
                let act = || {
                    taken = self.take();
                    taken.is_some()
                };
                self.arrivals.wait(before, held, act, SLICE);
            } else {
                drop(held);
            }
            if taken.is_some() {
                self.departures.ring();
                return taken;
            }
            if closed {
                return None;
            }
        }
    }

    /// Takes a message out and is killed.
    fn receive_and_die(&self, killed: Killed) {
        let held = self.receivers.lock();
        if let Some(first) = self.marks.first(LEVELS as u64).unwrap() {
            self.read(first.level, first.position());
            if killed != Killed::BeforeIt {
                first.commit(ALIGNMENT);
            }
        }
        if killed.is_in_a_move()
            && let Some(both) = self.senders.try_lock()
        {
            if let Some(down) = self.marks.shrinkage(LEVELS as u64) {
                self.make(down, killed);
            }
            std::mem::forget(both);
        }
        std::mem::forget(held);
        die();
    }

    /// Moves an empty ring down, as who has emptied it does.
    fn shrink(&self) {
        let _held = self.receivers.lock();
        let Some(_both) = self.senders.try_lock() else { return };
        if let Some(down) = self.marks.shrinkage(LEVELS as u64) {
            self.make(down, Killed::Not);
        }
    }
}

/// Runs both, as two processes: what loom's first thread does after it has started another is not tried in all orders.
fn both<T: 'static>(one: impl FnOnce() + 'static, other: impl FnOnce() -> T + 'static) -> T {
    let (one, other) = (process(2, one), process(3, other));
    one.join().unwrap();
    other.join().unwrap()
}

/// Fails when a mark is stored or read `Relaxed` (a message is read while it is written, or written while it is read), when
/// a fence of the bell is left out or `act` does not look again (all sleep).
#[test]
fn messages_arrive_whole_and_in_order_where_there_is_little_room() {
    check(|| {
        let (pipe, to) = Pipe::shared();
        let send = move || (1..=3).for_each(|message| to.send(message, 1, Killed::Not));
        let came = both(send, move || [pipe.receive(), pipe.receive(), pipe.receive()]);
        assert_eq!(came, [Some(1), Some(2), Some(3)]);
    });
}

/// Fails as the one above, and when a move is made under the senders' lock alone.
#[test]
fn messages_arrive_whole_and_in_order_while_the_ring_grows_and_shrinks() {
    check(|| {
        let (pipe, to) = Pipe::shared();
        let send = move || (1..=4).for_each(|message| to.send(message, NO_BOUND, Killed::Not));
        let receive = move || {
            for message in 1..=4 {
                assert_eq!(pipe.receive(), Some(message));
                if message == 3 {
                    pipe.shrink();
                }
            }
        };
        both(send, receive);
    });
}

/// Fails when one who was woken counts another out, or a call that woke one empties the count.
#[test]
fn two_messages_wake_two_who_wait() {
    check(|| {
        let pipe = Pipe::new();
        let receiver = |pid| {
            let pipe = Arc::clone(&pipe);
            process(pid, move || pipe.receive().unwrap())
        };
        let (one, other) = (receiver(2), receiver(3));
        let sender = {
            let pipe = Arc::clone(&pipe);
            process(4, move || [1, 2].into_iter().for_each(|message| pipe.send(message, NO_BOUND, Killed::Not)))
        };
        sender.join().unwrap();
        let mut came = [one.join().unwrap(), other.join().unwrap()];
        came.sort_unstable();
        assert_eq!(came, [1, 2]);
    });
}

#[test]
fn two_senders_at_one_place_both_get_it() {
    check(|| {
        let pipe = Pipe::new();
        let senders = [2, 3].map(|pid| {
            let pipe = Arc::clone(&pipe);
            process(pid, move || pipe.send(pid as u32, 1, Killed::Not))
        });
        let receiver = process(4, move || pipe.receive().unwrap() + pipe.receive().unwrap());
        assert_eq!(receiver.join().unwrap(), 5);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// Fails when who waits reads how often the bell rang after he looked whether it is closed.
#[test]
fn who_waits_hears_that_the_pipe_was_closed() {
    check(|| {
        let pipe = Pipe::new();
        let receivers = [2, 3].map(|pid| {
            let pipe = Arc::clone(&pipe);
            process(pid, move || assert_eq!(pipe.receive(), None))
        });
        let closer = process(4, move || {
            pipe.closed.store(1, Ordering::Release);
            pipe.arrivals.ring_all();
        });
        closer.join().unwrap();
        receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
    });
}

/// Fails when a move is written over the state that holds, and when the lock of a dead one is not taken over.
#[test]
fn a_sender_killed_anywhere_leaves_the_ring_whole() {
    for killed in KILLED {
        check_large(move || {
            let pipe = Pipe::new();
            let moves = killed.is_in_a_move();
            let waiting = if moves { FIRST as u32 } else { 0 };
            (1..=waiting).for_each(|message| pipe.send(message, NO_BOUND, Killed::Not));
            let dying = {
                let pipe = Arc::clone(&pipe);
                process(2, move || pipe.send(8, NO_BOUND, killed))
            };
            let living = {
                let pipe = Arc::clone(&pipe);
                process(3, move || pipe.send(9, NO_BOUND, Killed::Not))
            };
            for message in 1..=waiting {
                assert_eq!(pipe.receive(), Some(message));
            }
            // The one who is to die may find room where the other one has made it, and then sends and lives.
            let mut came = vec![pipe.receive().unwrap()];
            dying.join().unwrap();
            living.join().unwrap();
            while pipe.marks.len() > 0 {
                came.extend(pipe.receive());
            }
            came.sort_unstable();
            match killed {
                Killed::BeforeIt => assert_eq!(came, [9]),
                Killed::AfterIt => assert_eq!(came, [8, 9]),
                _ => assert!(came == [9] || came == [8, 9]),
            }
        });
    }
}

#[test]
fn a_receiver_killed_anywhere_leaves_the_ring_whole() {
    for killed in KILLED {
        check(move || {
            let pipe = Pipe::new();
            // The ring is at level 1, with one message.
            (1..=3).for_each(|message| pipe.send(message, NO_BOUND, Killed::Not));
            assert_eq!([pipe.receive(), pipe.receive()], [Some(1), Some(2)]);
            let dying = {
                let pipe = Arc::clone(&pipe);
                process(2, move || pipe.receive_and_die(killed))
            };
            let sender = {
                let pipe = Arc::clone(&pipe);
                process(3, move || pipe.send(4, NO_BOUND, Killed::Not))
            };
            dying.join().unwrap();
            sender.join().unwrap();
            let mut came = Vec::new();
            while pipe.marks.len() > 0 {
                came.extend(pipe.receive());
            }
            let all_but_one = if killed == Killed::BeforeIt { vec![3, 4] } else { vec![4] };
            assert_eq!(came, all_but_one);
        });
    }
}

/// Fails when the marks of a move are stored `Relaxed`: then a head from before it goes with a tail from after it.
#[test]
fn who_counts_without_a_lock_never_counts_what_never_was() {
    check(|| {
        let (pipe, moved) = Pipe::shared();
        let r#move = move || {
            for message in 1..=2 {
                // Without a bell, whose fences would hide what is looked for.
                assert_eq!(moved.put(message, NO_BOUND, Killed::Not), Some(true));
                assert_eq!(moved.take(), Some(message));
                let to = if message == 1 {
                    moved.marks.growth(LEVELS as u64, (FIRST as u64 + 1) * ALIGNMENT).unwrap()
                } else {
                    moved.marks.shrinkage(LEVELS as u64)
                };
                assert!(moved.make(to.unwrap(), Killed::Not));
            }
        };
        assert!(both(r#move, move || pipe.marks.len()) <= 1);
    });
}
