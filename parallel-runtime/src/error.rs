//! Errors: what became of a call that gave no value, told apart, with function, item and process.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

pub use crate::panic::PanicReport;
use crate::sys::process;
pub use crate::wire::codec::CodecError;

/// The result of everything in this crate that can fail.
///
/// # Examples
///
/// ```
/// fn main() -> parallel::Result<()> {
///     Ok(())
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells why there is no value: the kind, and where known the function, the item of a map, the process and the
/// number of attempts.
///
/// `Display` is one line that a person can act on.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn leave(code: i32) { std::process::exit(code) }
///
/// let error = leave.spawn(8).join().unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Exited { code: 8 }));
/// assert_eq!(error.function(), Some("leave"));
/// assert_eq!(error.index(), None);
/// assert_eq!(error.attempts(), 1);
/// assert!(error.pid().is_some());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    function: Option<Cow<'static, str>>,
    index: Option<usize>,
    pid: Option<u32>,
    attempts: u32,
    /// The pool's worker is gone, and another in its place.
    worker_replaced: bool,
    /// What else is known of the cause, in words, for `Display`.
    note: Option<String>,
}

/// The kinds of [`Error`].
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// let error = Pool::with_workers(0).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The function panicked. The worker lives on.
    Panicked(PanicReport),
    /// The function ended its process with this exit code; 0 too, when no result came.
    Exited {
        /// The exit code, 0 to 255.
        code: i32,
    },
    /// A signal ended the process: a crash, an abort, a kill.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether the system wrote a core file.
        core_dumped: bool,
    },
    /// The call ran longer than its timeout and was killed.
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// The caller cancelled the call before it started.
    Cancelled,
    /// The pool was terminated or dropped before the call was done.
    Terminated,
    /// The pool, queue or channel is closed, the program is ending, or the value was already taken.
    Closed,
    /// A value could not be turned into bytes.
    Encode(CodecError),
    /// Bytes could not be turned into a value.
    Decode(CodecError),
    /// The process could not be started, or its initializer failed.
    Start(io::Error),
    /// The system refused to end a process, or to signal it: what [`kill`](crate::JoinHandle::kill) and
    /// [`terminate`](crate::JoinHandle::terminate) say then, and so does a call if its worker had to be ended and could not be. The
    /// function may still run, so the call is not tried again.
    Signal(io::Error),
    /// The process that held a lock died.
    OwnerDied {
        /// The process that held it.
        pid: u32,
    },
    /// A barrier was broken.
    Broken,
    /// A size, bound or option that makes no sense.
    InvalidInput(String),
    /// The program cannot start itself again: the function is in a library that a foreign program loaded, or the file behind
    /// `/proc/self/exe` is not the program, as where a loader (`ld.so ./program`), valgrind or qemu brought it into memory. The
    /// error's text says which.
    NotParallel,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            function: None,
            index: None,
            pid: None,
            attempts: 0,
            worker_replaced: false,
            note: None,
        }))
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput(text.into()))
    }

    /// The same again, for another item that fails for the same reason; what a report holds is kept as text.
    pub(crate) fn duplicate(&self) -> Self {
        let kind = match &self.0.kind {
            ErrorKind::Panicked(report) => ErrorKind::Panicked(report.clone()),
            ErrorKind::Exited { code } => ErrorKind::Exited { code: *code },
            ErrorKind::Signaled { signal, core_dumped } => {
                ErrorKind::Signaled { signal: *signal, core_dumped: *core_dumped }
            }
            ErrorKind::TimedOut { after } => ErrorKind::TimedOut { after: *after },
            ErrorKind::Cancelled => ErrorKind::Cancelled,
            ErrorKind::Terminated => ErrorKind::Terminated,
            ErrorKind::Closed => ErrorKind::Closed,
            ErrorKind::Encode(report) => ErrorKind::Encode(report.clone()),
            ErrorKind::Decode(report) => ErrorKind::Decode(report.clone()),
            ErrorKind::Start(error) => ErrorKind::Start(io::Error::new(error.kind(), error.to_string())),
            ErrorKind::Signal(error) => ErrorKind::Signal(io::Error::new(error.kind(), error.to_string())),
            ErrorKind::OwnerDied { pid } => ErrorKind::OwnerDied { pid: *pid },
            ErrorKind::Broken => ErrorKind::Broken,
            ErrorKind::InvalidInput(text) => ErrorKind::InvalidInput(text.clone()),
            ErrorKind::NotParallel => ErrorKind::NotParallel,
        };
        let Inner { function, index, pid, attempts, worker_replaced, note, .. } = &*self.0;
        Self(Box::new(Inner {
            kind,
            function: function.clone(),
            index: *index,
            pid: *pid,
            attempts: *attempts,
            worker_replaced: *worker_replaced,
            note: note.clone(),
        }))
    }

    pub(crate) fn in_function(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.function = Some(name.into());
        self
    }

    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.0.index = Some(index);
        self
    }

    pub(crate) fn in_process(mut self, pid: u32) -> Self {
        self.0.pid = Some(pid);
        self
    }

    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_worker_replaced(mut self) -> Self {
        self.0.worker_replaced = true;
        self
    }

    /// Adds what else is known of the cause.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        self.0.note = Some(match self.0.note.take() {
            Some(former) => format!("{former}; {note}"),
            None => note,
        });
        self
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the name of the function, where a function was called.
    pub fn function(&self) -> Option<&str> {
        self.0.function.as_deref()
    }

    /// Returns which item of a map failed, counted from 0.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Returns the process in which it went wrong, where one had been started.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid
    }

    /// Returns whether the pool's worker that ran the call is gone, and another takes its place: whatever tasks had kept in that
    /// process is lost. The initializer runs again in the new one; see also [`Current::generation`](crate::Current::generation).
    ///
    /// # Examples
    ///
    /// ```
    /// use parallel::prelude::*;
    ///
    /// #[parallel]
    /// fn fail(abort: bool) { if abort { std::process::abort() } else { panic!("no") } }
    ///
    /// # fn main() -> parallel::Result<()> {
    /// let pool = Pool::with_workers(1)?;
    /// assert!(fail.on(&pool).submit(true).join().unwrap_err().worker_replaced());
    /// assert!(!fail.on(&pool).submit(false).join().unwrap_err().worker_replaced());
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker_replaced(&self) -> bool {
        self.0.worker_replaced
    }

    /// Returns how often the call was started, the first time included; 0 when it never was.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

