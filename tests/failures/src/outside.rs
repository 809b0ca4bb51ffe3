//! Starting a program, watching it from outside, and looking for what it leaves behind.
//!
//! Everything that a program starts inherits its environment, so a mark in there finds its descendants, orphans too.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// The variable that marks a program and its descendants.
const MARK: &str = "PARALLEL_FAILURES_RUN";
/// How soon after a program's end everything that it started must be gone.
const GONE: Duration = Duration::from_secs(2);

/// A program that runs. When it is dropped it is killed, with everything that it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    mark: String,
    /// Holds what it prints, its notes, and the folders in which nothing may be left.
    folder: PathBuf,
}

impl Running {
    /// Starts a program; `what` names the run in messages.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("parallel-failures-{mark}"));
        for kept in ["notes", "temporary", "current"] {
            fs::create_dir_all(folder.join(kept)).expect("a folder in the temporary one");
            // Some programs give up root.
            open_to_all(&folder.join(kept));
        }
        let file = |name: &str| Stdio::from(File::create(folder.join(name)).expect("a file in the new folder"));
        let mut command = Command::new(program);
        // A session of its own: in that of the system's first process, which takes over what the program leaves behind,
        // the kernel hangs up on whoever is stopped in a group when a process of that group ends.
        // SAFETY: makes a plain system call.
        unsafe { command.pre_exec(lead_session) };
        let child = command
            .args(arguments)
            .env(MARK, &mark)
            .env("TMPDIR", folder.join("temporary"))
            .env(crate::inside::NOTES, folder.join("notes"))
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .env_remove("PARALLEL_WORKERS")
            .current_dir(folder.join("current"))
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("a program of this package");
        Self { child, mark, folder }
    }

    /// The process number of the program itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes that noted this.
    pub fn noted(&self, what: &str) -> Vec<u32> {
        crate::inside::read_notes(&self.folder.join("notes"), what)
    }

    /// Every process that the program started, or a descendant of it, and that has not ended.
    pub fn descendants(&self) -> Vec<u32> {
        let entry = format!("{MARK}={}", self.mark);
        crate::inside::processes()
            .filter(|&pid| pid != self.pid())
            .filter(|pid| {
                // A thread that has ended has no environment, and the first may end before others.
                let mut threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
                threads.any(|thread| {
                    let environment = fs::read(thread.path().join("environ")).unwrap_or_default();
                    environment.split(|&byte| byte == 0).any(|variable| variable == entry.as_bytes())
                })
            })
            .collect()
    }

    /// Kills the program, and only it.
    ///
    /// # Panics
    ///
    /// When it has ended already.
    pub fn kill(&mut self) {
        assert!(self.child.try_wait().is_ok_and(|status| status.is_none()), "it ended early: {}", self.said());
        self.child.kill().expect("a running child");
        self.child.wait().expect("a killed child");
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    ///
    /// When it takes longer than [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "hangs after {PATIENCE:?}, with {:?} running: {}",
                self.descendants(),
                self.said()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the program printed.
    pub fn said(&self) -> String {
        ["stdout", "stderr"].map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default()).concat()
    }

    /// Checks that the program, which has ended, left nothing behind.
    ///
    /// # Panics
    ///
    /// When a process lives on for 2 s, or a file was left.
    pub fn check_nothing_is_left(&self) {
        let ended = Instant::now();
        let mut empty = 0;
        // Twice: a process that is being replaced by exec has no environment for a moment.
        while empty < 2 {
            let left = self.descendants();
            empty = if left.is_empty() { empty + 1 } else { 0 };
            let commands: Vec<_> = left.iter().map(|pid| command_of(*pid)).collect();
            assert!(left.is_empty() || ended.elapsed() < GONE, "left behind: {left:?} {commands:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        for empty in ["temporary", "current"] {
            let files: Vec<_> = fs::read_dir(self.folder.join(empty)).expect("the folder made at the start").collect();
            assert!(files.is_empty(), "files were left: {files:?}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.descendants() {
            if let Ok(pid) = pid.try_into() {
                // SAFETY: a plain system call; the process carries this run's mark.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program to its end, which must be a good one, and checks that it left nothing behind.
///
/// # Panics
///
/// When the program fails, hangs, or leaves something behind.
pub fn passes(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let mut running = Running::start(program, arguments);
    let status = running.wait();
    assert!(status.success(), "{status}: {}", running.said());
    running.check_nothing_is_left();
}

fn lead_session() -> std::io::Result<()> {
    // SAFETY: a plain system call.
    if unsafe { libc::setsid() } == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("our own folder");
}

fn command_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")
}
