//! Makes more calls than its limits allow. Arguments: the limit of descriptors, how many of them it uses itself, how
//! many calls it makes, how many of them must be at work at the same time, a folder in which those meet, and the limit of processes
//! if there is one.
use std::path::Path;

use parallel::prelude::*;

/// Waits until `count` calls are here.
#[parallel]
fn meet(folder: &str, number: usize, count: usize) -> usize {
    std::fs::write(Path::new(folder).join(number.to_string()), "").expect("the folder is there");
    parallel_starting::eventually("all are here", || {
        std::fs::read_dir(folder).expect("the folder is there").count() >= count
    });
    number
}

#[parallel]
fn length(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn main() -> parallel::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().expect("a number");
    let (limit, used, calls, at_once) = (number(1), number(2), number(3), number(4));
    let folder = &arguments[5];
    let limit = libc::rlimit { rlim_cur: limit as u64, rlim_max: limit as u64 };
    // SAFETY: a plain system call with a valid argument.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    if let Some(processes) = arguments.get(6) {
        // Root may start any number, so this becomes nobody, who has no other process. Threads count too.
        let limit: u64 = processes.parse().expect("a number");
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: plain system calls with valid arguments.
        unsafe {
            assert_eq!((libc::setgid(65534), libc::setuid(65534)), (0, 0));
            libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit);
        }
    }
    let files: Vec<_> = (0..used).map(|_| std::fs::File::open("/dev/null").expect("within the limit")).collect();

    let handles: Vec<_> = (0..calls).map(|number| meet.spawn(folder, number, at_once)).collect();
    for (number, handle) in handles.into_iter().enumerate().rev() {
        assert_eq!(handle.join()?, number);
    }
    // Arguments and results that travel as descriptors of their own.
    let large = vec![7_u8; 100_000];
    let handles: Vec<_> = (0..calls.min(40)).map(|_| length.spawn(&large)).collect();
    for handle in handles {
        assert_eq!(handle.join()?, large);
    }
    assert!(parallel::active_children().is_empty());
    drop(files);
    println!("done");
    Ok(())
}
