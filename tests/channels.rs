//! Queues and channels between processes.

mod surroundings;

use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel::shared::Value;

/// Long enough for anything here on a loaded machine; nothing waits for it when all is well.
const LONG: Duration = Duration::from_secs(60);

/// The sizes at which something changes: nothing, a socket's or a ring's edges, a lane's, more than a ring.
const SIZES: [usize; 8] = [0, 65_535, 65_536, 65_537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 46 << 20];

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect()
}

#[parallel]
fn send_sizes(queue: Queue<Vec<u8>>) {
    for len in SIZES {
        queue.send(bytes(len, 7)).unwrap();
    }
}

#[test]
fn messages_of_every_size_arrive_in_order_and_whole() {
    let queue = Queue::new().unwrap();
    let sender = send_sizes.spawn(queue.clone());
    for len in SIZES {
        assert!(queue.recv_timeout(LONG).unwrap().unwrap() == bytes(len, 7), "{len} bytes");
    }
    sender.join().unwrap();
    assert!(queue.is_empty());
}

#[parallel]
fn write(queue: Queue<(u8, u32, Vec<u8>)>, writer: u8, messages: u32) {
    for number in 0..messages {
        let len = (number as usize * 37 + usize::from(writer)) % 5000;
        queue.send((writer, number, bytes(len, writer))).unwrap();
    }
}

#[test]
fn eight_writers_at_once_never_interleave_and_each_keeps_its_order() {
    const MESSAGES: u32 = 500;
    for queue in [Queue::new().unwrap(), Queue::bounded(3).unwrap()] {
        let writers: Vec<_> = (0..8).map(|writer| write.spawn(queue.clone(), writer, MESSAGES)).collect();
        let mut next = [0; 8];
        for _ in 0..8 * MESSAGES {
            let (writer, number, text) = queue.recv_timeout(LONG).unwrap().expect("a message within a minute");
            assert_eq!(number, next[usize::from(writer)]);
            next[usize::from(writer)] += 1;
            assert_eq!(text, bytes(text.len(), writer));
        }
        for writer in writers {
            writer.join().unwrap();
        }
    }
}

#[parallel]
fn sum_all(queue: Queue<u64>) -> u64 {
    queue.iter().sum()
}

#[test]
fn every_message_goes_to_one_receiver() {
    let queue = Queue::bounded(16).unwrap();
    let pool = Pool::with_workers(3).unwrap();
    let handles: Vec<_> = (0..3).map(|_| sum_all.on(&pool).submit(queue.clone())).collect();
    for number in 1..=10_000 {
        queue.send(number).unwrap();
    }
    queue.close();
    let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
    assert_eq!(sum, (1..=10_000).sum());
}

#[test]
fn a_message_that_does_not_serialize_takes_no_room_and_says_so_at_the_call() {
    use std::os::unix::ffi::OsStringExt;
    let queue = Queue::<std::path::PathBuf>::bounded(1).unwrap();
    let not_text = std::path::PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    assert!(matches!(queue.send(not_text).unwrap_err().kind(), ErrorKind::Encode(_)));
    assert!(queue.is_empty());
    assert_eq!(queue.try_send("fine".into()).unwrap(), None);
}

#[test]
fn a_closed_queue_gives_what_it_has_and_then_says_so() {
    let queue = Queue::new().unwrap();
    queue.send(1).unwrap();
    queue.close();
    assert!(matches!(queue.send(2).unwrap_err().kind(), ErrorKind::Closed));
    assert_eq!(queue.recv().unwrap(), 1);
    assert!(matches!(queue.recv().unwrap_err().kind(), ErrorKind::Closed));
    assert!(matches!(queue.recv_timeout(LONG).unwrap_err().kind(), ErrorKind::Closed));
}

