//! A minute of the program in all, of two seeds at the same time; more by hand.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long each of the two kills; it looks around for some seconds before and after that.
const SECONDS: u64 = 25;
/// The program's own watch ends it where something hangs, and tells why; this is for the watch itself.
const DEADLINE: Duration = Duration::from_secs(400);
/// How soon after the program's end everything that it started must be gone.
const GONE: Duration = Duration::from_secs(2);
/// The variable that marks a program and what it started.
const MARK: &str = "PARALLEL_CHAOS_SEED";

/// A program that runs; it ends with this.
struct Running {
    seed: u64,
    child: Child,
}

impl Running {
    fn start(seed: u64) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_chaos"))
            .args(["--seed", &seed.to_string(), "--seconds", &SECONDS.to_string()])
            .env(MARK, seed.to_string())
            .env_remove("PARALLEL_WORKERS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program of this package");
        Self { seed, child }
    }

    /// Waits for its end, and checks that all went well and that nothing is left.
    fn check(mut self) {
        let (mut stdout, mut stderr) =
            (self.child.stdout.take().expect("a pipe"), self.child.stderr.take().expect("a pipe"));
        let (said, cried) =
            (read(move |text| stdout.read_to_string(text)), read(move |text| stderr.read_to_string(text)));
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            assert!(Instant::now() < deadline, "seed {}: hangs", self.seed);
            thread::sleep(Duration::from_millis(20));
        };
        let ended = Instant::now();
        while !self.left().is_empty() {
            assert!(ended.elapsed() < GONE, "seed {}: left behind: {:?}", self.seed, self.left());
            thread::sleep(Duration::from_millis(20));
        }
        let said = [said, cried].map(|text| text.join().unwrap_or_default()).concat();
        assert!(status.success(), "seed {}: {status}\n{said}", self.seed);
    }

    /// Every process that it started, or a descendant of it, and that has not ended.
    fn left(&self) -> Vec<u32> {
        let entry = format!("{MARK}={}", self.seed);
        let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
        let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        numbers
            .filter(|&pid: &u32| pid != self.child.id())
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
            })
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: impl FnOnce(&mut String) -> std::io::Result<usize> + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe(&mut text);
        text
    })
}

#[test]
fn whatever_dies_whenever_nothing_hangs_no_value_is_wrong_and_nothing_is_left() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let seed = now.as_micros() as u64 % (1 << 32);
    // Two cores, or more: what one loads, the other feels.
    let both = [seed, seed + 1].map(Running::start);
    both.into_iter().for_each(Running::check);
}
