//! Makes calls where programs rarely do: before `main`, behind it, and in threads that nobody thinks of. The environment says where;
//! the places are the same in the program and in each of its workers. Who called, and what came of it, goes to a file.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;

use parallel::prelude::*;
use parallel_starting::PATIENCE;

/// Many enough that the last of them are copies of a zygote, where there may be one.
const CALLS: usize = 6;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn is_here(place: &str) -> bool {
    variable("STARTING_PLACE") == place
}

/// Writes a line into the file that the test reads.
fn note(line: &str) {
    let file = OpenOptions::new().append(true).create(true).open(variable("STARTING_NOTES"));
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).expect("a file for notes");
}

fn note_outcome(who: &str, outcome: parallel::Result<Option<()>>) {
    match outcome {
        Ok(Some(())) => note(&format!("{who}: value")),
        Ok(None) => note(&format!("{who}: hangs")),
        Err(error) => note(&format!("{who}: {error}, {:?}", error.kind())),
    }
}

/// Makes calls of both kinds, two, so that what has no end grows.
fn call() {
    let who = if parallel::current().is_worker() { "worker" } else { "program" };
    note_outcome(who, work.spawn().join_timeout(PATIENCE));
    let in_pool = || work.on(&Pool::with_workers(1)?).submit().join_timeout(PATIENCE);
    note_outcome(who, in_pool());
}

extern "C" fn call_at_the_end() {
    call();
}

#[parallel]
fn nothing() {}

#[parallel]
fn work() {
    if variable("STARTING_PLACE").starts_with("thread of") {
        note_outcome("task", nothing.spawn().join_timeout(PATIENCE));
    }
    act();
}

/// What the program does in `main`, and each task.
fn act() {
    let in_worker = parallel::current().is_worker();
    match variable("STARTING_PLACE").as_str() {
        "thread of a constructor" => {
            *GO.0.lock().expect("no panic holds it") = true;
            GO.1.notify_all();
            join_thread();
        }
        "thread of a signal handler" => {
            // SAFETY: the handler is there.
            unsafe { libc::raise(libc::SIGUSR1) };
            join_thread();
        }
        "handler of the program" if !in_worker => at_exit(call_at_the_end),
        "handler of a task" if in_worker => at_exit(call_at_the_end),
        "thread-local of a task" => LOCAL.with(|_| {}),
        "handler of a constructor, and the task exits" if in_worker => std::process::exit(0),
        "thread-local of a constructor, and the task exits" if in_worker => std::process::exit(0),
        "global of C++, and the task exits" if in_worker => std::process::exit(0),
        // SAFETY: ends the process.
        "handler of a quick exit" if in_worker => unsafe { quick_exit(0) },
        _ => {}
    }
}

unsafe extern "C" {
    fn at_quick_exit(handler: extern "C" fn()) -> c_int;
    fn quick_exit(code: c_int) -> !;
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler stays where it is.
    unsafe { libc::atexit(handler) };
}

struct Local;

impl Drop for Local {
    fn drop(&mut self) {
        call();
    }
}

thread_local! {
    static LOCAL: Local = const { Local };
}

static GO: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
static WRITER: OnceLock<UnixStream> = OnceLock::new();

fn join_thread() {
    if let Some(thread) = THREAD.lock().expect("no panic holds it").take() {
        thread.join().expect("it does not panic");
    }
}

fn start_thread(body: impl FnOnce() + Send + 'static) {
    *THREAD.lock().expect("no panic holds it") = Some(std::thread::spawn(body));
}

extern "C" fn heard(_: c_int) {
    if let Some(writer) = WRITER.get() {
        // SAFETY: writes a byte of a constant to a descriptor that stays open.
        unsafe { libc::write(writer.as_raw_fd(), c"s".as_ptr().cast(), 1) };
    }
}

extern "C" fn construct_earliest() {
    if is_here("earliest constructor") {
        call();
    }
}

extern "C" fn construct_first() {
    if is_here("first constructor") {
        call();
    }
    if is_here("handler of a constructor") || is_here("handler of a constructor, and the task exits") {
        at_exit(call_at_the_end);
    }
}

extern "C" fn construct_last() {
    // Of a copy of the zygote as well, which the others do not run in.
    note("started");
    match variable("STARTING_PLACE").as_str() {
        "last constructor" => call(),
        "handler of a later constructor" => at_exit(call_at_the_end),
        // SAFETY: the handler stays where it is.
        "handler of a quick exit" => _ = unsafe { at_quick_exit(call_at_the_end) },
        "thread-local of a constructor" | "thread-local of a constructor, and the task exits" => LOCAL.with(|_| {}),
        "thread of a constructor" => start_thread(|| {
            let going = GO.1.wait_while(GO.0.lock().expect("no panic holds it"), |go| !*go);
            drop(going.expect("no panic holds it"));
            call();
        }),
        "thread of a signal handler" => {
            let (mut reader, writer) = UnixStream::pair().expect("two descriptors");
            let _ = WRITER.set(writer);
            // SAFETY: the handler makes one system call.
            unsafe { libc::signal(libc::SIGUSR1, heard as *const () as libc::sighandler_t) };
            start_thread(move || {
                reader.read_exact(&mut [0]).expect("a byte");
                call();
            });
        }
        _ => {}
    }
}

#[used]
// SAFETY: the section is the table of functions that the C library calls before `main`; this one ahead of the standard
// library's own.
#[unsafe(link_section = ".init_array.00050")]
static EARLIEST: extern "C" fn() = construct_earliest;

#[used]
// SAFETY: as above, ahead of `parallel`.
#[unsafe(link_section = ".init_array.00200")]
static FIRST: extern "C" fn() = construct_first;

#[used]
// SAFETY: as above, behind all with a number.
#[unsafe(link_section = ".init_array")]
static LAST: extern "C" fn() = construct_last;

extern "C" fn destruct() {
    if is_here("table of destructors") {
        call();
    }
}

#[used]
// SAFETY: the section is the table of functions that the C library calls at the end.
#[unsafe(link_section = ".fini_array")]
static DESTRUCT: extern "C" fn() = destruct;

/// Called by the constructor of a global of C++.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
extern "C" fn starting_global_begins() {
    if is_here("global of C++ begins") {
        call();
    }
}

/// Called by its destructor.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
extern "C" fn starting_global_ends() {
    if is_here("global of C++ ends") || is_here("global of C++, and the task exits") {
        call();
    }
}

#[parallel]
fn for_ever() -> Result<u32, String> {
    Ok(for_ever.spawn().join().map_err(|error| error.to_string())?? + 1)
}

fn main() {
    if is_here("nested") {
        note(&format!("nested: {:?}", for_ever.spawn().join()));
        return println!("done");
    }
    act();
    let mut values = 0;
    for _ in 0..CALLS {
        match work.spawn().join_timeout(PATIENCE) {
            Ok(Some(())) => values += 1,
            other => println!("{other:?}"),
        }
    }
    if values == CALLS {
        let pool = Pool::with_workers(2).expect("a pool");
        work.on(&pool).par_map([(), ()]).expect("a map");
        pool.join().expect("it ends");
    }
    println!("{values} values");
}
