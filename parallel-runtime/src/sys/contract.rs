//! What `sys` promises to the floors above it, by what they need. The compiler holds the platform's folder against it.
//!
//! A platform is a folder with these rooms, and the line of `sys/mod.rs` that chooses it. What a platform cannot do, it answers with
//! an error, `None` or `false`, and its callers do without. What callers must know before they ask is in [`Capabilities`].
//!
//! For all of it: a resource has an owner from its birth on, and an error names the call that was refused ([`Named`]). Lengths are
//! bytes. Nothing here knows of tasks or pools. Fields and variants of the types are checked where the upper floors name them.
//! Behind each paragraph stands which platforms can keep the promise, and by what.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsString, c_char, c_int};
use std::io;
use std::ops::Range;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use super::bytes::SharedBytes;
use super::early;
use super::executable;
use super::fork::{self, Forked, Original};
use super::forked::{self, Lent};
use super::limits::{self, UserLimit};
use super::memory::{self, Access, Block, FileIdentity, Mapping, Region, Use};
use super::oom::{self, MemoryKills};
use super::owner::{self, KnownOwner, Owner};
use super::parts;
use super::process::{self, Launch, Started};
use super::program::{self, Constructor};
use super::refusal::Named;
use super::rights::{Kept, Rights};
use super::socket::{self, Identity, Received, Socket};
use super::stack::{self, Stack};
use super::standing::{self, Standing};
use super::surroundings::{Affinity, Lookout, Surroundings};
use super::wait::{self, Event, Poller};
use super::watch;
use super::word;
use super::{BorrowedDescriptor, Descriptor, Number};

/// What a platform can do, for callers that must know it before they ask.
pub(crate) struct Capabilities {
    /// Code of ours runs in a started program ahead of `main`. Without it no process is started: `main` would run in each.
    pub(crate) entry_before_main: bool,
    /// A process can be copied into a sibling that is as good as a fresh one. Without it there is no zygote.
    pub(crate) forked_starts: bool,
}

/// Names and values for an environment.
type Variables = [(OsString, OsString)];

/// Holds what a platform offers against the type that it must have.
macro_rules! contract {
    ($($item:path: $type:ty;)*) => { $(const _: $type = $item;)* };
}

