//! Where a call may be made: in the test's own process, from many threads, inside workers, in futures.
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parallel::prelude::*;
use parallel_starting::{Folder, Program, eventually, in_time, run, signal_process, status};

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn descend(depth: u64) -> Vec<u32> {
    let mut pids = if depth == 0 { Vec::new() } else { descend.spawn(depth - 1).join().expect("a call inside a call") };
    pids.push(std::process::id());
    pids
}

#[parallel]
fn sum_of_cubes(end: u64) -> u64 {
    cube.par_map(0..end).expect("a map inside a worker").into_iter().sum()
}

#[parallel]
fn leaves(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let pool = Pool::with_workers(2).expect("a pool inside a worker");
    leaves.on(&pool).par_map([depth - 1, depth - 1]).expect("a map inside a worker").into_iter().sum()
}

#[parallel]
fn hang() {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_test_can_make_calls() {
    in_time(|| {
        assert_eq!(cube.spawn(3).join().unwrap(), 27);
        assert_eq!(cube.submit(3).join().unwrap(), 27);
        assert_eq!(cube.par_map(0..100).unwrap(), (0..100).map(cube.as_fn()).collect::<Vec<_>>());
    });
}

#[test]
fn many_threads_make_calls_at_once() {
    in_time(|| {
        let pool = Pool::with_workers(3).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let pool = &pool;
                scope.spawn(move || {
                    for x in thread..thread + 4 {
                        assert_eq!(cube.spawn(x).join().unwrap(), x * x * x);
                        assert_eq!(cube.on(pool).submit(x).join().unwrap(), x * x * x);
                        let cubes = cube.on(pool).par_map(x..x + 50).unwrap();
                        assert_eq!(cubes, (x..x + 50).map(|x| x * x * x).collect::<Vec<_>>());
                    }
                });
            }
        });
        pool.join().unwrap();
    });
}

