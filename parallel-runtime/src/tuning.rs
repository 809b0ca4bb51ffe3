//! Every number that was chosen, with its reason, and what the environment may say.

use std::num::NonZero;
use std::time::Duration;

use crate::sys::{CAPABILITIES, program};

/// Tells a process that it is a worker, and which descriptor leads to its parent.
pub(crate) const TOKEN: &str = "PARALLEL_WORKER";
/// [`TOKEN`] for the C library.
pub(crate) const TOKEN_C: &std::ffi::CStr = c"PARALLEL_WORKER";

/// How many workers a pool has when nobody says: see [`workers`].
const WORKERS: &str = "PARALLEL_WORKERS";
/// Seconds that a new process has to report in: see [`start_timeout`].
pub(crate) const START_TIMEOUT: &str = "PARALLEL_START_TIMEOUT";

/// Whether workers may be forked from a zygote: see [`zygote`].
const ZYGOTE: &str = "PARALLEL_ZYGOTE";

/// So many starts in a row must find the same surroundings before a zygote is started for the next ones. A program that
/// calls once or twice, or has a pool of two, never pays for one: its start costs as much as a worker's.
pub(crate) const STARTS_BEFORE_ZYGOTE: u32 = 3;
/// How long a zygote takes to fork a spare, and that to be ready.
pub(crate) const SPARE_TIME: Duration = Duration::from_micros(250);
/// Who gave way for so long did so to somebody whom nobody here waits for: the end of a process takes 0.1 ms.
pub(crate) const GAVE_WAY_IN_VAIN: Duration = Duration::from_millis(1);
/// So many times he does not do it then: to try it costs milliseconds where others compute, which is 1 % of so many starts.
pub(crate) const TIMES_WITHOUT_GIVING_WAY: u32 = 100;
/// How long a copy looks for the word to begin, once it comes soon: twice what the program needs to look around.
pub(crate) const RISE_TIME: Duration = Duration::from_micros(200);
/// How long the program looks for the answer of its zygote before it sleeps.
pub(crate) const ZYGOTE_SPIN: Duration = Duration::from_micros(100);
/// How long a zygote may take to fork before the start goes by exec and the zygote is killed. It takes some 0.1 ms, as
/// long as exec holds the reactor; this much passes on a machine that is busy, or with a zygote that is stopped.
pub(crate) const ZYGOTE_PATIENCE: Duration = Duration::from_millis(50);

/// A process on a loaded machine may be slow to start; one that takes longer than this hangs.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);

/// What travels in a message rather than in a block of its own, in bytes. A message must fit a socket's buffer, of which
/// Linux gives 208 KiB, twice.
pub(crate) const INLINE: usize = 32 << 10;

/// The bytes of a lane's two argument areas and two reply areas, each. Half of one holds a chunk of 100 µs of tiny items; the
/// four of a worker fit a second-level cache, and what no chunk needs is never touched.
pub(crate) const LANE_AREA: usize = 256 << 10;

/// How long one who waits for a pool sleeps at most before he looks again: the bound on the harm that a worker does
/// which scribbles over the bell's words.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(250);

/// How long the memory that a large parcel or result travelled in is kept for the next.
pub(crate) const SPARE_BLOCK: Duration = Duration::from_secs(5);

/// How long a pool's chunk should run: long against the 10 µs that handing it over costs, short against what a person or
/// a deadline notices.
pub(crate) const CHUNK_TIME: Duration = Duration::from_micros(100);
/// How long a chunk of a map should run at least, also near its end: handing one over costs some 2 µs while both sides are awake.
pub(crate) const SHORT_CHUNK_TIME: Duration = Duration::from_micros(20);
/// A map that takes less than this goes to one worker, where it is known that it does: to wake another takes as long as that
/// would save.
pub(crate) const WHOLE_MAP_TIME: Duration = Duration::from_micros(50);
/// How often one who leads looks for a while rather than once where a parcel takes no longer than such a map.
pub(crate) const LOOKS_WHILE_SHORT: u32 = 4;
/// Who waits on the core of one who needs it gives way to him where that one needs it for so long: two that give way after
/// less stay on one core, because each has used it just now, and the system moves whoever has not.
pub(crate) const WORTH_A_SWITCH: Duration = Duration::from_micros(10);
/// The longest that a chunk is made to run when much work is left, so that handing over costs less than one percent.
pub(crate) const LONG_CHUNK_TIME: Duration = Duration::from_millis(2);
/// A parcel that has run for so long is divided when another worker has nothing to do: half the longest time that it was
/// meant to take, and long against what dividing costs.
pub(crate) const SHARED_AFTER: Duration = Duration::from_millis(1);
/// What a parcel that has run for so long has done is delivered before its end.
pub(crate) const LONG_PARCEL: Duration = Duration::from_millis(10);
/// Items that take less than this compute and do not wait: sooner or later one that waits takes longer.
pub(crate) const BRIEF_ITEM: Duration = Duration::from_micros(20);
/// How long submitted calls that travel together should take: as long as a few round trips, and so short that nobody waits
/// for the one in front.
pub(crate) const GROUP_TIME: Duration = Duration::from_micros(50);
/// Calls that take less than this together wait for more to travel with as long as a worker is at such calls: to hand a
/// parcel over takes some 2 µs of the caller's time.
pub(crate) const COMPANY_TIME: Duration = Duration::from_micros(10);
/// So many do not wait for more.
pub(crate) const LARGEST_COMPANY: usize = 64;
/// So many submitted calls travel together at most: then a round trip costs each of them next to nothing.
pub(crate) const LARGEST_GROUP: usize = 256;
/// What a submitted call that travels with others may have for arguments, in bytes.
pub(crate) const LONGEST_IN_GROUP: usize = 512;
/// A worker whose latest parcel ran longer than this gets no second one ahead. It gains little by it, one wake-up in so
/// long a time; and what lies behind a long task would start after what was queued later.
pub(crate) const AHEAD_BELOW: Duration = Duration::from_millis(5);