#[test]
fn bounds_and_timeouts_of_nothing_and_of_everything_are_kept() {
    assert!(matches!(Queue::<u8>::bounded(0).unwrap_err().kind(), ErrorKind::InvalidInput(_)));
    let queue = Queue::bounded(2).unwrap();
    assert_eq!(queue.recv_timeout(Duration::ZERO).unwrap(), None);
    let begun = Instant::now();
    assert_eq!(queue.recv_timeout(Duration::from_millis(120)).unwrap(), None);
    assert!(begun.elapsed() >= Duration::from_millis(120));
    assert_eq!(queue.send_timeout(1, Duration::MAX).unwrap(), None);
    assert_eq!(queue.send_timeout(2, Duration::ZERO).unwrap(), None);
    assert_eq!(queue.send_timeout(3, Duration::from_millis(20)).unwrap(), Some(3));
    assert_eq!(queue.recv_timeout(Duration::MAX).unwrap(), Some(1));
    assert_eq!(queue.len(), 1);
}

#[parallel]
fn send_and_be_killed(queue: Queue<Vec<u8>>, ready: Queue<()>) {
    let large = bytes(64 << 20, 3);
    ready.send(()).unwrap();
    loop {
        queue.send(large.clone()).unwrap();
    }
}

#[test]
fn a_sender_killed_in_the_middle_of_a_message_leaves_the_queue_whole() {
    for round in 0..10_u64 {
        let (queue, ready) = (Queue::bounded(1).unwrap(), Queue::new().unwrap());
        let sender = send_and_be_killed.spawn(queue.clone(), ready.clone());
        ready.recv_timeout(LONG).unwrap().unwrap();
        // At another place of the copy in each round; where, does not matter to what is asked of the queue.
        std::thread::sleep(Duration::from_millis(round * 3));
        sender.kill().unwrap();
        assert!(matches!(sender.join().unwrap_err().kind(), ErrorKind::Signaled { signal: 9, .. }));
        while let Some(message) = queue.try_recv().unwrap() {
            assert!(message == bytes(64 << 20, 3), "a message that arrives is whole");
        }
        let begun = Instant::now();
        assert!(queue.recv_timeout(Duration::from_millis(50)).unwrap().is_none());
        assert!(begun.elapsed() < LONG);
        queue.send(vec![1]).unwrap();
        assert_eq!(queue.recv_timeout(LONG).unwrap(), Some(vec![1]));
    }
}

#[parallel]
fn send_one_and_end(sender: Sender<Vec<u8>>) {
    sender.send(bytes(1 << 20, 9)).unwrap();
}

#[test]
fn what_a_process_sent_before_it_ended_is_not_lost_and_then_the_channel_is_closed() {
    let (sender, receiver) = channel().unwrap();
    let handle = send_one_and_end.spawn(sender.clone());
    drop(sender);
    handle.join().unwrap();
    assert!(receiver.recv().unwrap() == bytes(1 << 20, 9));
    assert!(matches!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed));
}

#[parallel]
fn hold_sender(_sender: Sender<u8>, ready: Queue<()>) {
    ready.send(()).unwrap();
    loop {
        std::thread::park();
    }
}

