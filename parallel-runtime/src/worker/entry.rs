//! Where a worker enters: after every constructor, before `main`.
//!
//! A constructor of this crate looks for the token in the environment. Without one it returns at once. With one the
//! process is a worker: it takes the token out, runs the constructors that are still to come, works, and exits. `main`
//! never runs in it.

use std::ffi::{c_char, c_int};
use std::io;
use std::sync::{Once, OnceLock};
use std::thread::LocalKey;

use super::serve;
use crate::current::{self, Origin};
use crate::ending;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};
use crate::process::control::Control;
use crate::process::start::zygote;
use crate::process::token::{self, Purpose};
use crate::run::registry;
use crate::sys::early;
use crate::sys::executable;
use crate::sys::limits;
use crate::sys::process;
use crate::sys::program;
use crate::sys::refusal::Named;
use crate::sys::standing;
use crate::sys::wait;
use crate::sys::watch;
use crate::sys::{AsDescriptor, CAPABILITIES};
use crate::tuning;

/// The worker could not find its parent: the token was set by hand, or handed on to a program it was not made for.
const NO_PARENT: i32 = 125;

program::before_main!(CONSTRUCTOR = construct);

extern "C" fn construct(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    standing::note_start();
    // In a shared library the token is not for us: the executable may have a runtime of its own.
    if !token::has_token() || !program::is_own_constructor(construct) {
        return current::set_origin(Origin::Program);
    }
    let (purpose, control) = connect();
    // SAFETY: called from the constructor with its own arguments; `enter` never returns.
    let run = || unsafe { program::run_constructors_after(construct, count, arguments, environment) };
    early::mark_those_of(run);
    enter(purpose, control)
}

/// Finds the parent, and takes the token out so that nothing this process starts mistakes itself for a worker. In a
/// zygote it returns only in the copies, which are workers as any other from here on.
fn connect() -> (Purpose, &'static Control) {
    let token = program::raw_variable(environment::TOKEN_C).unwrap_or_default();
    // Before the token goes: until then other threads, and handlers of `exit`, recognize a worker by it.
    current::set_origin(Origin::Worker);
    // SAFETY: before `main` and before the first task; a thread that an earlier constructor started and that reads the
    // environment right now would have been in danger from any `setenv` of the program as well.
    unsafe { program::remove_variable(environment::TOKEN_C) };
    match token::connect(&token) {
        // Leaked: the channel is needed to the end of the process.
        Ok((purpose, socket)) => {
            let control = match purpose {
                Purpose::Worker => {
                    early::list();
                    Control::new(socket)
                }
                Purpose::Zygote => zygote::serve(socket, get_ready),
            };
            (purpose, Box::leak(Box::new(control)))
        }
        Err(error) => {
            eprintln!(
                "parallel: {}={} is set, but this process is not a worker ({error}); unset it",
                environment::TOKEN,
                token.to_string_lossy().escape_debug()
            );
            leave(NO_PARENT)
        }
    }
}

/// Works until there is nothing left to do, then ends the process as `main` would: with `atexit`, and buffers flushed.
fn enter(purpose: Purpose, control: &'static Control) -> ! {
    process::adopt_rust_signal_state();
    program::set_title(program::name());
    // While there is one thread: the memory that the first call takes costs less then.
    end_before_older_handlers(&LAST_END);
    if purpose == Purpose::Worker {
        watch_parent(control);
    }
    // A panic here is a defect of ours; it must not unwind into the C library.
    let code = crate::panic::catch(|| serve::work(control)).unwrap_or(101);
    leave(code)
}

/// Ends a worker. From here on it starts nothing: what runs at the end of a program runs at the end of each worker too, and would
/// start the next one for ever.
fn leave(code: i32) -> ! {
    ending::begin();
    std::process::exit(code)
}

/// Says, when it is dropped, that the end of this process has begun.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        ending::begin();
    }
}

thread_local! {
    static FIRST_END: End = const { End };
    static LAST_END: End = const { End };
}

/// Says that the end of this worker has begun, should a task call `exit`, before destructors and handlers run that are older
/// than this call. `end` is for the destructors, which the C library runs ahead of the handlers (`__call_tls_dtors` in
/// glibc's `stdlib/exit.c`).
fn end_before_older_handlers(end: &'static LocalKey<End>) {
    extern "C" fn begin() {
        ending::begin();
    }

    program::at_exit_first(begin);
    end.with(|_| {});
}

