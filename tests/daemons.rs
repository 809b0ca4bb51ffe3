//! Tasks that fork, as C libraries do that make a daemon: what the forked process finds, and that it harms nobody.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// Long, for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A folder for traces, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parallel-daemons-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder for temporary files");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Forks; 0 in the child.
fn fork() -> i32 {
    // SAFETY: the worker has one thread that runs tasks, and its other one takes no lock.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    child
}

/// Waits for a child, and gives what the system says of its end.
fn wait_for(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

/// Leaves a daemon behind that reads these arguments again and again until it is told to stop, and says what it found.
#[parallel]
fn daemonize(row: &[f64], text: &str, folder: &str) -> i32 {
    let (total, copy, folder) = (row.iter().sum::<f64>(), text.to_string(), Path::new(folder).to_path_buf());
    let child = fork();
    if child > 0 {
        return child;
    }
    let mut found = "as they were".to_string();
    let mut read = || {
        #[allow(clippy::float_cmp, reason = "the same sum of the same numbers")]
        if row.iter().sum::<f64>() != total || text != copy {
            found = format!("{row:.3?} {text}");
        }
    };
    eventually("it may end", || {
        read();
        folder.join("may end").exists().then_some(())
    });
    read();
    let _ = std::fs::write(folder.join("part"), &found);
    let _ = std::fs::rename(folder.join("part"), folder.join("found"));
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

#[parallel]
fn sum(row: &[f64]) -> f64 {
    row.iter().sum()
}

#[test]
fn a_daemon_reads_its_arguments_as_they_were_whatever_its_worker_runs_later() {
    for (name, len) in [("small", 10), ("lane", 20_000), ("block", 40_000), ("bulk", 150_000)] {
        let folder = Folder::new(name);
        let pool = Pool::with_workers(1).unwrap();
        let row = vec![1.0; len];
        let daemon = daemonize.on(&pool).submit(&row, "once upon a time", folder.path()).join().unwrap();
        for round in 0..4 {
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let other = vec![f64::from(round) + 2.0; len + 50];
            let expected: f64 = other.iter().sum();
            assert_eq!(sum.on(&pool).submit(&other).join().unwrap().to_bits(), expected.to_bits());
        }
        std::fs::write(folder.0.join("may end"), "").unwrap();
        let found =
            eventually("the daemon says what it found", || std::fs::read_to_string(folder.0.join("found")).ok());
        assert_eq!(found, "as they were", "{name}, {daemon}");
        assert_eq!(pool.stats().restarts, 0);
    }
}

/// Comes back twice: first in a forked process, which ends then, and after that in the worker.
#[parallel]
fn come_back_twice(length: usize) -> Vec<u32> {
    let child = fork();
    if child > 0 {
        assert_eq!(wait_for(child), 0, "it ends as a program does");
    }
    vec![u32::from(child == 0); length]
}

/// The same, and panics in the forked process.
#[parallel]
fn panic_once(x: u32) -> u32 {
    let child = fork();
    assert!(child > 0, "in the forked process");
    wait_for(child);
    x
}

/// Says that it ran this item, and forks at every other; fails where one runs twice.
#[parallel]
fn run_once(folder: &str, item: u32) -> u32 {
    let file = Path::new(folder).join(item.to_string());
    OpenOptions::new().write(true).create_new(true).open(file).expect("it runs once");
    if item % 2 == 1 {
        let child = fork();
        if child == 0 {
            return 1_000;
        }
        wait_for(child);
    }
    item
}

#[parallel]
fn add(x: u32, y: u32) -> u32 {
    x + y
}

/// Adds twice: first in a forked process, which ends then.
#[parallel]
fn add_twice(x: u32, y: u32) -> u32 {
    let child = fork();
    if child > 0 {
        assert_eq!(wait_for(child), 0, "it ends as a program does");
    }
    x + y
}

/// Fails in the forked process, by an `Err` or a panic.
#[parallel]
fn fail_once(x: u32) -> Result<u32, String> {
    let child = fork();
    if child == 0 {
        assert!(x.is_multiple_of(2), "in the forked process");
        return Err("in the forked process".to_string());
    }
    assert_eq!(wait_for(child), 0, "it ends as a program does");
    Ok(x)
}

#[test]
fn a_forked_process_that_comes_back_from_the_task_gives_no_result_and_ends() {
    let pool = Pool::with_workers(1).unwrap();
    for length in [1, 1_000, 100_000, 300_000, 3_000_000] {
        assert_eq!(come_back_twice.spawn(length).join().unwrap(), vec![0; length], "spawned");
        assert_eq!(come_back_twice.on(&pool).submit(length).join().unwrap(), vec![0; length], "in a pool");
    }
    assert_eq!(panic_once.on(&pool).par_map(0..10).unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(panic_once.spawn(3).join().unwrap(), 3);
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_forked_process_that_comes_back_runs_no_other_item() {
    let pool = Pool::with_workers(1).unwrap();
    let folder = Folder::new("items");
    let items = || (0..20).map(|item| (folder.path(), item));
    assert_eq!(run_once.on(&pool).chunk_size(20).par_map(items()).unwrap(), (0..20).collect::<Vec<_>>());
    drop(folder);
    let folder = Folder::new("merged items");
    let items = (0..20).map(|item| (folder.path(), item));
    assert_eq!(run_once.on(&pool).chunk_size(20).par_map_reduce(items, &add).unwrap(), Some(190));
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_forked_process_that_comes_back_into_a_reduction_says_nothing_and_ends() {
    let pool = Pool::with_workers(1).unwrap();
    let total = fail_once.on(&pool).chunk_size(20).try_par_map_reduce(0..20, &add_twice);
    assert_eq!(total.unwrap(), Some(190));
    assert_eq!(pool.stats().restarts, 0);
}

/// How a child ends that was forked behind the C library's back, and that reads its arguments.
#[parallel]
fn clone_and_read(row: &[f64]) -> i32 {
    // SAFETY: the child makes no call but to end.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if child == 0 {
        let total: f64 = row.iter().sum();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(total > 0.0)) }
    }
    wait_for(i32::try_from(child).expect("a process number"))
}

#[test]
fn a_child_that_is_forked_behind_the_c_librarys_back_finds_no_arguments_rather_than_others() {
    let pool = Pool::with_workers(1).unwrap();
    let status = clone_and_read.on(&pool).submit(&[1.0; 100]).join().unwrap();
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "{status}");
    assert_eq!(sum.on(&pool).submit(&[1.0; 100]).join().unwrap().to_bits(), 100.0_f64.to_bits());
}

/// Has a pool, and a forked child that ends as programs do, with its handlers.
#[parallel]
fn have_a_pool_and_a_child(x: f64) -> f64 {
    let pool = Pool::with_workers(1).expect("a pool in a worker");
    assert_eq!(sum.on(&pool).submit(&[1.0]).join().expect("it works").to_bits(), 1.0_f64.to_bits());
    let child = fork();
    if child == 0 {
        std::process::exit(7);
    }
    assert_eq!(libc::WEXITSTATUS(wait_for(child)), 7);
    let twice = sum.on(&pool).submit(&[x, x]).join().expect("the pool is there");
    assert_eq!(pool.stats().restarts, 0);
    twice
}

#[test]
fn a_forked_process_that_exits_leaves_its_workers_pool_alone() {
    assert_eq!(have_a_pool_and_a_child.spawn(2.0).join().unwrap().to_bits(), 4.0_f64.to_bits());
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(have_a_pool_and_a_child.on(&pool).submit(3.0).join().unwrap().to_bits(), 6.0_f64.to_bits());
}