/// So many calls may be one inside of the other. Programs that divide their work have some ten; what starts a process in each
/// process that it starts has no end.
pub(crate) const DEEPEST: u32 = 64;

/// How often a worker that dies without having started an item may take the same parcel with it before the parcel is blamed.
pub(crate) const UNBLAMED_DEATHS: u32 = 3;

/// After so many failed starts in a row, calls that wait for a worker fail rather than wait on.
pub(crate) const HOPELESS_STARTS: u32 = 3;
/// The first pause before a worker that could not be started is tried again; it doubles.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// The longest such pause.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// So many processes are started before the reactor looks at what else has happened: some 10 ms.
pub(crate) const STARTS_AT_A_TIME: usize = 16;

/// How long a worker that was told to stop may take for its `atexit` handlers before it is killed.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long the end of a program, or of a dropped pool, may take for its idle workers' ends: long against a handler that writes a
/// file, short against what a person takes for a hang.
pub(crate) const END_TIME: Duration = Duration::from_secs(1);
/// How long `terminate` waits for killed workers to be gone; only a process stuck in the kernel takes longer.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(5);
/// How long a process that the system does not let us kill may take to leave once its channel is closed. It takes a
/// millisecond, on a busy machine some more; one that takes longer is stopped or hangs. Less than [`KILL_GRACE`].
pub(crate) const LEAVE_GRACE: Duration = Duration::from_secs(2);
/// How long a process that nobody needs any more is waited for while nothing else is done, so that what it holds is free for
/// the next start. A killed one takes some 0.1 ms.
pub(crate) const REAP_PATIENCE: Duration = Duration::from_millis(50);
/// The first pause before one that has not ended then is looked for again; it doubles up to the longest.
pub(crate) const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest.
pub(crate) const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// How long the handle of a submitted call looks for a moment in which its worker runs it or gives it back. Between the two lie
/// microseconds, unless somebody has stopped the worker there; then it takes as long as to be rid of that worker. More than
/// [`LEAVE_GRACE`].
pub(crate) const SIGNAL_PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing starts, while nothing runs either, before a start is refused for lack of processes or descriptors: what has
/// ended may count for a moment, on a busy machine for some of these.
pub(crate) const SHORTAGE: Duration = Duration::from_millis(500);
/// How often it is tried meanwhile.
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// How long a call from a confined thread waits for a thread at the limit of processes: others that run may end meanwhile.
pub(crate) const TURN_OF_A_THREAD: Duration = Duration::from_secs(5);

/// At most this many spawned calls run at a time, whatever the limits allow: beyond it, more processes only wait for
/// cores and memory.
pub(crate) const MOST_PROCESSES: usize = 1024;
/// Descriptors that each spawned call that runs costs its parent: pidfd and control socket. What a start takes beside them
/// for a moment, one start at a time does.
pub(crate) const DESCRIPTORS_PER_PROCESS: u64 = 2;
/// Descriptors that a pool may cost for each worker, starts included: pidfd, control socket, and the child's end.
const DESCRIPTORS_PER_WORKER: u64 = 3;
/// A call that has waited so long for its turn is told of: a person who watches begins to wonder.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(5);

/// So many descriptors are left to the program by a zygote and its copies, which only save time. They take up to six.
const LEFT_BY_ZYGOTE: u64 = 64;

/// What encoding or decoding a value may take of a stack before it asks how long that is, in bytes. Values of the usual kind
/// take less, and the smallest stacks have more.
pub(crate) const NEAR: usize = 16 << 10;
/// A value that takes more than this to encode or to decode, in bytes of stack, is dropped on a larger stack: to drop it takes
/// less, mostly, but nobody counts it.
pub(crate) const DEEP: usize = 64 << 10;
/// What is left of a stack for what goes on between two looks at it, which is users' code, in bytes; of a small stack it is a
/// quarter.
pub(crate) const RESERVE: usize = 128 << 10;
/// The address space of a larger stack, in bytes, of which memory is taken as it is used.
pub(crate) const LARGER_STACK: usize = 512 << 20;
/// The address space of a larger stack on which a value is dropped whose depth nobody knows, in bytes: a level takes some 50,
/// and the value itself has some 30 for it.
pub(crate) const STACK_TO_DROP: usize = 16 << 30;
/// On a stack of fewer bytes no such value is dropped.
pub(crate) const LEAST_TO_DROP: usize = 64 << 20;
/// What a larger stack for decoding has for each byte of a message, and for none, in bytes: a level of a value takes a byte at
/// least, so that bytes that mean nothing do not fill a whole one.
pub(crate) const STACK_PER_BYTE: usize = 4 << 10;
pub(crate) const STACK_FOR_NOTHING: usize = 16 << 20;
/// How many values without bytes, as `()` is one, a message may have: to read them takes a second or some.
pub(crate) const UNWRITTEN: usize = 1 << 30;

/// The pause after so many failed starts in a row.
pub(crate) fn back_off(failures: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1 << failures.min(16)).min(LONGEST_BACK_OFF)
}

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
        .unwrap_or(DEFAULT_START_TIMEOUT)
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
    used < (limit / 2).max(limit.saturating_sub(LEFT_BY_ZYGOTE))
}

/// How often a start is tried anew because the program has changed its user meanwhile: a program that puts rights aside and takes
/// them back does so a few times in the time of a start.
pub(crate) const CHANGES_OF_USER: u32 = 20;

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
