//! Helpers to start a program and watch it from outside: what it says, what it leaves behind, how long it takes.
//!
//! Everything that a program starts carries a mark in its environment, so that nothing escapes the watch by changing
//! its parent or its group. Every wait has a deadline: whoever hangs fails.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What every process that a program starts must be gone within, once the program is.
pub const ORPHAN_LIMIT: Duration = Duration::from_secs(2);

const MARK: &str = "STARTING_MARK";

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A program under watch. Dropping it kills it and all that it started.
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Vec<String>,
    stderr: Option<JoinHandle<String>>,
    mark: String,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ending {
    /// Its exit status.
    pub status: ExitStatus,
    /// The lines of its stdout.
    pub stdout: Vec<String>,
    /// All of its stderr.
    pub stderr: String,
}

/// Copies a file that is to be executed.
///
/// A process of its own writes it: one that another thread starts here meanwhile would hold the file open for writing until it
/// executes, and the copy could not be executed ("Text file busy").
pub fn copy_program(from: impl AsRef<std::path::Path>, to: impl AsRef<std::path::Path>) {
    let copied = std::process::Command::new("cp").arg(from.as_ref()).arg(to.as_ref()).status().expect("there is `cp`");
    assert!(copied.success(), "{} cannot be copied to {}", from.as_ref().display(), to.as_ref().display());
}

impl Ending {
    /// Asserts that the program succeeded without a word on stderr, and returns the lines of its stdout.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn success(self) -> Vec<String> {
        assert!(self.status.success() && self.stderr.is_empty(), "{self:#?}");
        self.stdout
    }
}

impl Program {
    /// Starts the program at `path` with `arguments`.
    pub fn start(path: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        Self::start_as(path, arguments, |_| {})
    }

