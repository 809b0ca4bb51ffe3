//! Every number that was chosen, by subject: what it is, why it has this value, and what chose it.
//!
//! A *row* is one of `benches/rows`, a *decision* a page of `docs/decisions`. "By judgement" stands where nothing was measured. Not
//! here is what something else gives: layouts and tags, the kernel's and the C library's constants, and sizes that follow from types.
//! This file names nothing but the standard library, so the simulation of a pool includes it as it is.

use std::time::Duration;

// Chunks of a map

/// How long a chunk should run where the end of the input is unknown: ten times the 10 µs of a hand-over with a wake-up.
/// Decision 054.
pub(crate) const CHUNK_TIME: Duration = Duration::from_micros(100);
/// The longest that a chunk is made to run while much is left: handing over costs less than a hundredth of it. Decision 054.
pub(crate) const LONG_CHUNK_TIME: Duration = Duration::from_millis(2);
/// What falling asleep and being woken cost. No chunk is made shorter (decision 043), and an item that takes less computes: one
/// that waits takes at least this (decision 029; rows `many-compute`, `many-tiny`).
pub(crate) const WAKE_UP: Duration = Duration::from_micros(20);
/// A map, or a group of submitted calls, that takes less than this goes to one worker as one parcel: to wake another would take
/// as long as it saves. Decisions 043 and 045; rows `sqrt-10k`, `submits`.
pub(crate) const ONE_WORKER_TIME: Duration = Duration::from_micros(50);
/// A chunk has at most so many times the items of the one before: one quick item says little about the rest. Decision 043.
pub(crate) const GROWTH: usize = 16;
/// The weight of a chunk in the average time of an item, where it is no larger than the one before. By judgement: some three chunks
/// are remembered.
pub(crate) const CHUNK_WEIGHT: f64 = 0.3;
/// So many more chunks of this size each worker should be sure of, so that all end at about the same time; in a reduction whose
/// length is unknown, so many it should have had. Decision 054; row `reduce`.
pub(crate) const CHUNKS_EACH: usize = 4;
/// More items of a reduction than these are put together only where they are short: with so many, a value travels rarely enough.
/// Decision 005; row `reduce`.
pub(crate) const MERGED: usize = 16;
/// How many children a node of a reduction's tree has. With more, a value travels less often, and more values wait. Decision 005;
/// row `reduce-memory`.
pub(crate) const CHILDREN: usize = 4;
/// The usual window of a lazy map, in items for each worker: one long item among others keeps no worker waiting in an ordered map.
/// By judgement.
pub(crate) const WINDOW_PER_WORKER: usize = 256;
/// Of short items a lazy map runs ahead by so much work, that of all workers together. Decision 124; row `imap-sqrt`.
pub(crate) const AHEAD_TIME: Duration = Duration::from_millis(100);
/// The most that a lazy map has ahead, in bytes: values that wait, and what is under way, values that are still to come included.
/// Decision 124.
pub(crate) const AHEAD_BYTES: usize = 64 << 20;
/// An input that takes so long for an item is slow: what was taken is sent, and what is ready is given, before it is asked again.
/// It is a tenth of the millisecond in which an outcome is to be given. Decision 123.
pub(crate) const SLOW_ASK: Duration = Duration::from_micros(100);
/// Items are taken for so long without a look at what has come back: half of that millisecond. Decision 123.
pub(crate) const FILL_TIME: Duration = Duration::from_micros(500);
/// A slow input is asked again after outcomes were waited for, one part in so many of the time that it took. Decision 123.
pub(crate) const WAITED_PART: u32 = 8;
/// The longest such wait, however long the input took: what comes next may be much, and a busy system lets a process wait some
/// milliseconds for each outcome. Decision 123.
pub(crate) const LONGEST_PATIENCE: Duration = Duration::from_millis(50);
/// An input is asked so many times at most between two looks at the clock: a look takes 0.25 µs where the system is called for it.
/// Decision 123.
pub(crate) const ASKED_UNTIMED: usize = 64;
/// A window, or a full queue, is filled again once one part in so many is free: less to and fro than one place at a time. By
/// judgement for windows; rows `queue-numbers` and `queue-pages` for queues.
pub(crate) const REFILLED_PART: usize = 4;
/// For so many results memory is taken on the word of an iterator, which may be wrong. By judgement.
pub(crate) const RESERVED_RESULTS: usize = 1 << 20;

// Parcels

