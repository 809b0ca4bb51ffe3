//! What queues take: address space as they are used, and memory as it is touched.

use std::fs;

use parallel::prelude::*;

use crate::{limit, limits_of, not_run};

#[parallel]
fn square(x: i32) -> i32 {
    x * x
}

/// This process's address space, in bytes.
fn address_space() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("/proc");
    pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

/// Makes 20,000 queues at once, and uses them; there is room for the program beside them.
pub(crate) fn many() {
    const EACH: u64 = 3;
    const OTHERS: u64 = 1_000;
    let mut count = 20_000;
    let needed = count * EACH + OTHERS;
    let allowed = limits_of(libc::RLIMIT_NOFILE).rlim_max;
    if allowed < needed {
        let limits = libc::rlimit { rlim_cur: needed, rlim_max: needed };
        // SAFETY: `limits` is filled.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) } != 0 {
            count = allowed.saturating_sub(OTHERS) / EACH;
            not_run(&format!("20,000 queues, whose descriptors only root may have here; {count} instead"));
        }
    }
    limit(libc::RLIMIT_NOFILE, needed);
    let before = address_space();
    let queues: Vec<Queue<u64>> = (0..count).map(|_| Queue::new().unwrap()).collect();
    for (number, queue) in (0..).zip(&queues) {
        queue.send(number).unwrap();
    }
    // Some grow.
    let long: Vec<Queue<Vec<u8>>> = (0..20).map(|_| Queue::new().unwrap()).collect();
    for queue in &long {
        queue.send(vec![1; 3 << 20]).unwrap();
    }
    let taken = address_space() - before;
    assert!(taken < count * (1 << 20) + (1 << 30), "{taken} bytes of address space");
    assert_eq!(std::hint::black_box(vec![1_u8; 64 << 20]).len(), 64 << 20);
    assert_eq!(std::thread::spawn(|| 9).join().unwrap(), 9);
    assert_eq!(square.spawn(3).join().unwrap(), 9);
    for (number, queue) in (0..).zip(&queues) {
        assert_eq!(queue.recv().unwrap(), number);
    }
    for queue in &long {
        assert_eq!(queue.recv().unwrap().len(), 3 << 20);
    }
}

#[parallel]
fn receive_in_little_space(messages: Queue<Vec<u8>>) -> Result<usize, String> {
    limit(libc::RLIMIT_AS, address_space() + (64 << 20));
    messages.recv().map(|message| message.len()).map_err(|error| error.to_string())
}

