//! Data that processes share: `Value`, `Array`, `Frozen`.

mod surroundings;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parallel::prelude::*;
use parallel::sync::Mutex;

/// Longer than anything here takes, however busy the machine is.
const GENEROUS: Duration = Duration::from_secs(60);

#[parallel]
fn count_up(total: Value<u64>, times: u64) {
    for _ in 0..times {
        total.update(|total| *total += 1).unwrap();
    }
}

#[test]
fn fifty_thousand_updates_by_each_of_four_processes_are_exact() {
    let total = Value::new(0).unwrap();
    let calls: Vec<_> = (0..4).map(|_| count_up.spawn(total.clone(), 50_000)).collect();
    for call in calls {
        call.join().unwrap();
    }
    assert_eq!(total.get().unwrap(), 200_000);
}

#[test]
fn updates_by_the_workers_of_a_pool_are_exact() {
    let total = Value::new(0).unwrap();
    let pool = Pool::with_workers(4).unwrap();
    count_up.on(&pool).par_map((1..=100).map(|times| (total.clone(), times))).unwrap();
    assert_eq!(total.get().unwrap(), 5_050);
}

#[parallel]
fn count_pairs_up(pair: Value<[u64; 2]>, times: u64) {
    let mut done = 0;
    while done < times {
        let outcome = pair.update(|pair| {
            pair[0] += 1;
            pair[1] += 1;
        });
        match outcome {
            Ok(()) => done += 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::OwnerDied { .. }), "{error}");
                mend(&pair);
            }
        }
    }
}

/// Makes both numbers the larger one, after somebody died in between.
fn mend(pair: &Value<[u64; 2]>) {
    pair.recover().unwrap();
    // Refused again if yet another one died meanwhile: then whoever comes next mends.
    let _ = pair.update(|pair| *pair = [pair[0].max(pair[1]); 2]);
}

#[test]
fn processes_killed_at_random_moments_stop_nobody_else() {
    const TIMES: u64 = 50_000;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let pair = Value::new([0; 2]).unwrap();
        let survivors: Vec<_> = (0..2).map(|_| count_pairs_up.spawn(pair.clone(), TIMES)).collect();
        // They would never end by themselves.
        let victims: Vec<_> = (0..2).map(|_| count_pairs_up.spawn(pair.clone(), u64::MAX)).collect();
        for victim in victims {
            // When a victim is killed is random anyway; this only spreads it.
            std::thread::sleep(Duration::from_micros(random.u64(0..20_000)));
            victim.kill().unwrap();
            let error = victim.join().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Signaled { signal: libc::SIGKILL, .. }), "{error}");
        }
        for survivor in survivors {
            survivor.join().unwrap();
        }
        mend(&pair);
        let [first, second] = pair.get().unwrap();
        assert_eq!(first, second);
        assert!(first >= 2 * TIMES, "{first} of {}", 2 * TIMES);
    }
}

#[test]
fn an_array_that_uses_memory_again_is_zero_at_birth() {
    const LEN: usize = 1 << 18;
    for _ in 0..10 {
        let array = Array::<u32>::zeroed(LEN).unwrap();
        assert!(array.lock().unwrap().iter().all(|value| *value == 0));
        array.lock().unwrap().fill(u32::MAX);
    }
}

#[test]
fn sizes_that_make_no_sense_are_invalid_input() {
    for len in [usize::MAX, usize::MAX / 8, 1 << 60] {
        let error = Array::<u64>::zeroed(len).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error}");
    }
    let empty = Array::<u64>::zeroed(0).unwrap();
    assert_eq!((empty.len(), empty.get(0), empty.to_vec().unwrap()), (0, None, vec![]));
    assert!(matches!(empty.set(0, 1).unwrap_err().kind(), ErrorKind::InvalidInput(_)));
}

#[parallel]
fn die_in_the_middle(array: Array<u32>) {
    let mut guard = array.lock().unwrap();
    guard[0] = 5;
    // SAFETY: ends this process, which is what it is for.
    unsafe { libc::raise(libc::SIGKILL) };
}