#[test]
fn many_threads_make_the_first_call_at_once() {
    // In a process of its own each, where there was no call before.
    #[parallel]
    fn first_calls() -> u64 {
        let barrier = std::sync::Barrier::new(12);
        std::thread::scope(|scope| {
            let one = |x| {
                barrier.wait();
                if x % 2 == 0 { cube.spawn(x).join().unwrap() } else { cube.par_map([x]).unwrap()[0] }
            };
            let threads: Vec<_> = (0..12).map(|x| scope.spawn(move || one(x))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    }
    in_time(|| {
        let expected: u64 = (0..12).map(|x| x * x * x).sum();
        for _ in 0..5 {
            assert_eq!(first_calls.spawn().join().unwrap(), expected);
        }
    });
}

#[test]
fn calls_nest_ten_deep() {
    in_time(|| {
        let mut pids = descend.spawn(10).join().unwrap();
        assert_eq!(pids.len(), 11);
        pids.push(std::process::id());
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 12, "each runs in a process of its own");
    });
}

#[test]
fn pools_nest() {
    in_time(|| {
        assert_eq!(leaves(0), 1);
        assert_eq!(leaves.spawn(2).join().unwrap(), 4);
        let pool = Pool::with_workers(2).unwrap();
        assert_eq!(leaves.on(&pool).par_map([2, 1]).unwrap(), [4, 2]);
        // Each worker has a global pool of its own.
        assert_eq!(sum_of_cubes.on(&pool).par_map([3, 4]).unwrap(), [9, 36]);
        pool.join().unwrap();
    });
}

#[test]
fn a_program_starts_its_calls_and_runs_main_once() {
    assert_eq!(run(env!("CARGO_BIN_EXE_plain"), &[]).success(), ["main", "done"]);
}

#[test]
fn a_call_whose_handle_is_dropped_goes_on() {
    #[parallel]
    fn arrive(path: &str) {
        std::fs::write(path, "").expect("the folder is there");
    }
    in_time(|| {
        let folder = Folder::new();
        let pool = Pool::with_workers(1).unwrap();
        let path = |name: &str| folder.file(name).to_str().unwrap().to_string();
        drop(arrive.spawn(&path("spawned")));
        drop(arrive.on(&pool).submit(&path("submitted")));
        // One that has not started when its handle goes.
        let busy = hang.on(&pool).submit();
        drop(arrive.on(&pool).submit(&path("queued")));
        eventually("the pool is busy", || busy.pid().is_some());
        busy.kill().unwrap();
        for name in ["spawned", "submitted", "queued"] {
            eventually(name, || folder.file(name).exists());
        }
    });
}

#[test]
fn an_asynchronous_main_works() {
    assert_eq!(run(env!("CARGO_BIN_EXE_tokio_main"), &[]).success(), ["main", "done"]);
}

#[test]
fn handles_are_awaited_on_any_executor() {
    async fn sum(pool: &Pool) -> Result<u64, Error> {
        let (spawned, submitted) = (cube.spawn(2), cube.on(pool).submit(3));
        Ok(spawned.await? + submitted.await?)
    }
    in_time(|| {
        let pool = Pool::with_workers(1).unwrap();
        assert_eq!(pollster::block_on(sum(&pool)).unwrap(), 35);
        assert_eq!(futures_executor::block_on(sum(&pool)).unwrap(), 35);
        let one_thread = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(one_thread.block_on(sum(&pool)).unwrap(), 35);
        let many_threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        assert_eq!(many_threads.block_on(sum(&pool)).unwrap(), 35);
        // One that has finished long ago.
        let handle = cube.spawn(4);
        eventually("finished", || handle.is_finished());
        assert_eq!(pollster::block_on(handle).unwrap(), 64);
    });
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_future_wakes_who_asked_last_and_wakes_nobody_once_it_is_dropped() {
    in_time(|| {
        let pool = Pool::with_workers(1).unwrap();
        for submitted in [false, true] {
            let start = || if submitted { hang.on(&pool).submit() } else { hang.spawn() };
            let pid_of = |handle: &JoinHandle<()>| {
                eventually("it runs", || handle.pid().is_some());
                let pid = handle.pid().unwrap();
                // What `ps` shows once the function is running; a worker says its own name before.
                eventually("it has started", || status(pid, "Name").is_some_and(|name| name == "hang" || submitted));
                pid
            };
            let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
            let handle = start();
            let pid = pid_of(&handle);
            let mut future = pin!(handle);
            for count in [&first, &last] {
                let waker = Waker::from(Arc::clone(count));
                assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            signal_process(pid, 9);
            eventually("woken", || last.0.load(Ordering::SeqCst) > 0);
            assert_eq!(first.0.load(Ordering::SeqCst), 0);
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Err(error)) = poll else { panic!("{poll:?}") };
            assert!(matches!(error.kind(), ErrorKind::Signaled { signal: 9, .. }), "{error}");

            let abandoned = Arc::new(Count::default());
            let handle = start();
            let pid = pid_of(&handle);
            {
                let mut future = pin!(handle);
                let waker = Waker::from(Arc::clone(&abandoned));
                assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert_eq!(Arc::strong_count(&abandoned), 1, "its waker is kept by nobody");
            assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "the call goes on");
            signal_process(pid, 9);
            eventually("gone", || !parallel::active_children().contains(&pid));
            // Whoever would wake the abandoned one has had his turn before this call has come back.
            assert_eq!(cube.on(&pool).submit(3).join().unwrap(), 27);
            assert_eq!(abandoned.0.load(Ordering::SeqCst), 0);
        }
        pool.join().unwrap();
    });
}

#[test]
fn each_process_knows_its_name_and_its_children() {
    assert_eq!(run(env!("CARGO_BIN_EXE_identity"), &[]).success(), ["done"]);
}

#[test]
fn only_functions_that_cannot_be_told_apart_are_refused() {
    let lines = run(env!("CARGO_BIN_EXE_same_key"), &[]).success();
    let (refused, others) = lines.split_at(10);
    for (line, name) in
        refused.iter().zip([["twin"; 3].as_slice(), &["twin"; 3], &["prepare"; 2], &["add"; 2]].concat())
    {
        assert!(line.starts_with("refused: ") && line.contains(&format!("`same_key::{name} at ")), "{lines:#?}");
        assert!(line.contains("src/bin/same_key.rs:") && line.contains("one macro made them all"), "{lines:#?}");
        assert!(line.contains("#[parallel(handle = ...)]"), "{lines:#?}");
    }
    assert_eq!(others, ["1", "1", "1", "2", "2", "2", "27", "27", "[0, 1, 8]"]);
}

#[test]
fn nothing_is_started_before_the_first_call() {
    let mut program = Program::start(env!("CARGO_BIN_EXE_quiet"), &[]);
    let watch = |pid| {
        (
            parallel_starting::threads(pid),
            parallel_starting::descriptors(pid).len(),
            parallel_starting::children(pid).len(),
        )
    };
    program.wait_for("before");
    assert_eq!(watch(program.pid()), (1, 3, 0));
    program.tell("go on");
    program.wait_for("after");
    assert!(watch(program.pid()).0 > 1, "one looks at the right process");
    program.tell("go on");
    program.end().success();
}