/// Does in a waiting copy what would otherwise be done once it may begin.
fn get_ready(control: &Control) {
    // Done again behind the constructors that are still to come. But the copy has the memory for it then, which takes longest,
    // and much longer once there is another thread.
    end_before_older_handlers(&FIRST_END);
    watch_parent(control);
}

/// Ends this process with its parent, whatever the task is doing.
fn watch_parent(control: &Control) {
    // While there is one thread.
    wait::join_order();
    // Without the thread, the death signal of the start remains, which ends this process alone.
    if watch::end_with_parent(control.as_descriptor()).is_ok() {
        process::leave_death_to_watcher();
    }
}

/// Enters the worker where no constructor could: on platforms without one, call this first thing in `main`. Where the
/// constructor runs, which is everywhere this crate builds today, it does nothing.
///
/// # Examples
///
/// ```
/// parallel::init();
/// ```
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // In a constructor ahead of ours there is nothing to do yet.
        if current::is_unknown() && token::has_token() && !program::is_own_constructor(construct) {
            let (purpose, control) = connect();
            enter(purpose, control);
        }
    });
}

/// Refuses to start a process where it would not find back here, and where each process would start another.
///
/// # Errors
///
/// `NotParallel` on a system without an entry before `main`, in a library that a foreign program loaded, and where the file that
/// would be started is not this program; `Closed` once the end of this process has begun; `Start` in a worker while its constructors
/// run, in threads that they have started, in calls that are nested too deep, and where a process may have too little stack.
pub(crate) fn check() -> Result<()> {
    ending::check()?;
    if let Some(text) = endless() {
        return Err(Error::new(ErrorKind::Start(io::Error::other(text))));
    }
    if !CAPABILITIES.entry_before_main {
        return Err(Error::new(ErrorKind::NotParallel)
            .with_note("this system has no place before `main` where a worker begins"));
    }
    if !is_constructor_own() {
        return Err(Error::new(ErrorKind::NotParallel).with_note(
            "the #[parallel] function is in a library that a foreign program loaded; call it from an executable that links it",
        ));
    }
    let failed = |error: io::Error| {
        let text = format!("{}, from which this program starts itself: {error}", executable::NAME);
        Error::new(ErrorKind::Start(io::Error::new(error.kind(), text)))
    };
    if !is_started_file().map_err(failed)? {
        return Err(Error::new(ErrorKind::NotParallel).with_note(executable::FOREIGN));
    }
    limits::check_stack().map_err(|error| Error::new(ErrorKind::Start(error)))
}

/// Why a process that is started here might start one at the same place, and so for ever.
fn endless() -> Option<String> {
    if current::is_starting() {
        return Some(
            "this process is a worker whose constructors still run, before `main` would; each worker would start another. Make the \
             call where `parallel::current().is_worker()` is false"
                .to_string(),
        );
    }
    if early::is_early() {
        return Some(
            "this thread of a worker comes from a constructor, before `main` would run; the one of each worker would start \
             another. Make the call from a task, or where `parallel::current().is_worker()` is false"
                .to_string(),
        );
    }
    let depth = token::depth();
    (depth >= tuning::DEEPEST)
        .then(|| format!("{depth} calls are already one inside of the other, and that is as deep as they go"))
}

/// Whether our constructor is one that a start of the executable runs; it may still have to run here.
fn is_constructor_own() -> bool {
    static OWN: OnceLock<bool> = OnceLock::new();
    // The address is taken from the table's entry itself, so that the linker keeps it.
    *OWN.get_or_init(|| program::is_own_constructor(*std::hint::black_box(&CONSTRUCTOR)))
}

/// Whether a start runs this very program.
fn is_started_file() -> io::Result<bool> {
    static STARTED: OnceLock<bool> = OnceLock::new();
    match STARTED.get() {
        Some(&known) => Ok(known),
        None => executable::is_started_file().named("open").map(|found| *STARTED.get_or_init(|| found)),
    }
}

/// Refuses a function that a worker might take for another.
///
/// # Errors
///
/// `Start` where the program has two functions that cannot be told apart, and this is one of them; `Closed` once the end of
/// this process has begun.
pub(crate) fn check_function(entry: &registry::Entry) -> Result<()> {
    ending::check()?;
    registry::check(entry)
        .map_err(|text| Error::new(ErrorKind::Start(std::io::Error::other(text))).in_function(entry.name()))
}