/// So many parcels have room in a lane: one runs while the next waits, and can be taken back. Decision 051.
pub(crate) const SLOTS: usize = 2;
/// A parcel that has run for so long is divided when another worker has nothing to do: half the longest time that it was meant to
/// take. Decision 116; rows `many-compute`, `many-tiny`.
pub(crate) const SHARED_AFTER: Duration = match LONG_CHUNK_TIME.checked_div(2) {
    Some(half) => half,
    None => LONG_CHUNK_TIME,
};
/// A parcel that has run for so long is no chunk of short items. What it has done is delivered before its end, and a worker whose
/// latest ran so long gets none ahead. One that was not taken up for so long goes elsewhere: a busy system lets a process wait 3 ms.
/// Decisions 052 and 121.
pub(crate) const LONG_PARCEL: Duration = Duration::from_millis(5);
/// How often a worker that dies without having started an item may take the same parcel with it, and how many starts in a row may
/// fail, before a call fails for it: twice may be an accident. By judgement.
pub(crate) const ACCIDENTS: u32 = 3;

/// The queue of a pool keeps so many places while nothing waits: as many as a group of calls takes. By judgement.
pub(crate) const KEPT_PLACES: usize = LARGEST_GROUP;

// Submitted calls that travel together

/// Calls that take less than this together are held back while a worker is at such calls: to hand a parcel over takes some 2 µs of
/// the caller's time. Decision 047; row `submits`.
pub(crate) const COMPANY_TIME: Duration = Duration::from_micros(10);
/// So many are not held back. By judgement.
pub(crate) const LARGEST_COMPANY: usize = 64;
/// So many travel together at most: a round trip then costs each of them next to nothing. By judgement.
pub(crate) const LARGEST_GROUP: usize = 256;
/// The arguments of a call that travels with others, in bytes at most: a full group is as long as a chunk. By judgement.
pub(crate) const LONGEST_IN_GROUP: usize = CHUNK_BYTES / LARGEST_GROUP;

// Looking before sleeping

/// How often one that waits for a lane or a bell looks before it sleeps: some 20 µs, as long as [`WAKE_UP`]. With a quarter of it
/// row `round-trip` took 21 µs in place of 1 to 7.
pub(crate) const LOOKS: u32 = 1600;
/// After so many looks, some 2 µs, it gives way where more processes are at work than there are cores. Decision 039; row `sqrt-10k`.
pub(crate) const LOOKS_BEFORE_YIELD: u32 = 160;
/// So many at work for each core are a throng, in which a worker without a parcel sleeps at once. Decision 030; row `many-compute`.
pub(crate) const THRONG: usize = 4;
/// How many times as long the leading caller looks while a parcel within [`ONE_WORKER_TIME`] is under way: longer than that takes.
/// Decision 043; row `sqrt-10k`.
pub(crate) const LOOKS_WHILE_SHORT: u32 = 4;
/// One that waits gives way to another on its core if that one needs the core for so long. After less, the system leaves both
/// there. Decision 040; rows `round-trip`, `sqrt-10k`.
pub(crate) const WORTH_A_SWITCH: Duration = Duration::from_micros(10);
/// How long the caller that leads sleeps at most: the bound on the harm of a worker that scribbles over the bell. By judgement.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(250);
/// The time between two looks for what no event tells of, such as receivers of a queue that were killed. A look takes a tenth of it
/// at most. By judgement.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

// Memory for what travels

/// So many bytes of an area usual chunks use, and an idle lane keeps: they hold 100 µs of tiny items, and those of all four areas fit
/// a second-level cache. Decision 054.
pub(crate) const USUAL_AREA: usize = 256 << 10;
/// A chunk is cut off at so many bytes of arguments: two fit where one is expected. Decision 054.
pub(crate) const CHUNK_BYTES: usize = USUAL_AREA / 2;
/// The bytes of each of a lane's four areas: a row that has no memory of its own fits. What fits is copied once on each side, by no
/// system call; what is not touched takes no memory. Decision 126; row `half-mebibytes`.
pub(crate) const LANE_AREA: usize = BULK_FROM + USUAL_AREA;
/// From so many bytes on a row has memory of its own: to send that costs some 30 µs, to copy the row once more on its way through the
/// lane 100. Decisions 032 and 126; row `bytes`.
pub(crate) const BULK_FROM: usize = 2 << 20;
/// So many rows have memory of their own at a time, or queued calls would use up the descriptors. Decision 032.
pub(crate) const BULK_ROWS: usize = 16;
/// So many memories of rows that have arrived stay mapped, of all their senders together: to map 100 MiB anew takes some 5 ms. Decision
/// 127.
pub(crate) const MAPPED_ROWS: usize = 4 * BULK_ROWS;
/// How long memory that a large parcel, result or row travelled in is kept for the next. Decisions 032 and 038; row `bytes`.
pub(crate) const SPARE_BLOCK: Duration = Duration::from_secs(5);
/// So many bytes go in a message, more in a block: two messages fit a socket's buffer, of which Linux gives 208 KiB. By judgement.
pub(crate) const INLINE: usize = 32 << 10;
/// What a report may hold of any text but a backtrace, in bytes. By judgement.
pub(crate) const LONGEST_TEXT: usize = 4 << 10;
/// What it may hold of a backtrace, in bytes: the rest of a message that has two other texts.
pub(crate) const LONGEST_BACKTRACE: usize = INLINE - 2 * LONGEST_TEXT;
/// The room that an encoded value gets at once, in bytes: a serializer writes it piece by piece. Decision 066; row `frozen`.
pub(crate) const USUAL_VALUE: usize = 64;
/// From so many bytes on a map's result asks for huge pages: two of them at least. Decision 027; row `sqrt-5m`.
pub(crate) const HUGE_FROM: usize = 4 << 20;

