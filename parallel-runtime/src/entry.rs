//! Where a worker enters: after every constructor, before `main`.
//!
//! A constructor of this crate looks for the token in the environment. Without one it returns at once. With one the
//! process is a worker: it takes the token out, runs the constructors that are still to come, works, and exits. `main`
//! never runs in it.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config;
use crate::error::{Error, ErrorKind, Result};
use crate::process::bootstrap::{self, Role};
use crate::process::control::Control;
use crate::process::zygote;
use crate::registry;
use crate::sys::limits;
use crate::sys::process;
use crate::sys::program::{self, Constructor};
use crate::sys::wait;
use crate::sys::watch;
use crate::worker;

/// The worker could not find its parent: the token was set by hand, or handed on to a program it was not made for.
const NO_PARENT: i32 = 125;

#[used]
// SAFETY: the section is the table of functions that the C library calls before `main`, with these three arguments.
// The last of those with a priority: whatever has none runs behind it, and so in each worker that a zygote forks.
#[unsafe(link_section = ".init_array.65534")]
static CONSTRUCTOR: Constructor = construct;

/// Whether the constructor ran in this process; where it did, it runs in every process started from this program.
static CONSTRUCTED: AtomicBool = AtomicBool::new(false);

extern "C" fn construct(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    CONSTRUCTED.store(true, Ordering::Relaxed);
    // In a shared library the token is not for us: the executable may have a runtime of its own.
    if program::raw_variable(config::TOKEN_C).is_none() || !program::is_own_constructor(construct) {
        return;
    }
    let (role, control) = connect();
    // SAFETY: called from the constructor with its own arguments; `enter` never returns.
    unsafe { program::run_constructors_after(construct, count, arguments, environment) };
    enter(role, control)
}

/// Finds the parent, and takes the token out so that nothing this process starts mistakes itself for a worker. In a
/// zygote it returns only in the copies, which are workers as any other from here on.
fn connect() -> (Role, &'static Control) {
    let token = program::raw_variable(config::TOKEN_C).unwrap_or_default();
    // SAFETY: before `main` and before the first task; a thread that an earlier constructor started and that reads the
    // environment right now would have been in danger from any `setenv` of the program as well.
    unsafe { program::remove_variable(config::TOKEN_C) };
    match bootstrap::connect(&token) {
        // It is needed to the end of the process.
        Ok((role, socket)) => {
            let control = match role {
                Role::Worker => Control::new(socket),
                Role::Zygote => zygote::serve(socket, watch_parent),
            };
            (role, Box::leak(Box::new(control)))
        }
        Err(error) => {
            eprintln!(
                "parallel: {}={} is set, but this process is not a worker ({error}); unset it",
                config::TOKEN,
                token.to_string_lossy().escape_debug()
            );
            std::process::exit(NO_PARENT)
        }
    }
}

/// Works until there is nothing left to do, then ends the process as `main` would: with `atexit`, and buffers flushed.
fn enter(role: Role, control: &'static Control) -> ! {
    process::adopt_rust_signal_state();
    program::set_title(program::name());
    if role == Role::Worker {
        watch_parent(control);
    }
    // A panic here is a defect of ours; it must not unwind into the C library.
    let code = crate::panic::catch(|| worker::work(control)).unwrap_or(101);
    std::process::exit(code)
}

/// Ends this process with its parent, whatever the task is doing.
fn watch_parent(control: &Control) {
    // While there is one thread.
    wait::join_order();
    // Without the thread, the death signal of the start remains, which ends this process alone.
    if watch::end_with_parent(control.as_fd().as_raw_fd()).is_ok() {
        process::leave_death_to_watcher();
    }
}

/// Enters the worker where no constructor could: on platforms without one, call this first thing in `main`. Where the
/// constructor ran, which is everywhere this crate builds today, it does nothing.
///
/// # Examples
///
/// ```
/// parallel::init();
/// ```
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !CONSTRUCTED.swap(true, Ordering::Relaxed) && program::raw_variable(config::TOKEN_C).is_some() {
            let (role, control) = connect();
            enter(role, control);
        }
    });
}

/// Refuses a program whose processes would not find back here.
///
/// # Errors
///
/// `NotParallel` in a library that a foreign program loaded; `Start` where a process may have too little stack.
pub(crate) fn check() -> Result<()> {
    // The address is taken from the table's entry itself, so that the linker keeps it.
    let constructor = std::hint::black_box(&CONSTRUCTOR);
    if !CONSTRUCTED.load(Ordering::Relaxed) || !program::is_own_constructor(*constructor) {
        return Err(Error::new(ErrorKind::NotParallel));
    }
    limits::check_stack().map_err(|error| Error::new(ErrorKind::Start(error)))
}

/// Refuses a function that a worker might take for another.
///
/// # Errors
///
/// `Start` where the program has two functions that cannot be told apart, and this is one of them.
pub(crate) fn check_function(entry: &registry::Entry) -> Result<()> {
    registry::check(entry)
        .map_err(|text| Error::new(ErrorKind::Start(std::io::Error::other(text))).in_function(entry.name()))
}
