//! The numbers by which a pool decides. They are chosen elsewhere; tests may choose others.

use std::time::Duration;

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
    /// A worker gets no second parcel ahead where its latest one ran longer than this.
    pub(crate) ahead_below: Duration,
    /// A parcel that has run for so long is divided when another worker has nothing to do: half the longest time that it was
    /// meant to take, and long against what dividing costs.
    pub(crate) shared_after: Duration,
    /// What a parcel that has run for so long has done is delivered before its end; one that was not taken up for so long goes
    /// elsewhere.
    pub(crate) long_parcel: Duration,
    /// How long a waiting caller sleeps at most. It bounds the delay when a worker has written over the bell's words, so that a
    /// ring is lost.
    pub(crate) heartbeat: Duration,
    /// How long submitted calls that travel together should take: as long as a few round trips, and so short that no call waits
    /// long for those in front of it.
    pub(crate) group_time: Duration,
    /// So many travel together at most: then a round trip costs each of them next to nothing.
    pub(crate) largest_group: usize,
    /// Calls that take less than this together are held back as long as a worker is at such calls: to hand a parcel over takes
    /// some 2 µs of the caller's time.
    pub(crate) company_time: Duration,
    /// So many are not held back for more.
    pub(crate) largest_company: usize,
    /// How long a worker that was told to stop may take for its `atexit` handlers before it is killed.
    pub(crate) stop_grace: Duration,
    /// After so many failed starts in a row, calls that wait for a worker fail rather than wait on.
    pub(crate) hopeless_starts: u32,
    /// The pause after so many failed starts in a row.
    pub(crate) back_off: fn(u32) -> Duration,
    /// How often a worker that dies without having started an item may take the same parcel with it, beside the retries that
    /// its caller allows, before the parcel is blamed.
    pub(crate) unblamed_deaths: u32,
}

#[cfg(test)]
impl Rules {
    /// Some of each.
    pub(crate) fn for_tests() -> Self {
        Self {
            cores: 2,
            tasks_per_worker: None,
            initializes: false,
            start_timeout: Duration::from_secs(30),
            ahead_below: Duration::from_millis(5),
            shared_after: Duration::from_millis(1),
            long_parcel: Duration::from_millis(10),
            heartbeat: Duration::from_millis(250),
            group_time: Duration::from_micros(50),
            largest_group: 256,
            company_time: Duration::from_micros(10),
            largest_company: 64,
            stop_grace: Duration::from_secs(10),
            hopeless_starts: 3,
            back_off: |failures| Duration::from_millis(50) * failures,
            unblamed_deaths: 3,
        }
    }
}