#[parallel]
fn hold_receiver(_receiver: Receiver<u8>, ready: Queue<()>) {
    ready.send(()).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn an_end_is_closed_when_its_last_holder_is_killed() {
    let ready = Queue::new().unwrap();

    let (sender, receiver) = channel().unwrap();
    let holder = hold_sender.spawn(sender.clone(), ready.clone());
    ready.recv_timeout(LONG).unwrap().unwrap();
    drop(sender);
    assert_eq!(receiver.recv_timeout(Duration::from_millis(100)).unwrap(), None);
    holder.kill().unwrap();
    assert!(matches!(receiver.recv_timeout(LONG).unwrap_err().kind(), ErrorKind::Closed));

    let (sender, receiver) = channel().unwrap();
    let holder = hold_receiver.spawn(receiver.clone(), ready.clone());
    ready.recv_timeout(LONG).unwrap().unwrap();
    drop(receiver);
    sender.send(1).unwrap();
    holder.kill().unwrap();
    assert!(holder.join().is_err());
    let begun = Instant::now();
    let error = loop {
        match sender.send(2) {
            Err(error) => break error,
            Ok(()) => assert!(begun.elapsed() < LONG, "the end of the receiver is noticed"),
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Closed));
}

#[test]
fn a_pools_task_that_has_ended_keeps_no_end_open() {
    let pool = Pool::with_workers(1).unwrap();
    let (sender, receiver) = channel().unwrap();
    // Nobody joins it.
    let _handle = send_one_and_end.on(&pool).submit(sender);
    assert_eq!(receiver.recv_timeout(LONG).unwrap().map(|message| message.len()), Some(1 << 20));
    assert!(matches!(receiver.recv_timeout(LONG).unwrap_err().kind(), ErrorKind::Closed));
}

#[test]
fn an_end_is_closed_at_once_when_its_last_holder_drops_it() {
    let (sender, receiver) = channel::<u8>().unwrap();
    let again = sender.clone();
    sender.send(1).unwrap();
    drop(sender);
    again.send(2).unwrap();
    drop(again);
    assert_eq!((receiver.recv().unwrap(), receiver.recv().unwrap()), (1, 2));
    assert!(matches!(receiver.recv().unwrap_err().kind(), ErrorKind::Closed));

    let (sender, receiver) = channel::<u8>().unwrap();
    sender.send(1).unwrap();
    drop(receiver);
    assert!(matches!(sender.send(2).unwrap_err().kind(), ErrorKind::Closed));
}

#[parallel]
fn both_ways(side: Duplex<Vec<u8>, Vec<u8>>) -> bool {
    side.send(bytes(16 << 20, 1)).unwrap();
    side.recv().unwrap() == bytes(16 << 20, 2)
}

#[test]
fn sixteen_mebibytes_both_ways_at_once_do_not_deadlock() {
    let (mine, theirs) = duplex().unwrap();
    let handle = both_ways.spawn(theirs);
    mine.send(bytes(16 << 20, 2)).unwrap();
    assert!(mine.recv_timeout(LONG).unwrap().unwrap() == bytes(16 << 20, 1));
    assert!(handle.join().unwrap());
}

#[parallel]
fn answer(questions: Queue<Queue<String>>) {
    for back in questions.iter() {
        back.send("here".to_string()).unwrap();
    }
}

#[test]
fn a_queue_goes_through_a_queue_and_a_running_process_can_be_handed_a_new_one() {
    let questions = Queue::new().unwrap();
    let handle = answer.spawn(questions.clone());
    for _ in 0..100 {
        let back = Queue::new().unwrap();
        questions.send(back.clone()).unwrap();
        assert_eq!(back.recv_timeout(LONG).unwrap().as_deref(), Some("here"));
    }
    questions.close();
    handle.join().unwrap();
}

#[parallel]
fn send_many(queue: Queue<Vec<Value<u64>>>, counts: Vec<u64>) {
    for count in counts {
        let values: Vec<_> = (0..count).map(|number| Value::new(number).unwrap()).collect();
        queue.send(values).unwrap();
    }
}

#[test]
fn messages_of_many_handles_wait_for_room_and_arrive_whole() {
    let queue = Queue::new().unwrap();
    let one = Value::new(7).unwrap();
    let mut waiting = 0_u32;
    while queue.try_send(vec![one.clone()]).unwrap().is_none() {
        waiting += 1;
        assert!(waiting < 100_000, "there is no end to the room for handles");
    }
    // More than fit one message of the socket, too.
    let counts = vec![200, 600];
    let sender = send_many.spawn(queue.clone(), counts.clone());
    for _ in 0..waiting {
        let values = queue.recv_timeout(LONG).unwrap().unwrap();
        assert_eq!(values.iter().map(|value| value.get().unwrap()).collect::<Vec<_>>(), [7]);
    }
    for count in counts {
        let values = queue.recv_timeout(LONG).unwrap().unwrap();
        assert!(values.iter().map(|value| value.get().unwrap()).eq(0..count), "{count} handles in their order");
    }
    sender.join().unwrap();
    assert!(queue.is_empty());
}

#[parallel]
fn make_queue(messages: u32) -> Queue<u32> {
    let queue = Queue::new().unwrap();
    for number in 0..messages {
        queue.send(number).unwrap();
    }
    queue
}

#[test]
fn a_queue_that_a_process_made_outlives_it_as_a_result() {
    let queue = make_queue.spawn(3).join().unwrap();
    assert_eq!([0, 1, 2].map(|_| queue.recv().unwrap()), [0, 1, 2]);
    let pool = Pool::with_workers(1).unwrap();
    for queue in make_queue.on(&pool).par_map([1, 2]).unwrap() {
        assert_eq!(queue.recv().unwrap(), 0);
    }
}

#[parallel]
fn add_to(total: Value<u64>, amount: u64) {
    total.update(|total| *total += amount).unwrap();
}

#[test]
fn shared_state_travels_to_pools_in_maps_as_well() {
    let pool = Pool::with_workers(2).unwrap();
    let total = Value::new(0_u64).unwrap();
    add_to.on(&pool).par_for_each((1..=1000).map(|amount| (total.clone(), amount))).unwrap();
    assert_eq!(total.get().unwrap(), 500_500);
}

#[test]
fn the_length_counts_over_all_processes() {
    let queue = Queue::<Vec<u8>>::new().unwrap();
    send_sizes.spawn(queue.clone()).join().unwrap();
    assert_eq!(queue.len(), SIZES.len());
}

fn count(kind: &str) -> usize {
    match kind {
        "descriptors" => std::fs::read_dir("/proc/self/fd").unwrap().count(),
        _ => std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains("memfd")).count(),
    }
}