/// Within a limit on address space, queues leave room for the program, and say what they lack.
pub(crate) fn share() {
    assert_eq!(square.spawn(3).join().unwrap(), 9);
    const LEFT: u64 = 2 << 30;
    limit(libc::RLIMIT_AS, address_space() + LEFT);
    let before = address_space();
    let queue: Queue<Vec<u8>> = Queue::new().unwrap();
    assert!(address_space() - before <= LEFT / 64, "one queue takes {} bytes", address_space() - before);
    let mut sent = 0;
    let error = loop {
        assert!(sent < 64, "more than its share");
        match queue.send(vec![1; 1 << 20]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    println!("{sent} messages, then: {error}");
    assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error}");
    assert!(error.to_string().contains("address space") && error.to_string().contains("ulimit -v"), "{error}");
    assert!(sent >= 8, "{sent}");
    // What is left is the program's.
    assert_eq!(std::hint::black_box(vec![1_u8; 256 << 20]).len(), 256 << 20);
    assert_eq!(std::thread::spawn(|| 9).join().unwrap(), 9);
    // A receiver with less gets an error, and the message stays.
    let error = receive_in_little_space.spawn(queue.clone()).join().unwrap().unwrap_err();
    println!("{error}");
    assert!(error.contains("address space") && error.contains("ulimit -v"), "{error}");
    for _ in 0..sent {
        assert_eq!(queue.recv().unwrap().len(), 1 << 20);
    }
    assert!(queue.is_empty());
    // One of numbers that may not be many is small.
    let before = address_space();
    let numbers: Vec<Queue<u64>> = (0..100).map(|_| Queue::bounded(64).unwrap()).collect();
    assert!(address_space() - before < 100 << 20);
    drop(numbers);
    // Where there is nothing left, the error says so.
    limit(libc::RLIMIT_AS, address_space());
    let error = loop {
        match Queue::<u64>::new() {
            Ok(queue) => std::mem::forget(queue),
            Err(error) => break error.to_string(),
        }
    };
    limit(libc::RLIMIT_AS, u64::MAX);
    println!("{error}");
    assert!(error.contains("address space") && error.contains("ulimit -v"), "{error}");
}

/// The mappings of queues, each with its lines in `smaps`.
fn mappings() -> Vec<String> {
    let all = fs::read_to_string("/proc/self/smaps").expect("/proc");
    let mut found: Vec<String> = Vec::new();
    let mut is_ours = false;
    for line in all.lines() {
        if !line.split(' ').next().is_some_and(|word| word.ends_with(':')) {
            is_ours = line.contains("memfd:parallel");
            if is_ours {
                found.push(String::new());
            }
        }
        if is_ours {
            let last = found.last_mut().expect("the first line");
            last.push_str(line);
            last.push('\n');
        }
    }
    found
}

fn filled_queues() -> Vec<Queue<Vec<u8>>> {
    let queues: Vec<Queue<Vec<u8>>> = (0..4).map(|_| Queue::new().unwrap()).collect();
    for queue in &queues {
        // The level that this needs is twice as large.
        queue.send(vec![1; (16 << 20) + 1]).unwrap();
    }
    queues
}

/// A core dump has nothing of queues: what was never touched would be made for it.
pub(crate) fn core() {
    let queues = filled_queues();
    let mappings = mappings();
    assert!(mappings.len() >= queues.len(), "{mappings:?}");
    for mapping in mappings {
        let flags = mapping.lines().find(|line| line.starts_with("VmFlags:")).expect("its flags");
        assert!(flags.split(' ').any(|flag| flag == "dd"), "it is dumped: {mapping}");
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() != "core" {
        return not_run(&format!("core files go elsewhere here ({})", pattern.trim()));
    }
    // In the folder for files that are to be gone at the end.
    let folder = std::env::temp_dir().join("core");
    fs::create_dir(&folder).unwrap();
    // SAFETY: the child makes system calls only, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _ = std::env::set_current_dir(&folder);
        limit(libc::RLIMIT_CORE, u64::MAX);
        // SAFETY: ends the process.
        unsafe { libc::abort() };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    let sizes: Vec<u64> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect();
    fs::remove_dir_all(&folder).unwrap();
    if !libc::WCOREDUMP(status) {
        return not_run("no core file was written");
    }
    assert!(sizes.iter().sum::<u64>() < 32 << 20, "{sizes:?}");
}

/// A program that locks whatever it maps gets queues that take memory as they are used.
pub(crate) fn locked() {
    // SAFETY: a plain system call.
    if !crate::is_root() || unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
        return not_run("to lock all memory needs root");
    }
    let many: Vec<Queue<u64>> = (0..200).map(|_| Queue::new().unwrap()).collect();
    let queues = filled_queues();
    let kib = |mapping: &str, name: &str| -> u64 {
        let line = mapping.lines().find_map(|line| line.strip_prefix(name)).expect("a line for it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let mappings = mappings();
    let resident: u64 = mappings.iter().map(|mapping| kib(mapping, "Rss:")).sum();
    assert!(mappings.iter().all(|mapping| kib(mapping, "Locked:") == 0), "some of it is locked");
    assert!(resident < 100 << 10, "{resident} KiB of {} queues", many.len() + queues.len());
    assert_eq!(square.spawn(3).join().unwrap(), 9);
}