#[test]
fn an_array_whose_holder_was_killed_can_be_read_in_parts_but_not_trusted() {
    let array = Array::from_slice(&[1, 2]).unwrap();
    let error = die_in_the_middle.spawn(array.clone()).join().unwrap_err();
    let died = error.pid().unwrap();
    assert_eq!(array.get(0), Some(5));
    for error in [array.lock().map(drop), array.to_vec().map(drop), array.set(1, 3)].map(Result::unwrap_err) {
        assert!(matches!(error.kind(), ErrorKind::OwnerDied { pid } if *pid == died), "{error}");
    }
    assert_eq!(array.get(1), Some(2));
    array.recover().unwrap();
    array.set(1, 3).unwrap();
    assert_eq!(array.to_vec().unwrap(), [5, 3]);
}

/// A type that is more strictly aligned than the words before it.
#[derive(Clone, Copy)]
#[repr(C, align(128))]
struct Wide([u64; 16]);

// SAFETY: numbers without a gap; zeros are some.
unsafe impl bytemuck::Zeroable for Wide {}
// SAFETY: numbers without a gap, whatever their bits.
unsafe impl bytemuck::Pod for Wide {}

#[parallel]
fn is_aligned(wide: Value<Wide>, array: Array<Wide>, frozen: Frozen<Wide>) -> bool {
    let wide = wide.lock().unwrap();
    let array = array.lock().unwrap();
    (&raw const *wide).is_aligned() && array.as_ptr().is_aligned() && frozen.as_ptr().is_aligned() && wide.0 == [7; 16]
}

#[test]
fn strictly_aligned_types_are_so_in_every_process() {
    let wide = Wide([7; 16]);
    let (value, array) = (Value::new(wide).unwrap(), Array::from_slice(&[wide; 3]).unwrap());
    let frozen = Frozen::from_slice(&[wide; 3]).unwrap();
    assert!(is_aligned.spawn(value, array, frozen).join().unwrap());
}

#[parallel]
fn make(start: i32) -> (Value<i32>, Array<i32>, Frozen<i32>) {
    (Value::new(start).unwrap(), Array::from_slice(&[start; 2]).unwrap(), Frozen::from_vec(vec![start; 3]).unwrap())
}

#[test]
fn what_a_process_made_outlives_it_as_a_result() {
    for made in [make.spawn(4).join().unwrap(), make.submit(4).join().unwrap()] {
        let (value, array, frozen) = made;
        assert_eq!((value.get().unwrap(), array.to_vec().unwrap(), &frozen[..]), (4, vec![4; 2], &[4; 3][..]));
    }
}

#[test]
fn anywhere_but_in_a_call_a_handle_is_refused_with_what_to_do() {
    let value = Value::new(1).unwrap();
    let frozen = Frozen::from_slice(&[1]).unwrap();
    let refusals = [
        serde_json::to_string(&value).unwrap_err(),
        serde_json::to_string(&frozen).unwrap_err(),
        serde_json::from_str::<Value<i32>>(r#"{"at":0,"len":1,"size":4,"alignment":4}"#).unwrap_err(),
        serde_json::from_str::<Frozen<i32>>(r#"{"at":0,"len":1,"size":4,"alignment":4}"#).unwrap_err(),
    ];
    for refusal in refusals {
        assert!(refusal.to_string().contains("#[parallel]"), "{refusal}");
    }
}

/// What the kernel says of the mapping in which `address` is: the lines of `/proc/self/smaps`.
fn mapping(address: usize) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = text.lines().skip_while(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let ends = range
            .and_then(|(from, to)| Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?));
        !ends.is_some_and(|ends| ends.contains(&address))
    });
    let first = lines.next().unwrap().to_string();
    std::iter::once(first).chain(lines.take_while(|line| !line.contains('-')).map(str::to_string)).collect()
}

