//! ipc-channel's own types as arguments.

mod surroundings;

use std::time::Duration;

use ipc_channel::ipc::{self, IpcReceiver, IpcSender, IpcSharedMemory};
use parallel::prelude::*;

const LONG: Duration = Duration::from_secs(60);

#[parallel]
fn count(to: u32, results: IpcSender<u32>) {
    for number in 1..=to {
        results.send(number).unwrap();
    }
}

#[parallel]
fn total(numbers: IpcReceiver<u32>) -> u32 {
    let mut sum = 0;
    while let Ok(number) = numbers.recv() {
        sum += number;
    }
    sum
}

#[parallel]
fn sum_of(memory: &IpcSharedMemory) -> u64 {
    memory.iter().map(|&byte| u64::from(byte)).sum()
}

#[parallel]
fn make() -> IpcSender<u32> {
    ipc::channel().unwrap().0
}

#[parallel]
fn crash(_results: IpcSender<u32>) {
    std::process::abort()
}

#[test]
fn senders_receivers_and_memory_arrive_in_spawned_calls_and_in_pools() {
    let pool = Pool::with_workers(2).unwrap();
    for pooled in [false, true] {
        let (sender, receiver) = ipc::channel().unwrap();
        let handle = if pooled { count.on(&pool).submit(3, sender) } else { count.spawn(3, sender) };
        assert_eq!([1, 2, 3].map(|_| receiver.try_recv_timeout(LONG).unwrap()), [1, 2, 3]);
        handle.join().unwrap();

        let (sender, receiver) = ipc::channel().unwrap();
        let handle = if pooled { total.on(&pool).submit(receiver) } else { total.spawn(receiver) };
        for number in 1..=4 {
            sender.send(number).unwrap();
        }
        drop(sender);
        assert_eq!(handle.join().unwrap(), 10);

        let memory = IpcSharedMemory::from_bytes(&[1, 2, 3]);
        let handle = if pooled { sum_of.on(&pool).submit(&memory) } else { sum_of.spawn(&memory) };
        assert_eq!(handle.join().unwrap(), 6);
    }
    let (sender, receiver) = ipc::channel().unwrap();
    count.on(&pool).par_for_each((0..8).map(|_| (1, sender.clone()))).unwrap();
    assert_eq!((0..8).map(|_| receiver.try_recv_timeout(LONG).unwrap()).sum::<u32>(), 8);
}

#[test]
fn as_a_result_it_is_refused() {
    let error = make.spawn().join().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error}");
    assert!(error.to_string().contains("can be arguments, not results"), "{error}");
}

fn threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("parallel-ipc")).count()
}

#[parallel]
fn nothing_is_left_in_here() -> bool {
    let pool = Pool::with_workers(1).unwrap();
    // Withdrawn before anybody asked for the argument, and lost with its worker.
    let blocked = count.on(&pool).submit(0, ipc::channel().unwrap().0);
    let withdrawn: Vec<_> = (0..3).map(|_| count.on(&pool).submit(0, ipc::channel().unwrap().0)).collect();
    withdrawn.iter().for_each(|handle| {
        handle.cancel();
    });
    blocked.join().unwrap();
    assert!(crash.on(&pool).submit(ipc::channel().unwrap().0).join().is_err());
    assert!(crash.retries(1).spawn(ipc::channel().unwrap().0).join().is_err());
    drop(withdrawn);
    let deadline = std::time::Instant::now() + LONG;
    while threads() > 0 && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    threads() == 0 && std::fs::read_dir(std::env::temp_dir()).unwrap().count() == 0
}

#[test]
fn a_call_that_never_fetched_its_argument_leaves_no_thread_and_no_file() {
    let folder = std::env::temp_dir().join(format!("parallel-ipc-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let outcome = nothing_is_left_in_here.env("TMPDIR", &folder).spawn().join();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(outcome.unwrap());
}

#[test]
fn all_of_this_works_with_few_descriptors_and_without_dev_shm() {
    surroundings::pass_again("all_of_this_works_with_few_descriptors_and_without_dev_shm", &[]);
}