/// What a `main` that returns `parallel::Result` prints: the line of `Display`; with `{:#?}` also what it is made of.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Error")
            .field("text", &format_args!("{self}"))
            .field("kind", &self.0.kind)
            .field("function", &self.0.function)
            .field("index", &self.0.index)
            .field("pid", &self.0.pid)
            .field("attempts", &self.0.attempts)
            .field("worker_replaced", &self.0.worker_replaced)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(function) = &inner.function {
            write!(f, "`{function}`")?;
            if let Some(index) = inner.index {
                write!(f, ", item {index}")?;
            }
            if let Some(pid) = inner.pid {
                write!(f, ", process {pid}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", inner.kind)?;
        if let Some(note) = &inner.note {
            write!(f, "; {note}")?;
        }
        if inner.worker_replaced {
            f.write_str("; its worker was replaced")?;
        }
        if inner.attempts > 1 {
            write!(f, " (attempt {})", inner.attempts)?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(report) => write!(f, "panicked at {}: {}", report.location(), OneLine(report.message())),
            Self::Exited { code } => write!(f, "the process exited with code {code} before it gave a result"),
            Self::Signaled { signal, core_dumped } => {
                write!(f, "the process was killed by signal {signal} ({})", process::signal_words(*signal))?;
                f.write_str(if *core_dumped { ", core dumped" } else { "" })
            }
            Self::TimedOut { after } => write!(f, "ran longer than its timeout of {after:?} and was killed"),
            Self::Cancelled => f.write_str("cancelled before it started"),
            Self::Terminated => f.write_str("the pool was terminated or dropped before the call was done"),
            Self::Closed => {
                f.write_str("closed: the pool, the channel or the program has ended, or the value was already taken")
            }
            Self::Encode(report) => write!(f, "could not encode the {}", OneLine(&report.to_string())),
            Self::Decode(report) => write!(f, "could not decode the {}", OneLine(&report.to_string())),
            Self::Start(error) => write!(f, "the process could not be started: {}", OneLine(&error.to_string())),
            Self::Signal(error) => write!(f, "the process could not be ended: {}", OneLine(&error.to_string())),
            Self::OwnerDied { pid } => {
                write!(f, "process {pid} died while it held the lock; check the data, then call `recover()`")
            }
            Self::Broken => f.write_str("the barrier is broken; `reset()` makes it whole"),
            Self::InvalidInput(text) => write!(f, "{}", OneLine(text)),
            Self::NotParallel => f.write_str("this program cannot start itself again"),
        }
    }
}

/// A text of several lines in one: what a failed `assert_eq!` says has three.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.lines().map(str::trim).filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            f.write_str(if number > 0 { "; " } else { "" })?;
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// The line says what the inner error says, so the source is that error's source: a printed chain says nothing twice.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Start(error) | ErrorKind::Signal(error) => error.source(),
            _ => None,
        }
    }
}
