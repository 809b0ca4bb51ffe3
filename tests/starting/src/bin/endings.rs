//! What runs, and what is written, when a process ends. Argument: a folder for the traces.
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use parallel::prelude::*;

/// Leaves a file when dropped.
struct Trace(PathBuf);

impl Drop for Trace {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").expect("the folder is there");
    }
}

static AT_EXIT: OnceLock<PathBuf> = OnceLock::new();

extern "C" fn at_exit() {
    drop(AT_EXIT.get().map(|path| Trace(path.clone())));
}

thread_local! {
    static OF_THE_THREAD: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Leaves traces in all the ways there are; those that begin with `name`.
#[parallel]
fn leave_traces(folder: &str, name: &str) -> u32 {
    let path = |what: &str| Path::new(folder).join(format!("{name} {what}"));
    let _local = Trace(path("local"));
    OF_THE_THREAD.set(Some(Trace(path("thread"))));
    AT_EXIT.get_or_init(|| path("atexit"));
    // SAFETY: the handler is a function of this program.
    unsafe { libc::atexit(at_exit) };
    print!("<{name}>");
    // SAFETY: a format without parameters.
    unsafe { libc::printf(c"<C>".as_ptr()) };
    7
}

#[parallel]
fn print_only(text: &str) {
    print!("<{text}>");
}

#[parallel]
fn print_and_die(text: &str, signal: i32) {
    print!("<{text}>");
    // SAFETY: plain system calls.
    unsafe {
        libc::raise(signal);
        libc::pause();
    }
}

#[parallel]
fn print_and_exit(text: &str, code: i32) {
    print!("<{text}>");
    std::process::exit(code);
}

#[parallel]
fn print_and_panic(text: &str) {
    print!("<{text}>");
    panic!("on purpose");
}

fn assert_traces(folder: &str, name: &str, traces: &[&str]) {
    for trace in traces {
        assert!(Path::new(folder).join(format!("{name} {trace}")).exists(), "{name}: no trace of {trace}");
    }
}

fn code<T>(mut handle: JoinHandle<T>) -> Option<i32> {
    let _ = handle.join_timeout(Duration::MAX);
    handle.exit_status().and_then(|status| status.code())
}

fn main() -> parallel::Result<()> {
    let folder = &std::env::args().nth(1).expect("a folder");
    // At once: `join` returns when the process has ended, not before.
    assert_eq!(leave_traces.spawn(folder, "spawned").join()?, 7);
    assert_traces(folder, "spawned", &["local", "thread", "atexit"]);

    let pool = Pool::with_workers(1)?;
    assert_eq!(leave_traces.on(&pool).submit(folder, "joined").join()?, 7);
    assert_traces(folder, "joined", &["local"]);
    assert!(!Path::new(folder).join("joined atexit").exists(), "the worker lives on");
    pool.join()?;
    assert_traces(folder, "joined", &["thread", "atexit"]);

    assert_eq!(code(print_only.spawn("value")), Some(0));
    assert_eq!(code(print_and_panic.spawn("panic")), Some(101));
    assert_eq!(code(print_and_exit.spawn("zero", 0)), Some(0));
    assert_eq!(code(print_and_exit.spawn("eight", 8)), Some(8));
    assert_eq!(code(print_and_exit.spawn("three hundred", 300)), Some(300 & 0xff));
    assert_eq!(code(print_and_exit.spawn("minus one", -1)), Some(255));

    let pool = Pool::with_workers(1)?;
    print_only.on(&pool).submit("before the kill").join()?;
    // The worker that wrote it is killed; what it wrote is out.
    assert!(print_and_die.on(&pool).submit("lost by right", libc::SIGKILL).join().is_err());
    assert_eq!(print_only.on(&pool).par_map(["one", "two"])?.len(), 2);
    pool.terminate();
    println!();
    Ok(())
}
