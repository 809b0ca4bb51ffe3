//! skeleton
use crate::error::Result;
use std::ffi::OsStr;
use std::time::Duration;
/// w
#[derive(Clone, Debug)]
pub struct Pool(());
/// w
#[derive(Debug, Default)]
pub struct PoolBuilder(());
/// w
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// w
    pub tasks_done: u64,
    /// w
    pub tasks_failed: u64,
    /// w
    pub tasks_retried: u64,
    /// w
    pub restarts: u64,
    /// w
    pub queued: usize,
    /// w
    pub busy: Duration,
    /// w
    pub idle: Duration,
}
impl PoolBuilder {
    /// w
    pub fn workers(self, workers: usize) -> Self {
        let _ = workers;
        self
    }
    /// w
    pub fn tasks_per_worker(self, tasks: usize) -> Self {
        let _ = tasks;
        self
    }
    /// w
    pub fn env(self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let _ = (key.as_ref(), value.as_ref());
        self
    }
    /// w
    pub fn initializer<F: crate::function::Function>(self, function: &F, arguments: F::Owned) -> Self {
        let _ = (function, arguments);
        self
    }
    /// w
    pub fn build(self) -> Result<Pool> {
        todo!()
    }
}
impl Pool {
    /// w
    pub fn builder() -> PoolBuilder {
        PoolBuilder(())
    }
    /// w
    pub fn new() -> Result<Self> {
        todo!()
    }
    /// w
    pub fn with_workers(n: usize) -> Result<Self> {
        let _ = n;
        todo!()
    }
    /// w
    pub fn global() -> Result<&'static Self> {
        todo!()
    }
    /// w
    pub fn workers(&self) -> usize {
        todo!()
    }
    /// w
    pub fn pids(&self) -> Vec<u32> {
        todo!()
    }
    /// w
    pub fn stats(&self) -> PoolStats {
        todo!()
    }
    /// w
    pub fn join(self) -> Result<()> {
        todo!()
    }
    /// w
    pub fn terminate(self) {
        todo!()
    }
}
