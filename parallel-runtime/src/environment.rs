//! What the environment says and allows: variables, cores, descriptors.

use std::num::NonZero;
use std::time::Duration;

use crate::sys::{CAPABILITIES, program};
use crate::tuning::{LEFT_BY_ZYGOTE, LONGEST_START, PART_OF_DESCRIPTORS};

/// Tells a process that it is a worker, and which descriptor leads to its parent.
pub(crate) const TOKEN: &str = "PARALLEL_WORKER";
/// [`TOKEN`] for the C library.
pub(crate) const TOKEN_C: &std::ffi::CStr = c"PARALLEL_WORKER";

/// How many workers a pool has when its builder does not say: see [`workers`].
const WORKERS: &str = "PARALLEL_WORKERS";
/// Seconds that a new process has to report in: see [`start_timeout`].
pub(crate) const START_TIMEOUT: &str = "PARALLEL_START_TIMEOUT";
/// Whether workers may be forked from a zygote: see [`zygote`].
const ZYGOTE: &str = "PARALLEL_ZYGOTE";

/// Descriptors that a running process costs its parent: pidfd and control socket. What a start takes beside them for a moment, one
/// start at a time does.
pub(crate) const DESCRIPTORS_PER_PROCESS: u64 = 2;
/// Descriptors that a pool may cost for each worker, starts included: the child's end comes on top.
const DESCRIPTORS_PER_WORKER: u64 = DESCRIPTORS_PER_PROCESS + 1;

/// The number of workers when the builder does not say: `PARALLEL_WORKERS`, else the machine's parallelism; of that a part
/// where `share` processes like this one have the machine together. 0: calls run in this process.
pub(crate) fn workers(share: u64) -> Result<usize, String> {
    let all = match std::env::var_os(WORKERS) {
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
        Some(text) => match text.to_str().and_then(|text| text.trim().parse().ok()) {
            Some(0) => return Ok(0),
            Some(workers) => workers,
            None => {
                let text = format!("{WORKERS} must be a number of workers, 0 for calls in this process, not {text:?}");
                return Err(text);
            }
        },
    };
    Ok(part(all, share))
}

fn part(all: usize, share: u64) -> usize {
    usize::try_from(share).map_or(1, |share| all / share.max(1)).max(1)
}

/// How long a new process has to report in where the builder does not say: `PARALLEL_START_TIMEOUT` in seconds, else 30.
pub(crate) fn start_timeout() -> Duration {
    std::env::var(START_TIMEOUT)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(LONGEST_START)
}

/// Whether workers may be forked from a zygote: yes, where the system forks, unless `PARALLEL_ZYGOTE` is `0`.
pub(crate) fn zygote() -> bool {
    CAPABILITIES.forked_starts && std::env::var_os(ZYGOTE).is_none_or(|text| text != "0")
}

/// How many workers a pool may have: each costs as much as any process.
pub(crate) fn most_workers() -> usize {
    usize::try_from(program::descriptor_limit() / DESCRIPTORS_PER_WORKER).unwrap_or(usize::MAX)
}

/// Whether a program that may have `limit` descriptors, of which `used` is the highest, has some for a zygote: it leaves the
/// program what it may need, and at least half where it may have few.
pub(crate) fn leaves_descriptors(used: u64, limit: u64) -> bool {
    used < (limit - limit / PART_OF_DESCRIPTORS).max(limit.saturating_sub(LEFT_BY_ZYGOTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zygote_is_used_until_few_descriptors_are_left() {
        for (used, limit, is_used) in [
            (600, 1024, true),
            (959, 1024, true),
            (960, 1024, false),
            (191, 256, true),
            (192, 256, false),
            (40, 96, true),
            (48, 96, false),
            (20, 40, false),
        ] {
            assert_eq!(leaves_descriptors(used, limit), is_used, "{used} of {limit}");
        }
    }
}
