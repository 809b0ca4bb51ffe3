//! Processes that are killed while a queue grows and shrinks: the only test here, because it looks at all memory of queues.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Long enough for anything here on a loaded machine; nothing waits for it when all is well.
const LONG: Duration = Duration::from_secs(60);

/// Rounds of each kind.
const ROUNDS: u32 = 25;

/// The lengths of messages, in words of 8 bytes: about those of levels, so that a few make the ring grow, again and again.
const LENS: [usize; 9] = [32 << 10, (32 << 10) - 2, 1, (128 << 10) - 2, 128 << 10, 0, (128 << 10) + 1, 100, 300 << 10];

/// After so many messages the ring is at a level from which it shrinks.
const BURST: u64 = 2 * LENS.len() as u64;

/// A message that tells its number in each of its words.
fn message(number: u64) -> Vec<u64> {
    let len = LENS[number as usize % LENS.len()];
    let mut words = vec![number; len + 1];
    words[len] = !number;
    words
}

/// Whether a message is whole; returns its number.
fn number_of(words: &[u64]) -> u64 {
    let number = !words.last().expect("a message is never empty");
    assert!(words == message(number), "message {number} is whole");
    number
}

/// Looks at the messages of a queue until `go_on` says no more: they are whole, and one follows the other.
fn follow(queue: &Queue<Vec<u64>>, first: Option<u64>, mut go_on: impl FnMut(u64) -> bool) -> Option<u64> {
    let mut next = first;
    while go_on(next.unwrap_or(0)) {
        let Some(words) = queue.try_recv().unwrap() else { continue };
        let number = number_of(&words);
        assert_eq!(number, next.unwrap_or(number), "messages of one sender come in their order and none is left out");
        next = Some(number + 1);
    }
    next
}

/// Takes out what is left, as many as the queue said.
fn drain(queue: &Queue<Vec<u64>>, first: Option<u64>) -> Option<u64> {
    let mut left = queue.len();
    let next = follow(queue, first, |_| {
        left = left.wrapping_sub(1);
        left != usize::MAX
    });
    assert_eq!((queue.len(), queue.try_recv().unwrap()), (0, None));
    next
}

#[parallel]
fn fill(queue: Queue<Vec<u64>>) {
    for number in 0.. {
        queue.send(message(number)).unwrap();
        // The ring runs empty now and then, and shrinks.
        while number % BURST == 0 && !queue.is_empty() {
            std::hint::spin_loop();
        }
    }
}

#[parallel]
fn empty(queue: Queue<Vec<u64>>) {
    follow(&queue, Some(0), |_| true);
}

#[parallel]
fn fill_and_empty(queue: Queue<Vec<u64>>) {
    for round in 0.. {
        let numbers = round * BURST..(round + 1) * BURST;
        numbers.clone().for_each(|number| queue.send(message(number)).unwrap());
        assert_eq!(drain(&queue, Some(numbers.start)), Some(numbers.end));
    }
}

/// Kills a call at some moment after now.
fn kill_at_random(handle: JoinHandle<()>) {
    let until = Instant::now() + Duration::from_micros(fastrand::u64(0..6_000));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    handle.kill().unwrap();
    assert!(matches!(handle.join().unwrap_err().kind(), ErrorKind::Signaled { signal: 9, .. }));
}

/// Waits until the call works.
fn until_it_works(queue: &Queue<Vec<u64>>, works: impl Fn(usize) -> bool) {
    let deadline = Instant::now() + LONG;
    while !works(queue.len()) {
        assert!(Instant::now() < deadline, "the call does nothing");
        std::thread::yield_now();
    }
}

/// How much memory the queues of this process take, in bytes.
fn memory() -> u64 {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok());
    let queues = descriptors.filter_map(|entry| {
        let is_ours = std::fs::read_link(entry.path()).ok()?.to_string_lossy().contains("memfd:parallel");
        let metadata = std::fs::metadata(entry.path()).ok()?;
        // Nothing else is of this size, most of which was never touched.
        (is_ours && metadata.len() >= 64 << 20).then(|| metadata.blocks() * 512)
    });
    queues.sum()
}

#[test]
fn processes_killed_while_a_queue_grows_and_shrinks_leave_it_whole() {
    let queue = Queue::<Vec<u64>>::new().unwrap();
    let mut most = 0;
    for round in 0..3 * ROUNDS {
        match round % 3 {
            // A sender: what it has sent arrives, all of it.
            0 => {
                let handle = fill.spawn(queue.clone());
                let enough = fastrand::u64(1..3 * BURST);
                let deadline = Instant::now() + LONG;
                let next = follow(&queue, Some(0), |next| next < enough && Instant::now() < deadline);
                assert!(next >= Some(enough), "the sender does nothing");
                kill_at_random(handle);
                drain(&queue, next);
            }
            // A receiver: what it has not taken is there, up to the last.
            1 => {
                let handle = empty.spawn(queue.clone());
                let enough = fastrand::u64(BURST..4 * BURST);
                (0..enough).for_each(|number| queue.send(message(number)).unwrap());
                until_it_works(&queue, |len| (len as u64) < enough);
                kill_at_random(handle);
                let end = drain(&queue, None);
                assert_eq!(end.unwrap_or(enough), enough);
            }
            _ => {
                let handle = fill_and_empty.spawn(queue.clone());
                until_it_works(&queue, |len| len > 0);
                kill_at_random(handle);
                drain(&queue, None);
            }
        }
        // It serves on, and gives back what it and the killed have taken.
        (0..BURST).for_each(|number| queue.send(message(number)).unwrap());
        assert_eq!(queue.len() as u64, BURST);
        most = most.max(memory());
        assert_eq!(drain(&queue, Some(0)), Some(BURST));
        assert!(memory() < 1 << 20, "{} bytes are left of {most}", memory());
    }
    assert!(most > 4 << 20, "the queue never grew: {most} bytes");
}
