//! The operating system, and the only place that calls it.
//!
//! Each system's folder keeps this contract; all of it speaks in `io::Result` and owned resources, and knows nothing
//! of tasks or pools:
//!
//! | room | promise |
//! |---|---|
//! | `process` | starts this very program again with a clean signal state and only the descriptors it is given; tells exactly how a process ended, also where the program ignores SIGCHLD; never touches another's children |
//! | `memory` | anonymous shared memory that cannot be resized by anyone who holds it, and blocks of bytes that can be handed on as descriptors |
//! | `bytes` | copies bytes in and out of memory that another process writes, without a reference to them |
//! | `parts` | how such memory is used in parts, so that what is not used takes no address space |
//! | `wait` | waits on words in shared memory, on an event, and on many descriptors at once, exact to the deadline |
//! | `word` | waits on words in shared memory, and tells whether the process that left its mark in one still lives, whoever has its number now |
//! | `socket` | a pair of connected sockets that keeps message boundaries and carries descriptors |
//! | `stack` | tells the bounds of the stack that a thread is on, and runs something on a larger one, on the same thread |
//! | `executable` | whether what a start executes is the file whose code runs here |
//! | `early` | which threads of a worker come from its constructors |
//! | `program` | what is known of the running program: constructors, arguments |
//! | `limits` | what the system allows this process, and what is left of it |
//! | `oom` | whether a process died because memory ran out, as far as the system tells |
//! | `refusal` | errors that name the call which the system refused, and what can be done about it |
//! | `fork` | copies a process of one thread into a child of its parent, or says why that would not be safe |
//! | `forked` | what a task forks finds memory of its own in place of what its worker shares with the parent |
//! | `owner` | whose the program is, which may change while it runs |
//! | `watch` | ends this process, a worker, with its parent, and what it has started with it |
//! | `rights` | what a thread may do, what exec would add to that, and how a new process lays that down |
//! | `standing` | whether one thread may start processes on behalf of another: never one that is less confined |
//! | `surroundings` | what a process hands on to those it starts, and whether that has changed |

pub(crate) mod bytes;

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use linux::{
    early, executable, fork, forked, limits, memory, oom, owner, parts, process, program, refusal, rights, socket,
    stack, standing, surroundings, wait, watch, word,
};

#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "`parallel` runs on Linux with glibc on x86-64 and aarch64 so far; on this target there is no `sys` folder yet"
);