    /// Starts the program at `path` with `arguments`, and with what `prepare` says about it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start_as(path: impl AsRef<OsStr>, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let mark = unique();
        let mut command = Command::new(path);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env(MARK, &mark)
            .env("RUST_BACKTRACE", "0")
            .env_remove("PARALLEL_WORKERS")
            .env_remove("PARALLEL_START_TIMEOUT")
            .env_remove("PARALLEL_ZYGOTE")
            // A group of its own, as a shell gives it: signals to it do not reach the test.
            .process_group(0);
        // Whoever runs the tests has left descriptors open that are no business of the program, and may ignore the signal of
        // a terminal, as a shell lets what it runs in the background.
        // SAFETY: a closure that makes two async-signal-safe calls.
        unsafe {
            command.pre_exec(|| {
                libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            })
        };
        prepare(&mut command);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n') {
                    let Ok(line) = line else { return };
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        let stderr = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, said: Vec::new(), stderr, mark }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line that it prints.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.said.push(line.clone());
                line
            }
            Err(error) => {
                let hangs = error == RecvTimeoutError::Timeout;
                self.kill();
                let stderr = self.stderr.take().map(|thread| thread.join());
                panic!("no line (hangs: {hangs}); before: {:#?}; stderr: {stderr:?}", self.said);
            }
        }
    }

    /// Waits until it prints `expected`.
    ///
    /// # Panics
    ///
    /// When it never does.
    pub fn wait_for(&mut self, expected: &str) {
        while self.line() != expected {}
    }

    /// Sends it a line on stdin.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the program listens");
    }

    /// Lets it find the end of its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        signal_process(self.pid(), signal);
    }

    /// Waits until it has ended, and returns when it did.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn wait(&mut self) -> (ExitStatus, Instant) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return (status, Instant::now());
            }
            if begun.elapsed() > PATIENCE {
                let alive = describe(&self.marked());
                self.kill();
                panic!("does not end; it said {:#?}; alive: {alive}", self.said);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has ended and its streams are closed; asserts that it leaves no process behind.
    ///
    /// # Panics
    ///
    /// When it does not end, or leaves something behind.
    pub fn end(mut self) -> Ending {
        let (status, at) = self.wait();
        self.assert_no_orphans(at);
        self.read_rest(status)
    }

    fn read_rest(&mut self, status: ExitStatus) -> Ending {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("somebody keeps its stdout open; it said {:#?}", self.said),
            }
        }
        let stderr = self.stderr.take().map(|thread| thread.join().expect("the reader lives")).unwrap_or_default();
        Ending { status, stdout: std::mem::take(&mut self.said), stderr }
    }

    /// Asserts that what it had started is gone within the limit, counted from its own end.
    ///
    /// # Panics
    ///
    /// When something is left.
    pub fn assert_no_orphans(&self, ended: Instant) {
        loop {
            let left = self.orphans();
            if left.is_empty() {
                return;
            }
            assert!(ended.elapsed() <= ORPHAN_LIMIT, "left behind: {}", describe(&left));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processes that it started and that live, apart from itself.
    pub fn orphans(&self) -> BTreeSet<u32> {
        let mut marked = self.marked();
        marked.remove(&self.pid());
        marked
    }

    /// The processes that carry its mark.
    fn marked(&self) -> BTreeSet<u32> {
        let wanted = format!("{MARK}={}", self.mark);
        let carries = |pid: &u32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|pair| pair == wanted.as_bytes()))
        };
        processes().into_iter().filter(carries).collect()
    }

    fn kill(&mut self) {
        // What dies may have started something a moment ago.
        for _ in 0..100 {
            let marked = self.marked();
            if marked.is_empty() {
                break;
            }
            for pid in marked {
                signal_process(pid, libc::SIGKILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends `signal` to a process.
///
/// # Panics
///
/// When the number is none.
pub fn signal_process(pid: u32, signal: i32) {
    let pid = libc::pid_t::try_from(pid).expect("a process number");
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid, signal) };
}

/// Runs a program to its end.
pub fn run(path: impl AsRef<OsStr>, arguments: &[&str]) -> Ending {
    Program::start(path, arguments).end()
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// When it never does.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `body`, and panics when it takes too long.
///
/// # Panics
///
/// When it does, or `body` panics.
pub fn in_time<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = channel();
    let thread = std::thread::spawn(move || {
        let value = body();
        let _ = done.send(());
        value
    });
    assert_ne!(finished.recv_timeout(PATIENCE), Err(RecvTimeoutError::Timeout), "it hangs");
    match thread.join() {
        Ok(value) => value,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// The numbers in the names of a folder's entries.
fn numbers(folder: impl AsRef<Path>) -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// All processes of the machine.
pub fn processes() -> BTreeSet<u32> {
    numbers("/proc")
}

/// How many threads a process has.
pub fn threads(pid: u32) -> usize {
    numbers(format!("/proc/{pid}/task")).len()
}

/// Random bytes that the kernel gives to each execution of a program. Forked processes have those of the one they were
/// forked from.
pub fn execution() -> [u8; 16] {
    // SAFETY: reads the process's own auxiliary vector.
    let address = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const [u8; 16];
    assert!(!address.is_null(), "Linux gives them");
    // SAFETY: the address of 16 bytes on the stack above `main`.
    unsafe { address.read_unaligned() }
}

/// The open descriptors of a process, with what they lead to.
pub fn descriptors(pid: u32) -> Vec<(u32, PathBuf)> {
    let folder = format!("/proc/{pid}/fd");
    numbers(&folder).into_iter().filter_map(|fd| Some((fd, fs::read_link(format!("{folder}/{fd}")).ok()?))).collect()
}

/// How many mappings a process has.
pub fn mappings(pid: u32) -> usize {
    fs::read_to_string(format!("/proc/{pid}/maps")).map_or(0, |maps| maps.lines().count())
}

/// The children of a process, zombies included; its zygote aside, and the one copy of it that waits, which stay.
pub fn children(pid: u32) -> BTreeSet<u32> {
    let (mut spares, children): (BTreeSet<u32>, BTreeSet<u32>) = all_children(pid)
        .into_iter()
        .filter(|&child| !(is_called_zygote(child) && leads_group(child)))
        .partition(|&child| is_called_zygote(child));
    spares.pop_first();
    children.union(&spares).copied().collect()
}

/// The zygotes of a process, those that have ended and are not reaped included: one at most, at any time.
pub fn zygotes(pid: u32) -> BTreeSet<u32> {
    all_children(pid).into_iter().filter(|&child| is_called_zygote(child) && leads_group(child)).collect()
}

/// The copies of its zygote that have not begun.
pub fn spares(pid: u32) -> BTreeSet<u32> {
    all_children(pid).into_iter().filter(|&child| is_called_zygote(child) && !leads_group(child)).collect()
}

/// A copy that has not begun is called so too, but is in the group of another.
fn is_called_zygote(pid: u32) -> bool {
    status(pid, "Name").is_some_and(|name| name == "zygote")
}

fn leads_group(pid: u32) -> bool {
    // The group is told in each namespace; the last one is its own.
    status(pid, "NSpgid").is_some_and(|groups| groups.split_whitespace().next_back() == Some(&pid.to_string()))
}

fn all_children(pid: u32) -> BTreeSet<u32> {
    let is_child = |&other: &u32| status(other, "PPid").is_some_and(|parent| parent == pid.to_string());
    processes().into_iter().filter(is_child).collect()
}

/// A field of `/proc/PID/status`.
pub fn status(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_string())
}

fn describe(pids: &BTreeSet<u32>) -> String {
    let one = |pid: &u32| {
        let word = |field| status(*pid, field).unwrap_or_default();
        format!("{pid} {} ({}), child of {}", word("Name"), word("State"), word("PPid"))
    };
    pids.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A new folder, removed with all that is in it when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one below the folder for temporary files.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new() -> Self {
        Self::named(OsStr::new(""))
    }

    /// Makes one whose name ends in `name`.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn named(name: &OsStr) -> Self {
        let mut full = OsString::from(format!("starting-{}", unique()));
        full.push(name);
        let path = std::env::temp_dir().join(full);
        fs::create_dir(&path).expect("a folder for temporary files");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers the question of a test runner for the names of the tests in a program that is one test by itself; true when
/// that was the question.
pub fn listed(name: &str) -> bool {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let asked = |word: &str| arguments.iter().any(|argument| argument.as_bytes() == word.as_bytes());
    if !asked("--list") {
        return false;
    }
    if !asked("--ignored") {
        println!("{name}: test");
    }
    true
}

/// Reads a line from stdin.
pub fn hear() -> String {
    let mut line = String::new();
    // At the end of stdin the line is empty.
    let _ = std::io::stdin().read_line(&mut line);
    line.trim_end().to_string()
}