#[parallel]
fn rounds(times: u32) -> ((usize, usize), (usize, usize)) {
    let before = (count("descriptors"), count("maps"));
    for round in 0..times {
        let queue = Queue::new().unwrap();
        queue.send(round).unwrap();
        let (sender, receiver) = channel().unwrap();
        sender.send(queue).unwrap();
        assert_eq!(receiver.recv().unwrap().recv().unwrap(), round);
    }
    (before, (count("descriptors"), count("maps")))
}

#[test]
fn a_thousand_queues_that_came_and_went_leave_nothing() {
    // In a process of its own, where no other test opens anything.
    let (before, after) = rounds.spawn(1000).join().unwrap();
    assert_eq!(before, after);
}

#[test]
fn all_of_this_works_with_few_descriptors_and_without_dev_shm() {
    // Copies gigabytes, and has the descriptors of one queue.
    let long = "a_sender_killed_in_the_middle_of_a_message_leaves_the_queue_whole";
    // Each of its 600 live handles is a descriptor.
    let many = "messages_of_many_handles_wait_for_room_and_arrive_whole";
    surroundings::pass_again("all_of_this_works_with_few_descriptors_and_without_dev_shm", &[long, many]);
}

/// Waits until the file is there; returns its process.
#[parallel]
fn wait_for(file: &std::path::Path) -> u32 {
    let begun = Instant::now();
    while !file.exists() {
        assert!(begun.elapsed() < LONG, "{} does not come", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    std::process::id()
}

#[parallel]
fn send_from(sender: Sender<u64>, number: u64) -> u32 {
    sender.send(number).unwrap();
    std::process::id()
}

/// A call that lay ready for a busy worker and then ran in another leaves nothing in the busy one.
#[test]
fn a_sender_that_went_to_another_worker_after_all_is_gone_with_its_call() {
    let folder = std::env::temp_dir().join(format!("parallel-senders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (first, second) = (folder.join("first"), folder.join("second"));
    let pool = Pool::with_workers(2).unwrap();
    // Only a worker whose calls are short gets one ahead.
    std::fs::write(&first, "").unwrap();
    wait_for.on(&pool).par_map([&first; 20]).unwrap();
    std::fs::remove_file(&first).unwrap();
    let busy = [&first, &second].map(|file| wait_for.on(&pool).submit(file));
    let (sender, receiver) = channel::<u64>().unwrap();
    let sends = send_from.on(&pool).submit(sender, 7);
    let (one, other) = busy.into();
    std::fs::write(&second, "").unwrap();
    let (ran_in, freed) = (sends.join().unwrap(), other.join().unwrap());
    assert_eq!(ran_in, freed, "the other is busy");
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), Some(7));
    assert!(matches!(receiver.recv_timeout(LONG).unwrap_err().kind(), ErrorKind::Closed));
    std::fs::write(&first, "").unwrap();
    assert_ne!(one.join().unwrap(), ran_in);
    std::fs::remove_dir_all(folder).unwrap();
}