/// A sum; the mapping, and how much of it is this process's own copy.
#[parallel]
fn sum_and_mapping(table: Frozen<u64>, from: usize) -> (u64, String, String) {
    let sum = table.iter().skip(from).step_by(512).sum();
    let mut lines = mapping(table.as_ptr().addr());
    let first = lines.remove(0);
    (sum, first, lines.into_iter().find(|line| line.starts_with("Anonymous:")).unwrap())
}

#[test]
fn frozen_memory_is_one_copy_for_all_tasks() {
    const LEN: usize = 8 << 20;
    let table = Frozen::from_vec(vec![1_u64; LEN]).unwrap();
    let pool = Pool::with_workers(2).unwrap();
    let found = sum_and_mapping.on(&pool).par_map((0..100).map(|from| (table.clone(), from))).unwrap();
    let mut mappings: Vec<String> = Vec::new();
    for (sum, mapping, own) in found {
        assert_eq!(sum, LEN as u64 / 512);
        // The same memory, with nothing of it copied for the worker.
        assert!(mapping.contains("memfd:") && mapping.contains(" r--"), "{mapping}");
        assert!(own.ends_with(" 0 kB"), "{own}");
        if !mappings.contains(&mapping) {
            mappings.push(mapping);
        }
    }
    // Each worker maps it once, however many tasks it gets. (Two workers may map it at the same address.)
    assert!(mappings.len() <= 2, "{mappings:?}");
}

#[parallel]
fn write_to(table: Frozen<u8>) {
    // SAFETY: none. This shows that the kernel stops it.
    unsafe { table.as_ptr().cast_mut().write_volatile(1) };
}

#[parallel]
fn make_writable(table: Frozen<u8>) -> bool {
    let page = table.as_ptr().cast_mut().cast();
    // SAFETY: the mapping stays as it is, or becomes writable, which nobody makes use of.
    unsafe { libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

#[parallel]
fn map_for_writing(table: Frozen<u8>) -> Vec<bool> {
    let inode = mapping(table.as_ptr().addr())[0].split_whitespace().nth(4).unwrap().to_string();
    let mut refused = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        use std::os::unix::fs::MetadataExt;
        let path = entry.unwrap().path();
        if !std::fs::metadata(&path).is_ok_and(|file| file.ino().to_string() == inode) {
            continue;
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        // SAFETY: a fresh mapping, at an address that the kernel chooses.
        let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, libc::MAP_SHARED, fd, 0) };
        refused.push(mapped == libc::MAP_FAILED);
        refused.push(std::os::unix::fs::FileExt::write_at(&file, b"x", 0).is_err());
        refused.push(file.set_len(1).is_err());
    }
    refused
}

#[test]
fn nobody_can_write_frozen_memory() {
    let table = Frozen::from_vec(vec![0_u8; 10_000]).unwrap();
    let error = write_to.spawn(table.clone()).join().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Signaled { signal: libc::SIGSEGV, .. }), "{error}");
    assert!(!make_writable.spawn(table.clone()).join().unwrap());
    let refused = map_for_writing.spawn(table.clone()).join().unwrap();
    assert!(!refused.is_empty() && refused.iter().all(|refused| *refused), "{refused:?}");
    assert!(table.iter().all(|byte| *byte == 0));
}