// Locks

/// How often one that waits for a lock looks before it sleeps: as often as std's mutex does. Row `contended-lock`.
pub(crate) const LOCK_SPINS: u32 = 100;
/// How long one that waits for another process sleeps before it looks whether that lives, and whether a wake-up was lost: short to a
/// person, long against a look of 20 µs. Decision 068.
pub(crate) const SLICE: Duration = Duration::from_millis(50);
/// After so long a wait for a lock the waiter asks to be handed it: short against a task, long against a hand-over. Decision 069.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_millis(1);
/// How long newcomers leave a free lock to the one that it was promised to: a wake-up takes less on a busy machine. Decision 069.
pub(crate) const LOCK_PROMISE: Duration = Duration::from_millis(2);
/// So many processes can have permits of a semaphore at least: four times what spawned calls can be. Unused notes take no memory.
/// By judgement.
pub(crate) const FEWEST_NOTES: usize = 4 * MOST_PROCESSES;

// Queues

/// The ring of a queue at first, in bytes: it stays in a second-level cache. Row `queue-pages`.
pub(crate) const RING: usize = 256 << 10;
/// Up to this level an empty ring keeps its memory, which is eight times [`RING`]: a queue in steady use gives no pages back only to
/// take them again. Decision 015; row `queue-pages`.
pub(crate) const KEPT_LEVEL: u64 = 3;
/// The largest buffer that a thread keeps for its next message, in bytes. By judgement.
pub(crate) const SPARE_BUFFER: usize = 64 << 10;
/// How often one that waits for a queue looks before it sleeps. Rows `queue-numbers` and `queue-pages`.
pub(crate) const QUEUE_LOOKS: u32 = 12;
/// The processor's pauses between two such looks: the other side keeps its cache lines and puts in several messages. The same rows.
pub(crate) const QUEUE_PAUSES: u32 = 32;
/// One queue takes at most one part in so many of the address space that is left, so that others have room, too. By judgement.
pub(crate) const QUEUE_SHARE: u64 = 64;

// Starts

/// How long a new process has to report in: one that takes longer on a loaded machine hangs. By judgement.
pub(crate) const LONGEST_START: Duration = Duration::from_secs(30);
/// So many processes are started before the reactor looks at what else has happened: some 10 ms. By judgement.
pub(crate) const STARTS_AT_A_TIME: usize = 16;
/// The first pause before what has failed is tried again; pauses double. By judgement.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause. By judgement.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long nothing may start or run before a start is refused for lack of processes or descriptors: what has ended may count for
/// a moment. By judgement.
pub(crate) const SHORTAGE: Duration = Duration::from_millis(500);
/// How often a start is tried again meanwhile, and a thread for a confined caller: each try costs the reactor a look at itself or the
/// start of a process. By judgement.
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(5);
/// How often a start is tried anew because the program has changed its user: it may put rights aside and take them back a few times
/// during one. By judgement.
pub(crate) const CHANGES_OF_USER: u32 = 20;

// The zygote

/// So many starts in a row must find the same surroundings before a zygote is started. A program that calls once or twice, or has a
/// pool of two, never pays for one. Decision 076.
pub(crate) const STARTS_BEFORE_ZYGOTE: u32 = 3;
/// How long a zygote takes to fork a spare and the spare to be ready. Decision 082; row `spawn`.
pub(crate) const SPARE_TIME: Duration = Duration::from_micros(250);
/// A `sched_yield` that took longer than this met unrelated load: the end of a process takes 0.1 ms. Decision 086; row `spawn`.
pub(crate) const GAVE_WAY_IN_VAIN: Duration = Duration::from_millis(1);
/// So many times it is then left out: a vain one costs milliseconds, a hundredth of so many starts. Decision 086; row `spawn`.
pub(crate) const TIMES_WITHOUT_GIVING_WAY: u32 = 100;
/// How long a copy that was woken looks for the word to begin: twice what the program needs to look around. Decision 087; row
/// `spawn`.
pub(crate) const RISE_TIME: Duration = Duration::from_micros(200);
/// How long the reactor looks for its zygote's answer before it sleeps. Decision 081; row `spawn`.
pub(crate) const ZYGOTE_SPIN: Duration = Duration::from_micros(100);
/// So many descriptors a zygote and its copies leave to the program; they take six. Decision 090.
pub(crate) const LEFT_BY_ZYGOTE: u64 = 64;

