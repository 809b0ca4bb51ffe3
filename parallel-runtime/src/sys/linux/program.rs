//! The running program: its constructors, arguments, environment, limits and the verdicts of the kernel on it.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::descriptor::above_standard;
use super::executable;
use super::limits;
use super::process::own_number;
use super::refusal::Named;

/// A function that runs before `main`.
pub(crate) type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// Has a [`Constructor`] called before `main`; `$entry` is its place in the table, which the linker keeps.
macro_rules! before_main {
    ($entry:ident = $constructor:path) => {
        #[used]
        // SAFETY: the section is the table of functions that the C library calls before `main`, with these three arguments.
        // The last place with a priority: constructors without one run later, and so in each worker that a zygote forks.
        #[unsafe(link_section = ".init_array.65534")]
        static $entry: $crate::sys::program::Constructor = $constructor;
    };
}
pub(crate) use before_main;

/// The table of constructors of the program or shared library that this code is linked into; `None` where the linker
/// gives it no name, as GNU's does in a shared library.
fn constructors() -> Option<&'static [Option<Constructor>]> {
    let (start, end): (*const Option<Constructor>, *const Option<Constructor>);
    // The linker defines the two in an executable; `.weak` leaves them null elsewhere, which Rust's own `extern`
    // statics could not express.
    #[cfg(target_arch = "x86_64")]
    // SAFETY: loads two addresses from the global offset table.
    unsafe {
        std::arch::asm!(
            ".weak __init_array_start", ".weak __init_array_end",
            ".hidden __init_array_start", ".hidden __init_array_end",
            "mov {start}, qword ptr [rip + __init_array_start@GOTPCREL]",
            "mov {end}, qword ptr [rip + __init_array_end@GOTPCREL]",
            start = out(reg) start, end = out(reg) end, options(pure, readonly, nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            ".weak __init_array_start", ".weak __init_array_end",
            ".hidden __init_array_start", ".hidden __init_array_end",
            "adrp {start}, :got:__init_array_start", "ldr {start}, [{start}, :got_lo12:__init_array_start]",
            "adrp {end}, :got:__init_array_end", "ldr {end}, [{end}, :got_lo12:__init_array_end]",
            start = out(reg) start, end = out(reg) end, options(pure, readonly, nostack, preserves_flags),
        );
    }
    if start.is_null() {
        return None;
    }
    // SAFETY: both point into the one table.
    let len = usize::try_from(unsafe { end.offset_from(start) }).ok()?;
    // SAFETY: the linker's table of function pointers, relocated before any constructor runs, never written after.
    Some(unsafe { std::slice::from_raw_parts(start, len) })
}

/// Whether `constructor` is one of the executable's own, so that starting the executable again runs it before `main`.
pub(crate) fn is_own_constructor(constructor: Constructor) -> bool {
    executable::contains(constructor as usize)
        && constructors().is_some_and(|table| position(table, constructor).is_some())
}

fn position(table: &[Option<Constructor>], constructor: Constructor) -> Option<usize> {
    table.iter().position(|&entry| entry.is_some_and(|entry| entry as usize == constructor as usize))
}

/// Runs the constructors that the C library would run after `constructor`, which is running now.
///
/// # Safety
///
/// Only from `constructor` itself, with the arguments it was given, and only if it never returns: each runs once.
pub(crate) unsafe fn run_constructors_after(
    constructor: Constructor,
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    let table = constructors().unwrap_or(&[]);
    let Some(at) = position(table, constructor) else { return };
    for later in table[at + 1..].iter().copied().flatten() {
        // All bits set is the end mark of old tool chains.
        if later as usize != usize::MAX {
            later(count, arguments, environment);
        }
    }
}

/// Copies an environment variable without taking a lock, as a constructor may.
pub(crate) fn raw_variable(name: &CStr) -> Option<CString> {
    // SAFETY: a constructor calls this before `main`. Only a thread of an earlier constructor could change the environment
    // meanwhile, and would race with any `getenv`.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: the C library's strings end in a zero byte, and this one is there until it is copied.
    Some(unsafe { CStr::from_ptr(value) }.to_owned())
}

/// Whether there is an environment variable of this name; a constructor may ask.
pub(crate) fn has_variable(name: &CStr) -> bool {
    // SAFETY: the C library looks through the environment; its answer is only compared.
    !unsafe { libc::getenv(name.as_ptr()) }.is_null()
}

/// Removes an environment variable.
///
/// # Safety
///
/// Only while no other thread reads the environment.
pub(crate) unsafe fn remove_variable(name: &CStr) {
    // SAFETY: the caller's promise.
    unsafe { libc::unsetenv(name.as_ptr()) };
}

/// The arguments that this program was started with, its own name included.
pub(crate) fn arguments() -> Vec<CString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.is_empty() {
        // The standard library learns the arguments in a constructor, and an earlier constructor calls this.
        let text = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let words = text.strip_suffix(&[0]).unwrap_or(&text).split(|&byte| byte == 0);
        arguments.extend(words.map(|word| OsStr::from_bytes(word).into()));
    }
    arguments.into_iter().filter_map(|argument| CString::new(argument.into_vec()).ok()).collect()
}

