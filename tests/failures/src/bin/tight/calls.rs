//! Calls of all sorts within one tight limit.

use std::os::unix::process::CommandExt;

use parallel::prelude::*;

use crate::limit;

/// What is too large for a message and a lane, in bytes.
const LARGE: usize = 2 << 20;

fn resource(letter: &str) -> libc::__rlimit_resource_t {
    match letter {
        "c" => libc::RLIMIT_CORE,
        "d" => libc::RLIMIT_DATA,
        "f" => libc::RLIMIT_FSIZE,
        "l" => libc::RLIMIT_MEMLOCK,
        "n" => libc::RLIMIT_NOFILE,
        "s" => libc::RLIMIT_STACK,
        "t" => libc::RLIMIT_CPU,
        "u" => libc::RLIMIT_NPROC,
        "v" => libc::RLIMIT_AS,
        other => panic!("there is no limit {other}"),
    }
}

/// Becomes this program once more, under a limit from its start on.
pub(crate) fn under(letter: &str, value: u64) {
    if letter == "u" && !become_nobody() {
        return crate::not_run("root has no limit of processes, and other users share theirs");
    }
    limit(resource(letter), value);
    let error = std::process::Command::new("/proc/self/exe").args(["calls", letter]).exec();
    panic!("{error}");
}

/// A user without any other process has exactly the limit of processes that is set.
fn become_nobody() -> bool {
    // Numbers that no system gives to its users; one for each run, so that two do not share a limit.
    let user = 0x4800_0000 + std::process::id();
    // SAFETY: plain system calls, before the second thread.
    let groups = unsafe { libc::setgroups(0, std::ptr::null()) };
    // SAFETY: as above.
    groups == 0 && unsafe { libc::setgid(user) } == 0 && unsafe { libc::setuid(user) } == 0
}

#[parallel]
fn square(x: i32) -> i32 {
    x * x
}

#[parallel]
fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

#[parallel]
fn repeat(len: usize) -> Vec<u8> {
    vec![7; len]
}

#[parallel]
fn total(array: Array<u64>) -> u64 {
    array.to_vec().unwrap().iter().sum()
}

#[parallel]
fn relay(messages: Queue<String>) -> Result<usize, String> {
    let message = messages.recv().map_err(|error| error.to_string())?;
    messages.send(message.clone()).map_err(|error| error.to_string())?;
    Ok(message.len())
}

#[parallel]
fn prepare(text: String) {
    assert_eq!(text, "ready");
}

