//! The numbers by which a pool decides: those of `tuning`, in whose place tests and simulations put others.

use std::time::Duration;

use crate::pause;
use crate::tuning;

/// How many, how long and how much.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How many workers keep all cores busy with short items.
    pub(crate) cores: usize,
    /// How many tasks a worker may take.
    pub(crate) tasks_per_worker: Option<usize>,
    /// Workers run an initializer before they can work.
    pub(crate) initializes: bool,
    /// How long a worker may take until it can work.
    pub(crate) start_timeout: Duration,
    /// After so long a parcel is divided when another worker has nothing to do.
    pub(crate) shared_after: Duration,
    /// After so long what a parcel has done is delivered, one that was not taken up goes elsewhere, and its worker gets none ahead.
    pub(crate) long_parcel: Duration,
    /// How long the caller that leads sleeps at most.
    pub(crate) heartbeat: Duration,
    /// How long submitted calls that travel together should take, and how many there are at most.
    pub(crate) group_time: Duration,
    pub(crate) largest_group: usize,
    /// How long calls take together, or how many there are, that are not held back for others.
    pub(crate) company_time: Duration,
    pub(crate) largest_company: usize,
    /// How long a worker that was told to stop may take before it is killed.
    pub(crate) stop_grace: Duration,
    /// After so many failed starts in a row, calls that wait for a worker fail.
    pub(crate) hopeless_starts: u32,
    /// The pause after so many failed starts in a row.
    pub(crate) back_off: fn(u32) -> Duration,
    /// How often a worker that dies without having started an item may take the same parcel with it, beside the retries that
    /// its caller allows.
    pub(crate) unblamed_deaths: u32,
}

impl Default for Rules {
    /// The chosen numbers, for one core and workers that need no preparation.
    fn default() -> Self {
        Self {
            cores: 1,
            tasks_per_worker: None,
            initializes: false,
            start_timeout: tuning::LONGEST_START,
            shared_after: tuning::SHARED_AFTER,
            long_parcel: tuning::LONG_PARCEL,
            heartbeat: tuning::HEARTBEAT,
            group_time: tuning::ONE_WORKER_TIME,
            largest_group: tuning::LARGEST_GROUP,
            company_time: tuning::COMPANY_TIME,
            largest_company: tuning::LARGEST_COMPANY,
            stop_grace: tuning::STOP_GRACE,
            hopeless_starts: tuning::ACCIDENTS,
            back_off: pause::after,
            unblamed_deaths: tuning::ACCIDENTS,
        }
    }
}
