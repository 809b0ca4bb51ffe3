//! What unit tests with workers of their own share: flags that the program and its workers see.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::poison::lock;
use crate::sys::process;

/// How long anything may take before it counts as a hang. Long, for a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A flag, which is down at first.
pub(crate) struct Flag(PathBuf);

impl Flag {
    /// The flag of this name: one for the program and its workers.
    pub(crate) fn named(name: &str) -> Self {
        let worker = crate::current::current().is_worker();
        let program = if worker { process::parent_number() } else { process::own_number() };
        Self(std::env::temp_dir().join(format!("parallel-flag-{program}-{name}")))
    }

    pub(crate) fn raise(&self) {
        File::create(&self.0).unwrap();
    }

    pub(crate) fn lower(&self) {
        let _ = fs::remove_file(&self.0);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.0.exists()
    }

    pub(crate) fn wait(&self) {
        eventually(&format!("{} is up", self.0.display()), || self.is_up());
    }
}

/// For a test that keeps the reactor busy, or fills its queue: until this is dropped, no other such test runs.
pub(crate) fn has_reactor_alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    lock(&ALONE)
}

pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