#[test]
fn large_frozen_memory_costs_a_task_no_more_than_small() {
    let pool = Pool::with_workers(2).unwrap();
    let time = |len: usize| {
        let table = Frozen::from_vec(vec![1_u8; len]).unwrap();
        // The first tasks bring it to the workers.
        let calls = || first_of.on(&pool).par_map(vec![table.clone(); 100]).unwrap().len();
        calls();
        (0..10)
            .map(|_| {
                let start = Instant::now();
                calls();
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let (small, large) = (time(1), time(256 << 20));
    // A copy of the large one takes some 30 ms; a hundred of them seconds.
    assert!(large < small * 10 + Duration::from_millis(100), "{small:?} and {large:?}");
}

#[parallel]
fn first_of(table: Frozen<u8>) -> u8 {
    table[0]
}

/// How many descriptors and mappings this process has, and what is in `/dev/shm`.
fn holdings() -> (usize, usize, usize) {
    let entries = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
    let mappings = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = mappings.lines().filter(|line| line.contains("memfd:")).count();
    (entries("/proc/self/fd"), shared, entries("/dev/shm"))
}

/// How many more descriptors this process may have, once its limit is as high as it can be.
fn room_for_descriptors() -> usize {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is memory for the answer.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) }, 0);
    limits.rlim_cur = limits.rlim_max;
    // SAFETY: `limits` was filled above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) }, 0);
    usize::try_from(limits.rlim_cur).unwrap_or(usize::MAX).saturating_sub(holdings().0)
}

#[parallel]
fn make_and_drop(rounds: u64) -> ((usize, usize, usize), (usize, usize, usize)) {
    // What is made once and for all is there before counting.
    drop(Value::new(1).unwrap().lock().unwrap());
    let before = holdings();
    // A live lock needs a descriptor, a live queue three. Where that many are not allowed, fewer live at a time, with
    // some left for what a round makes.
    let thousandths = (room_for_descriptors().saturating_sub(32) * 1_000 / 1_300).min(1_000);
    assert!(thousandths >= 100, "too few descriptors to see anything");
    let locks: Vec<_> = (0..thousandths).map(|i| Mutex::new(i).unwrap()).collect();
    let queues: Vec<_> = (0..thousandths / 10).map(|_| Queue::<u64>::new().unwrap()).collect();
    assert!(holdings().1 >= before.1 + locks.len() + queues.len());
    for round in 0..rounds {
        let value = Value::new(round).unwrap();
        let array = Array::from_slice(&[round; 3]).unwrap();
        let frozen = Frozen::from_slice(&[round; 3]).unwrap();
        let queue = Queue::new().unwrap();
        queue.send(round).unwrap();
        let sum = value.get().unwrap() + array.get(2).unwrap() + frozen[1] + queue.recv().unwrap();
        assert_eq!(sum, 4 * round);
        // Those that live are not mixed up with those that come and go.
        let place = round as usize % locks.len();
        assert_eq!(*locks[place].lock().unwrap(), place);
        let queue = &queues[round as usize % queues.len()];
        queue.send(round).unwrap();
        assert_eq!(queue.recv().unwrap(), round);
    }
    drop((locks, queues));
    (before, holdings())
}

#[test]
fn five_thousand_rounds_beside_a_thousand_locks_and_a_hundred_queues_leave_nothing() {
    // In a process of its own, where no other test makes anything.
    let (before, after) = make_and_drop.spawn(5_000).join().unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_value_that_goes_to_many_calls_leaves_nothing_in_a_worker() {
    let pool = Pool::with_workers(1).unwrap();
    let holdings_there = |count: u64| {
        let values: Vec<_> = (0..count).map(|i| Value::new(i).unwrap()).collect();
        let sums = with_value.on(&pool).par_map(values).unwrap();
        sums.last().unwrap().1
    };
    let few = holdings_there(10);
    static MOST: AtomicU64 = AtomicU64::new(0);
    let deadline = Instant::now() + GENEROUS;
    loop {
        let many = holdings_there(200);
        MOST.fetch_max(many as u64, Ordering::Relaxed);
        if many <= few + 250 {
            break;
        }
        assert!(Instant::now() < deadline, "{few} mappings after few values, {many} after many");
    }
}

#[parallel]
fn with_value(value: Value<u64>) -> (u64, usize) {
    (value.get().unwrap(), holdings().1)
}

#[test]
fn all_of_this_works_with_few_descriptors_and_without_dev_shm() {
    surroundings::pass_again("all_of_this_works_with_few_descriptors_and_without_dev_shm", &[]);
}