/// How calls went.
#[derive(Default)]
struct Report(Vec<(&'static str, Option<String>)>);

impl Report {
    fn note<T: PartialEq>(&mut self, what: &'static str, outcome: parallel::Result<T>, expected: &T) {
        let outcome = match outcome {
            Ok(value) => {
                assert!(value == *expected, "{what}");
                None
            }
            Err(error) => Some(error.to_string()),
        };
        self.0.push((what, outcome));
    }
}

fn all(report: &mut Report) {
    for _ in 0..4 {
        // From some start on it is the zygote that starts them.
        report.note("spawn", square.spawn(3).join(), &9);
    }
    report.note("map", square.par_map(0..1_000).map(|all| all.len()), &1_000);
    report.note("submit", square.submit(3).join(), &9);
    report.note("value", Value::new(1_u64).and_then(|value| value.get()), &1);
    let queue = || -> parallel::Result<usize> {
        let queue = Queue::new()?;
        queue.send("a message".repeat(100))?;
        Ok(relay.spawn(queue.clone()).join()?.unwrap_or_else(|text| panic!("{text}")))
    };
    report.note("queue", queue(), &900);
    let long = || -> parallel::Result<usize> {
        let queue = Queue::new()?;
        for _ in 0..4 {
            queue.send(vec![1_u8; LARGE / 2])?;
        }
        (0..4).map(|_| queue.recv().map(|message: Vec<u8>| message.len())).sum()
    };
    report.note("long queue", long(), &(2 * LARGE));
    let bounded = Queue::bounded(10).and_then(|queue| {
        queue.send(1_u64)?;
        queue.recv()
    });
    report.note("bounded queue", bounded, &1);
    report.note("array", Array::<u64>::zeroed(LARGE / 8).and_then(|array| total.submit(array).join()), &0);
    report.note("frozen", Frozen::from_vec(vec![1_u64; LARGE / 8]).map(|all| all.len()), &(LARGE / 8));
    report.note("large argument", length.submit(vec![0; LARGE]).join(), &LARGE);
    report.note("large argument, spawned", length.spawn(vec![0; LARGE]).join(), &LARGE);
    report.note("large result", repeat.submit(LARGE).join().map(|all| all.len()), &LARGE);
    report.note("large result, spawned", repeat.spawn(LARGE).join().map(|all| all.len()), &LARGE);
    let pool = || -> parallel::Result<i32> {
        let pool = Pool::builder().workers(2).initializer(&prepare, ("ready".to_string(),)).build()?;
        let nine = square.on(&pool).submit(3).join()?;
        pool.join().map(|()| nine)
    };
    report.note("pool", pool(), &9);
}

/// Makes calls of all sorts, each of which must give its value, or an error that names the limit.
pub(crate) fn calls(letter: &str) {
    let mut report = Report::default();
    all(&mut report);
    // What is printed goes to a file, which has its limit too.
    limit(resource(letter), u64::MAX);
    let named = format!("`ulimit -{letter}`");
    for (what, error) in &report.0 {
        let Some(error) = error else { continue };
        println!("{what}: {error}");
        // An allocation of Rust's own that fails aborts, in a worker too.
        let is_abort = matches!(letter, "v" | "d") && error.contains("SIGABRT");
        assert!(error.contains(&named) || is_abort, "{what}: {error}");
    }
    println!(
        "end: {} of {} gave their value",
        report.0.iter().filter(|(_, error)| error.is_none()).count(),
        report.0.len()
    );
}

#[parallel]
fn confine(letter: String, value: u64) {
    limit(resource(&letter), value);
}

#[parallel]
fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// A task that sets itself a limit is felt by itself, and at most by later ones in the same worker, as errors.
pub(crate) fn own_limits() {
    for (letter, value) in [("f", 0), ("n", 0), ("n", 6), ("v", 1 << 20), ("d", 0), ("s", 4096), ("u", 0), ("t", 1)] {
        let pool = Pool::with_workers(1).unwrap();
        confine.on(&pool).submit(letter.to_string(), value).join().unwrap();
        let mut outcomes = vec![
            square.on(&pool).submit(3).join().map(|_| 1),
            length.on(&pool).submit(vec![0; LARGE]).join(),
            repeat.on(&pool).submit(LARGE).join().map(|all| all.len()),
            Array::<u64>::zeroed(8).and_then(|array| total.on(&pool).submit(array).join()).map(|_| 8),
            square.on(&pool).submit(3).join().map(|_| 1),
        ];
        if letter == "t" {
            outcomes.push(spin.on(&pool).submit().join().map(|()| 0));
            let error = outcomes[5].as_ref().unwrap_err();
            assert!(error.to_string().contains("SIGXCPU"), "{error}");
        }
        for outcome in outcomes {
            if let Err(error) = outcome {
                println!("{letter} {value}: {error}");
                let kind = error.kind();
                assert!(
                    matches!(
                        kind,
                        ErrorKind::Start(_)
                            | ErrorKind::Encode(_)
                            | ErrorKind::Decode(_)
                            | ErrorKind::Signaled { .. }
                            | ErrorKind::Exited { .. }
                    ),
                    "{error}"
                );
            }
        }
        drop(pool);
        // Nobody else feels it.
        assert_eq!(square.spawn(3).join().unwrap(), 9);
    }
}