/// This program's environment, with `more` added or put in place, as `NAME=value`.
///
/// # Errors
///
/// `InvalidInput` when a name is empty or holds `=` or a zero byte, or a value a zero byte.
pub(crate) fn environment(more: &[(OsString, OsString)]) -> io::Result<Vec<CString>> {
    let names = |pairs: &[(OsString, OsString)], name: &OsStr| pairs.iter().any(|(other, _)| other == name);
    let replaced = |name: &OsStr| names(more, name);
    // Of a variable that is given twice, the last value counts.
    let last = more.iter().enumerate().filter(|(at, (name, _))| !names(&more[at + 1..], name));
    std::env::vars_os()
        .filter(|(name, _)| !replaced(name))
        .chain(last.map(|(_, pair)| pair.clone()))
        .map(|(name, value)| {
            let bytes = name.as_bytes();
            // A name that a shell left in the environment may begin with `=`; no name in `more` may hold one.
            let well_formed = !bytes.is_empty() && (!bytes.contains(&b'=') || !replaced(&name));
            let mut joined = name.clone().into_vec();
            joined.push(b'=');
            joined.extend_from_slice(value.as_bytes());
            match CString::new(joined) {
                Ok(joined) if well_formed => Ok(joined),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("not usable as an environment variable: {name:?} = {value:?}"),
                )),
            }
        })
        .collect()
}

/// Whether that environment is `known`.
pub(crate) fn is_environment(known: &[CString], more: &[(OsString, OsString)]) -> bool {
    if !more.is_empty() {
        return environment(more).is_ok_and(|environment| environment == known);
    }
    // This runs at each start: it compares each variable as it is, and joins no strings.
    let is_pair = |known: &CString, name: &OsStr, value: &OsStr| {
        let rest = known.as_bytes().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        rest == Some(value.as_bytes())
    };
    let mut known = known.iter();
    std::env::vars_os().all(|(name, value)| known.next().is_some_and(|known| is_pair(known, &name, &value)))
        && known.next().is_none()
}

/// Opens the device that swallows what is written and gives nothing to read.
pub(crate) fn null_device() -> io::Result<OwnedFd> {
    let open = |write| OpenOptions::new().read(true).write(write).open("/dev/null");
    // Where Landlock lets the process write nowhere, open it for reading only, which is what stdin needs.
    let file = open(true).or_else(|_| open(false)).named("open /dev/null")?;
    above_standard(file.into())
}

/// Whether the descriptor is open: a program may have closed its own streams.
pub(crate) fn is_open(fd: BorrowedFd<'_>) -> bool {
    rustix::io::fcntl_getfd(fd).is_ok()
}

/// Set in a process that was forked from this one.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Lets [`was_forked`] know of forks from now on.
pub(crate) fn watch_forks() {
    extern "C" fn forked() {
        FORKED.store(true, Ordering::Relaxed);
    }
    // SAFETY: the handler does nothing but a store; it stays valid, because this is the executable.
    unsafe { libc::pthread_atfork(None, None, Some(forked)) };
}

/// Whether this process was forked, without exec, from one that had called [`watch_forks`]. Its other threads are missing
/// here.
pub(crate) fn was_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// The process that called [`at_exit`]: only there its handler runs.
static ENDS: AtomicI32 = AtomicI32::new(0);
/// What [`at_exit`] was given.
static HANDLER: OnceLock<extern "C" fn()> = OnceLock::new();

/// Runs `handler` when this process ends as programs do: when `main` returns, or a thread calls `exit`. In a process that
/// was forked from this one, by whatever means, it does not run. Only the first handler counts.
pub(crate) fn at_exit(handler: extern "C" fn()) {
    extern "C" fn ends() {
        if ENDS.load(Ordering::Relaxed) == own_number() {
            HANDLER.get().iter().for_each(|handler| handler());
        }
    }
    if HANDLER.set(handler).is_ok() {
        ENDS.store(own_number(), Ordering::Relaxed);
        // SAFETY: the function takes nothing and does not unwind; it stays valid, because this is the executable.
        unsafe { libc::atexit(ends) };
    }
}

/// How many descriptors Linux gives a process by default.
pub(crate) const USUAL_DESCRIPTORS: u64 = 1024;

/// How many descriptors this process may have open; the usual number where the system refuses to tell.
pub(crate) fn descriptor_limit() -> u64 {
    limits::raw(libc::RLIMIT_NOFILE).map_or(USUAL_DESCRIPTORS, |limit| limit.rlim_cur)
}

/// The program's name, as it was called.
pub(crate) fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let path = std::env::args_os().next().unwrap_or_default();
        std::path::Path::new(&path).file_name().unwrap_or(&path).to_string_lossy().into_owned()
    })
}

/// Runs `handler` first of all when this process ends by `exit` or `quick_exit`, before the handlers that there are already.
pub(crate) fn at_exit_first(handler: extern "C" fn()) {
    // SAFETY: the function takes nothing and does not unwind; it stays valid, because this is the executable.
    unsafe { libc::atexit(handler) };
    unsafe extern "C" {
        fn at_quick_exit(handler: extern "C" fn()) -> c_int;
    }
    // SAFETY: as above.
    unsafe { at_quick_exit(handler) };
}

/// Gives this process a name for `ps` and `top`; the kernel keeps the first 15 bytes.
pub(crate) fn set_title(title: &str) {
    let mut kept = [0; 16];
    for (place, byte) in kept[..15].iter_mut().zip(title.bytes().filter(|&byte| byte != 0)) {
        *place = byte;
    }
    if let Ok(title) = CStr::from_bytes_until_nul(&kept) {
        let _ = rustix::thread::set_name(title);
    }
}
