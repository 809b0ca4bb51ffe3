//! Queues: numbers and pages, from one process to one, and from four to four.
//!
//! Every queue holds as many messages as [`NUMBERS_WAIT`] or [`PAGES_WAIT`] says, ipc-channel's aside: there it is the
//! socket's buffer. Its receiver cannot be shared either, so it has a channel for each pair. It is measured in
//! procspawn's warm processes, as ours is in those of a pool.

use std::thread;

use ipc_channel::ipc::{self, IpcReceiver, IpcSender};
use parallel::channel::Queue;
use parallel_benches::{Contender, OURS, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::python::multiprocessing;
use crate::works::{PAGE, receive_numbers, receive_pages, send_numbers, send_pages};

const CROSSBEAM: &str = "crossbeam, threads";
const IPC_CHANNEL: &str = "ipc-channel";

/// How many numbers each sender sends, in one sample.
const NUMBERS: u32 = 200_000;
/// How many pages.
const PAGES: u32 = 50_000;
/// How many messages go through the peers' slower ways.
const FEWER: u32 = 10_000;
/// How many numbers may wait.
const NUMBERS_WAIT: usize = 1_000;
/// How many pages.
const PAGES_WAIT: usize = 64;
/// The time of a page, in seconds, at 2 GB/s.
const TWO_GIGABYTES_A_SECOND: f64 = PAGE as f64 / 2e9;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("queue-numbers", "a message of 8 bytes, one to one", || numbers(1)).aim(IPC_CHANNEL, 1.0 / 20.0),
        Row::new("queue-numbers-4", "the same, four to four", || numbers(4)).aim(IPC_CHANNEL, 1.0 / 20.0),
        Row::new("queue-pages", "a message of 4 KiB, one to one", || pages(1)).aim_value(TWO_GIGABYTES_A_SECOND),
        Row::new("queue-pages-4", "the same, four to four", || pages(4)).aim_value(TWO_GIGABYTES_A_SECOND),
    ]
}

fn numbers(pairs: u32) -> Vec<Contender> {
    let ours = move || {
        let pool = parallel::Pool::with_workers(2 * pairs as usize).expect("our pool");
        let queue = Queue::bounded(NUMBERS_WAIT).expect("our queue");
        move || {
            let send = || send_numbers.on(&pool).submit(queue.clone(), NUMBERS);
            let receive = || receive_numbers.on(&pool).submit(queue.clone(), NUMBERS);
            let calls: Vec<_> = (0..pairs).map(|_| (send(), receive())).collect();
            calls.into_iter().map(|(send, receive)| send.join().and_then(|()| receive.join()).expect("ours")).sum()
        }
    };
    vec![
        Contender::timed(OURS, pairs * NUMBERS, ours, move |sum: &u64| *sum == sum_of(pairs, NUMBERS)),
        with_crossbeam(pairs, NUMBERS, NUMBERS_WAIT, u64::from, |number| number, sum_of(pairs, NUMBERS)),
        with_ipc_channel(pairs, send_ipc_numbers, receive_ipc_numbers, sum_of(pairs, FEWER)),
        multiprocessing("numbers through a queue", FEWER.into(), pairs as usize),
    ]
}

fn pages(pairs: u32) -> Vec<Contender> {
    let ours = move || {
        let pool = parallel::Pool::with_workers(2 * pairs as usize).expect("our pool");
        let queue = Queue::bounded(PAGES_WAIT).expect("our queue");
        move || {
            let send = || send_pages.on(&pool).submit(queue.clone(), PAGES);
            let receive = || receive_pages.on(&pool).submit(queue.clone(), PAGES);
            let calls: Vec<_> = (0..pairs).map(|_| (send(), receive())).collect();
            calls.into_iter().map(|(send, receive)| send.join().and_then(|()| receive.join()).expect("ours")).sum()
        }
    };
    // Threads could pass the page on without a copy; a sender that keeps its page cannot.
    let page = |_| vec![1; PAGE];
    let len = |page: Vec<u8>| page.len() as u64;
    vec![
        Contender::timed(OURS, pairs * PAGES, ours, move |sum: &u64| *sum == bytes_of(pairs, PAGES)),
        with_crossbeam(pairs, PAGES, PAGES_WAIT, page, len, bytes_of(pairs, PAGES)),
        with_ipc_channel(pairs, send_ipc_pages, receive_ipc_pages, bytes_of(pairs, FEWER)),
        multiprocessing("pages through a queue", FEWER.into(), pairs as usize),
    ]
}

/// What the receivers of all numbers add up to.
fn sum_of(pairs: u32, count: u32) -> u64 {
    u64::from(pairs) * (0..u64::from(count)).sum::<u64>()
}

/// What the receivers of all pages add up to.
fn bytes_of(pairs: u32, count: u32) -> u64 {
    u64::from(pairs) * u64::from(count) * PAGE as u64
}

fn with_crossbeam<T: Send + 'static>(
    pairs: u32,
    count: u32,
    bound: usize,
    make: fn(u32) -> T,
    weigh: fn(T) -> u64,
    expected: u64,
) -> Contender {
    let prepare = move || {
        let (sender, receiver) = crossbeam_channel::bounded(bound);
        move || {
            thread::scope(|scope| {
                let send = || (0..count).for_each(|number| sender.send(make(number)).expect("crossbeam"));
                let receive = || (0..count).map(|_| weigh(receiver.recv().expect("crossbeam"))).sum::<u64>();
                let threads: Vec<_> = (0..pairs).map(|_| (scope.spawn(send), scope.spawn(receive))).collect();
                threads.into_iter().map(|(_, receive)| receive.join().expect("crossbeam")).sum()
            })
        }
    };
    Contender::timed(CROSSBEAM, pairs * count, prepare, move |sum: &u64| *sum == expected)
}

fn with_ipc_channel<T>(pairs: u32, send: fn(IpcSender<T>), receive: fn(IpcReceiver<T>) -> u64, sum: u64) -> Contender
where
    T: Serialize + DeserializeOwned + 'static,
{
    let prepare = move || {
        let pool = procspawn::Pool::new(2 * pairs as usize).expect("procspawn's pool");
        move || {
            let start = |_| {
                let (sender, receiver) = ipc::channel().expect("ipc-channel");
                (pool.spawn(sender, send), pool.spawn(receiver, receive))
            };
            let calls: Vec<_> = (0..pairs).map(start).collect();
            let joined = |(send, receive): (procspawn::JoinHandle<()>, procspawn::JoinHandle<u64>)| {
                send.join().and_then(|()| receive.join()).expect("ipc-channel")
            };
            calls.into_iter().map(joined).sum()
        }
    };
    Contender::timed(IPC_CHANNEL, pairs * FEWER, prepare, move |found: &u64| *found == sum)
}

fn send_ipc_numbers(sender: IpcSender<u64>) {
    (0..u64::from(FEWER)).for_each(|number| sender.send(number).expect("the channel is open"));
}

fn receive_ipc_numbers(receiver: IpcReceiver<u64>) -> u64 {
    (0..FEWER).map(|_| receiver.recv().expect("the channel is open")).sum()
}

fn send_ipc_pages(sender: IpcSender<Vec<u8>>) {
    (0..FEWER).for_each(|_| sender.send(vec![1; PAGE]).expect("the channel is open"));
}

fn receive_ipc_pages(receiver: IpcReceiver<Vec<u8>>) -> u64 {
    (0..FEWER).map(|_| receiver.recv().expect("the channel is open").len() as u64).sum()
}