// Ends

/// How long the system may take for what takes it some 0.1 ms, while the reactor waits: a fork of the zygote (decision 081), a killed
/// process to be reaped, a record of it to be written. It takes so long on a machine that is busy.
pub(crate) const SYSTEM_PATIENCE: Duration = Duration::from_millis(50);
/// How long a killed process lives on at most on a machine that is busy with others. Decision 109.
pub(crate) const DYING: Duration = Duration::from_secs(1);
/// How long another process or thread may take for what takes it a millisecond, before it counts as stopped: to leave once its
/// channel is closed (decision 093), to be safe from tasks (decision 035). Less than [`KILL_GRACE`].
pub(crate) const MOMENT: Duration = Duration::from_secs(2);
/// How long a worker may take to be gone after it was killed, or a call to be run or given back by a worker that is to be gone. Only
/// a process stuck in the kernel takes longer. By judgement.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(5);
/// A worker that took a call up so long ago and has not begun it was stopped there; microseconds lie between the two. By judgement.
pub(crate) const STUCK_AFTER: Duration = Duration::from_millis(200);
/// How long a worker that was told to stop may take for its `atexit` handlers before it is killed. By judgement.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long the end of a program, or of a dropped pool, may take for its idle workers' ends: long against a handler that writes a
/// file, short against what a person takes for a hang. Decision 102.
pub(crate) const END_TIME: Duration = Duration::from_secs(1);
/// One part in so many of that time each level of nested workers keeps for itself. Decision 103.
pub(crate) const KEPT_OF_END: u32 = 5;

// Limits

/// So many calls may be one inside of the other. Programs that divide their work have some ten. Decision 099.
pub(crate) const DEEPEST: u32 = 64;
/// So many spawned calls run at a time, whatever the limits allow: more would wait for cores and memory. Decision 059.
pub(crate) const MOST_PROCESSES: usize = 1024;
/// One part in so many of the descriptors is for processes of ours, the rest for the program. Decisions 059 and 090.
pub(crate) const PART_OF_DESCRIPTORS: u64 = 2;
/// A call that has waited so long for its turn is told of, and fails where it waits for a thread at the limit of processes: a person
/// who watches begins to wonder. Decision 059.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(5);
/// How many values without bytes, as `()` is one, a message may have: to read them takes a second or some. By judgement.
pub(crate) const UNWRITTEN: usize = 1 << 30;

// Stacks, all in bytes

/// The stack of a thread or process that makes a few system calls, unoptimized. Memory is taken only where it is touched. By
/// judgement.
pub(crate) const SMALL_STACK: usize = 256 << 10;
/// The least stack on which a call can be made and run unoptimized, with arguments and environment. By judgement.
pub(crate) const LEAST_STACK: u64 = 64 << 10;
/// What coding a value takes before it asks how long the stack is: usual values take less, the smallest stacks have more. By
/// judgement.
pub(crate) const NEAR: usize = 16 << 10;
/// A value that took more to code is dropped on a larger stack: to drop it takes less, mostly, but nobody counts it. Decision 105.
pub(crate) const DEEP: usize = 64 << 10;
/// What is left of a stack for users' code between two looks at it, within [`PART_OF_STACK`]. By judgement.
pub(crate) const RESERVE: usize = 128 << 10;
/// One part in so many of a stack is such a reserve at most, and one in so many of the address space that is left is a larger
/// stack: the value needs memory, too. By judgement.
pub(crate) const PART_OF_STACK: usize = 4;
/// The address space of a larger stack. Decision 105.
pub(crate) const LARGER_STACK: usize = 512 << 20;
/// A larger stack that is smaller than this is not worth its system calls. By judgement.
pub(crate) const LEAST_LARGER_STACK: usize = 1 << 20;
/// The address space below a larger stack that is never touched: C code may step over a page or two at once. By judgement.
pub(crate) const GUARD: usize = 64 << 10;
/// The address space to drop a value whose depth nobody knows: a level takes some 50 bytes, and the value has some 30 for it. By
/// judgement.
pub(crate) const STACK_TO_DROP: usize = 16 << 30;
/// On a stack of fewer bytes no such value is dropped. By judgement.
pub(crate) const LEAST_TO_DROP: usize = 64 << 20;
/// What a larger stack for decoding has for a message of no bytes. Test
/// `a_value_that_no_stack_holds_is_an_error_that_says_how_deep_it_is`.
pub(crate) const STACK_FOR_NOTHING: usize = 16 << 20;
/// What it has more for each byte of the message: a level takes a byte at least, so bytes that mean nothing do not fill a whole one.
/// Decision 105.
pub(crate) const STACK_PER_BYTE: usize = 4 << 10;