// Shared memory has no name, starts as zeros, and goes with its last user. No process that holds it can change its size, so
// no access to a mapping faults; memory of `create_growing` grows as it is written, and never shrinks. A `Block` may be cut
// short by its maker, so it is read and not mapped. `InvalidData`: another process handed over something else. A region
// that comes back to a process is the same mapping; one in parts takes address space as it is used. To give memory back,
// and to prefer huge pages, only saves.
// Linux: memfd and seals. macOS: shm_open, unlinked, of its final size from the start. Windows: sections of the page file.
contract! {
    memory::create: fn(usize) -> io::Result<Descriptor>;
    memory::create_growing: fn(usize) -> io::Result<Descriptor>;
    memory::check_not_shrinking: fn(BorrowedDescriptor<'_>) -> io::Result<()>;
    memory::write_at: fn(BorrowedDescriptor<'_>, &[u8], u64) -> io::Result<()>;
    memory::random_id: fn() -> io::Result<u64>;
    memory::prefer_huge_pages: fn(&mut [u8]);
    Mapping::private: fn(usize) -> io::Result<Mapping>;
    Mapping::shared: fn(BorrowedDescriptor<'_>, usize) -> io::Result<Mapping>;
    Mapping::behind: fn(BorrowedDescriptor<'_>, usize, usize, Use) -> io::Result<Mapping>;
    memory::identity: fn(BorrowedDescriptor<'_>) -> io::Result<FileIdentity>;
    Mapping::release: fn(&Mapping, usize, usize);
    Mapping::as_ptr: fn(&Mapping) -> *mut u8;
    Mapping::len: fn(&Mapping) -> usize;
    Mapping::bytes: fn(&Mapping) -> SharedBytes<'_>;
    Block::new: fn() -> io::Result<Block>;
    Block::fill: fn(&Block, &[&[u8]]) -> io::Result<()>;
    memory::read_block: fn(Descriptor, usize) -> io::Result<Vec<u8>>;
    Region::zeroed: fn(usize) -> io::Result<Arc<Region>>;
    Region::adopt: fn(u64, Access, Descriptor) -> io::Result<Arc<Region>>;
    Region::id: fn(&Region) -> u64;
    Region::access: fn(&Region) -> Access;
    Region::descriptor: fn(&Region) -> BorrowedDescriptor<'_>;
    Region::as_ptr: fn(&Region) -> *mut u8;
    Region::len: fn(&Region) -> usize;
    Region::bytes: fn(&Region) -> SharedBytes<'_>;
    Region::release: fn(&Region, usize, usize);
    Region::note_sent: fn(&Region);
    memory::on_forget: fn(fn(u64));
    Region::in_parts: fn(usize) -> io::Result<Arc<Region>>;
    Region::part: fn(&Region, usize) -> Option<SharedBytes<'_>>;
    Region::open_part: fn(&Region, usize, usize, usize) -> io::Result<SharedBytes<'_>>;
    parts::HEAD: usize;
    parts::MOST: usize;
}

// Frozen memory holds what it was made with: no process can write it or make it writable, its maker included.
// Linux: the seal on writing. macOS, Windows: a second descriptor that allows reading only, the first one closed.
contract! {
    Region::frozen: fn(&[u8]) -> io::Result<Arc<Region>>;
}

// A thread sleeps while a word of shared memory has a value, and any process wakes it. A wait may end early, so callers look again. A
// wake-up tells how many threads it woke.
// Linux: futex. macOS 14.4: os_sync. Windows: semaphores by region and place. Elsewhere: looks and pauses.
contract! {
    wait::wait_word: fn(&AtomicU32, u32, Option<Duration>);
    wait::wake_word: fn(&AtomicU32, u32) -> u32;
    word::wait_low_half: fn(&AtomicU64, u32, Option<Duration>);
    word::wake_low_half: fn(&AtomicU64, u32) -> u32;
}

// Order among processes. Process A, which has joined, writes word X, passes `order_here` and reads word Y. Process B writes
// Y, calls `order_all` and reads X. Then A or B sees what the other wrote. `order_all` is false where that does not hold,
// as may happen from some moment on.
// Linux: membarrier, so that `order_here` costs nothing. Elsewhere both are full fences.
contract! {
    wait::join_order: fn();
    wait::is_ordered: fn() -> bool;
    wait::order_all: fn() -> bool;
    wait::order_here: fn();
}

// A clock that all processes share, in nanoseconds, and the core a thread is on, of which 0 means unknown.
// All platforms.
contract! {
    wait::monotonic_nanos: fn() -> u64;
    wait::moment: fn(u64) -> Instant;
    wait::core: fn() -> u32;
}

// An event stays set until it is cleared, and can be handed to other processes. A poller tells again and again, by the number it was
// added with, what is readable, set or ended. A wait ends at its deadline.
// Linux: eventfd, epoll. macOS: pipe, kqueue. Windows: event objects, completion ports.
contract! {
    Event::new: fn() -> io::Result<Event>;
    Event::from_descriptor: fn(Descriptor) -> Event;
    Event::set: fn(&Event);
    Event::clear: fn(&Event);
    Poller::new: fn() -> io::Result<Poller>;
    Poller::add: fn(&Poller, BorrowedDescriptor<'_>, u64) -> io::Result<()>;
    Poller::remove: fn(&Poller, BorrowedDescriptor<'_>);
    Poller::wait: fn(&Poller, &mut Vec<u64>, Option<Instant>) -> io::Result<()>;
    wait::look_readable: fn(BorrowedDescriptor<'_>, Duration) -> bool;
    wait::wait_readable: fn(BorrowedDescriptor<'_>, Option<Duration>) -> bool;
}

// A channel keeps the bounds of messages and carries descriptors, whole or not at all. Its end is seen on the other side, whichever
// way a process went, and what was sent before is still received. A process inherits an end from its parent only. `WouldBlock`: full.
// Linux: SEQPACKET. macOS: a stream with lengths. Windows: message pipes, descriptors by way of the program.
contract! {
    Socket::pair: fn() -> io::Result<(Socket, Socket)>;
    Socket::shared: fn(Arc<Descriptor>) -> Socket;
    Socket::into_shared: fn(Socket) -> Arc<Descriptor>;
    Socket::number: fn(&Socket) -> Number;
    Socket::inherit: fn(Number) -> io::Result<Socket>;
    Socket::identity: fn(&Socket) -> Option<Identity>;
    Socket::send: fn(&Socket, &[u8], &[BorrowedDescriptor<'_>], bool) -> io::Result<()>;
    Socket::receive: fn(&Socket, &mut [u8], bool) -> io::Result<Received>;
    Socket::is_at_end: fn(&Socket) -> bool;
    Socket::shut: fn(&Socket) -> io::Result<()>;
    socket::MAX_DESCRIPTORS: usize;
    socket::above_standard: fn(Descriptor) -> io::Result<Descriptor>;
}

// A start runs this very program again, with a clean signal state and only the descriptors it is given. `is_passing`: the start may
// succeed once another process has ended.
// Linux: clone, exec. macOS: posix_spawn. Windows: CreateProcess.
contract! {
    process::launch: fn(&Launch<'_>) -> io::Result<Started>;
    process::is_passing: fn(&io::Error) -> bool;
    process::is_user_changed: fn(&io::Error) -> bool;
    executable::is_started_file: fn() -> io::Result<bool>;
    executable::NAME: &str;
    executable::FOREIGN: &str;
    program::arguments: fn() -> Vec<CString>;
    program::environment: fn(&Variables) -> io::Result<Vec<CString>>;
    program::null_device: fn() -> io::Result<Descriptor>;
    program::is_open: fn(BorrowedDescriptor<'_>) -> bool;
    process::adopt_rust_signal_state: fn();
    process::block_signals: fn();
}

// A death is told with the exact status, also where the program ignores or takes its children's ends. The number of a process is its
// own until it is reaped. Other children of the program are left alone.
// Linux: pidfd, waitid. macOS: kqueue, waitid. Windows: the handle of the process.
contract! {
    process::try_wait: fn(&Descriptor) -> io::Result<Option<ExitStatus>>;
    process::peek: fn(&Descriptor) -> io::Result<Option<ExitStatus>>;
    process::wait_for_end: fn(&Descriptor, Duration);
    process::check_waiting: fn() -> io::Result<()>;
    process::waiting_refused: fn() -> Option<io::Error>;
    process::deadly_signal: fn(ExitStatus) -> Option<(i32, bool)>;
    process::ended_by: fn(i32) -> ExitStatus;
    process::was_ended: fn(ExitStatus) -> bool;
    process::signal_words: fn(i32) -> Cow<'static, str>;
}

// A signal reaches a process, or all of its group, while the process is not reaped. A process that has ended is no error.
// Linux, macOS: signals and groups. Windows: a job for each worker, which can only be ended.
contract! {
    process::signal: fn(u32, &Descriptor, i32) -> io::Result<()>;
    process::signal_group: fn(u32, &Descriptor, i32) -> io::Result<()>;
    process::is_stopped: fn(&Descriptor) -> bool;
    process::lead_group: fn(u32);
    process::leads_group: fn(u32) -> bool;
    process::reap_group: fn(u32) -> bool;
    Started::kill: fn(&Started);
    process::KILL: i32;
    process::TERMINATE: i32;
    process::LEFT: i32;
}

// No orphan: a worker, and what it has started in its group, ends with its parent, whatever the task is doing.
// Linux: the death signal, then a watching thread. macOS: the thread. Windows: a job that ends with its last handle.
contract! {
    watch::end_with_parent: fn(BorrowedDescriptor<'_>) -> io::Result<()>;
    watch::until_safe: fn();
    watch::rehearse: fn();
    process::leave_death_to_watcher: fn();
}

// Entry before `main`: `program::before_main` has a function called there, which runs the constructors that are still to come, and
// never returns in a worker. Threads from constructors are known as such.
// Linux: `.init_array`. macOS: `__mod_init_func`. Windows: `.CRT$XC`. wasm: no.
contract! {
    program::is_own_constructor: fn(Constructor) -> bool;
    program::run_constructors_after: unsafe fn(Constructor, c_int, *const *const c_char, *const *const c_char);
    program::raw_variable: fn(&CStr) -> Option<CString>;
    program::has_variable: fn(&CStr) -> bool;
    program::remove_variable: unsafe fn(&CStr);
    early::list: fn();
    early::mark_those_of: fn(fn());
    early::is_early: fn() -> bool;
}

// This process. A handler of `at_exit` runs when the process ends as programs do, and not in a process forked from it. The
// number of a thread is no other's on this machine while the thread lives. The title is what lists of processes show.
// All platforms; the title on Linux only.
contract! {
    program::at_exit: fn(extern "C" fn());
    program::at_exit_first: fn(extern "C" fn());
    process::thread_number: fn() -> i32;
    program::watch_forks: fn();
    program::was_forked: fn() -> bool;
    program::name: fn() -> &'static str;
    program::set_title: fn(&str);
}

// Forked starts: a process of one thread, which has nothing open but its channel, is copied into a child of its parent; or it is said
// why that would not be safe. Surroundings that are equal cannot be told apart by a process that is started in them.
// Linux with glibc.
contract! {
    Original::new: fn(BorrowedDescriptor<'_>) -> Result<Original, String>;
    Original::fork: fn(&Original) -> io::Result<Forked>;
    Original::follow_parent: fn(&Original);
    fork::silence: fn();
    fork::set_streams: fn([BorrowedDescriptor<'_>; 2]);
    fork::leave: fn() -> !;
    Lookout::new: fn() -> io::Result<Lookout>;
    Lookout::now: fn(&Lookout) -> io::Result<Surroundings>;
    program::is_environment: fn(&[CString], &Variables) -> bool;
}

// A process that a task forks finds memory of its own in place of what its worker shares with the parent.
// Linux: pages that do not go along. Where nothing forks there is nothing to hide.
contract! {
    forked::hide: fn([&mut Mapping; 2]);
    forked::lend: fn(&[u8]) -> Lent;
    forked::is_forked: fn() -> bool;
}

// An identity tells a process from every other, also from an earlier one of the same number, which is in its lowest `PID_BITS` of 32.
// A living process is never taken for gone.
// All platforms: number and time of the start.
contract! {
    word::own_identity: fn() -> u64;
    word::is_gone: fn(u64) -> bool;
    word::PID_BITS: u32;
}

// Limits of this process; `None`: there is none. Of a death it is told whether memory had run out, as far as the system tells.
// Linux: rlimits and control groups. macOS: rlimits. Windows: none.
contract! {
    limits::of: fn(UserLimit) -> Option<u64>;
    limits::check_stack: fn() -> io::Result<()>;
    program::descriptor_limit: fn() -> u64;
    MemoryKills::watch: fn(&Poller, u64) -> MemoryKills;
    MemoryKills::unwatched: fn() -> MemoryKills;
    MemoryKills::called: fn(&mut MemoryKills);
    MemoryKills::judge: fn(&mut MemoryKills) -> oom::MemoryVerdict;
    oom::telling: fn(oom::MemoryVerdict, fn());
    oom::verdict: fn() -> oom::MemoryVerdict;
    Named::named: fn(io::Result<()>, &'static str) -> io::Result<()>;
}

// Standing: no thread starts processes on behalf of another thread that is more confined. What exec adds to a thread's
// rights, the new process lays down.
// Linux: users, capabilities, filters, namespaces, Landlock. macOS: users and groups. Elsewhere all threads stand alike.
contract! {
    Rights::own: fn() -> Rights;
    Rights::kept: fn(&Rights) -> Option<Kept>;
    Kept::to_text: fn(Kept) -> String;
    Kept::from_text: fn(&str) -> Option<Kept>;
    Kept::lay_down: fn(Kept) -> io::Result<()>;
    standing::note_start: fn();
    standing::note_heir: fn();
    standing::look_at: fn(u32) -> bool;
    standing::check_rights: fn(&Rights, &Rights) -> io::Result<()>;
    Standing::own: fn() -> Standing;
    Standing::verdict: fn(&Standing, &Rights, fn() -> bool) -> standing::Verdict;
    Affinity::own: fn() -> Option<Affinity>;
    Affinity::unless_own: fn(Affinity) -> Option<Affinity>;
    Affinity::give_to: fn(Affinity, u32);
}

// The owner: the users and groups of the program, which may change while it runs. A change shows without a system call once
// it is watched for.
// Unix. Elsewhere the owner stays.
contract! {
    Owner::own: fn() -> Owner;
    Owner::if_it_may_change: fn(Owner) -> Option<Owner>;
    Owner::is_still_own: fn(&Owner) -> bool;
    KnownOwner::new: fn(Owner) -> KnownOwner;
    KnownOwner::is: fn(&KnownOwner, Owner) -> bool;
    KnownOwner::holds: fn(&mut KnownOwner) -> bool;
    owner::is_watched: fn() -> bool;
    owner::watch: fn(fn());
}

// The bounds of the stack that a thread is on, and a larger one to run something on, on the same thread; a panic there goes on here.
// All platforms with a stack of their own; `None` and an error elsewhere.
contract! {
    stack::here: fn() -> usize;
    stack::bounds: fn() -> Option<Range<usize>>;
    Stack::new: fn(usize) -> io::Result<Stack>;
    Stack::len: fn(&Stack) -> usize;
    Stack::run: fn(&mut Stack, fn());
}
