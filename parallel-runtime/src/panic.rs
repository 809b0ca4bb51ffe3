//! Panics as values: what a panic said, where, and how it got there.
//!
//! A thread-local records the report in the panic hook, because only the hook sees the location and the stack as they
//! were; [`catch`] returns it to its caller. Threads that are not inside [`catch`] keep the hook that
//! was installed before.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::sync::{Once, OnceLock};

use serde::{Deserialize, Serialize};

/// Tells what a function said when it panicked, and where.
///
/// # Examples
///
/// ```
/// use parallel::prelude::*;
///
/// #[parallel]
/// fn half(x: u32) -> u32 {
///     assert!(x % 2 == 0, "{x} is odd");
///     x / 2
/// }
///
/// let error = half.spawn(3).join().unwrap_err();
/// let parallel::ErrorKind::Panicked(report) = error.kind() else { panic!("{error}") };
/// assert_eq!(report.message(), "3 is odd");
/// assert!(report.location().contains(':'));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicReport {
    message: String,
    location: String,
    backtrace: Option<String>,
}

impl PanicReport {
    /// Returns what the panic said; for a payload that is not text, a sentence that says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place of the panic as `file:line:column`, or `unknown` when the function replaced the panic hook.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Returns the stack of the panic, when `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asked for one.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// Keeps at most `text` bytes of the message and `backtrace` bytes of the backtrace.
    pub(crate) fn cut(&mut self, text: usize, backtrace: usize) {
        cut(&mut self.message, text);
        if let Some(frames) = &mut self.backtrace {
            cut(frames, backtrace);
        }
    }

    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        Self { message: message_of(payload), location: "unknown".to_string(), backtrace: None }
    }
}

/// Cuts `text` to at most `most` bytes, between characters, and says so.
pub(crate) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" … (cut)");
    }
}

thread_local! {
    /// How many times this thread is inside [`catch`]; in none, the previous hook speaks.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The latest panic inside [`catch`].
    static REPORT: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
    /// Whether `REPORT` holds one: without a panic only plain words are read.
    static REPORTED: Cell<bool> = const { Cell::new(false) };
}

/// Called with a panic's report before the process aborts, in a program built with `panic = "abort"`.
static LAST_WORDS: OnceLock<fn(&PanicReport)> = OnceLock::new();

/// Sets what is called with a panic's report before the process aborts, in a program built with `panic = "abort"`.
pub(crate) fn on_last_words(tell: fn(&PanicReport)) {
    let _ = LAST_WORDS.set(tell);
}

/// Runs `body` and turns a panic in it into its report, without a word on stderr.
///
/// A panic that `body` itself catches is told on stderr afterwards, as the standard hook would have done.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, PanicReport> {
    let (mut body, mut value) = (Some(body), None);
    catch_any(&mut || value = body.take().map(|body| body()))?;
    Ok(value.unwrap_or_else(|| unreachable!("what did not panic gave its value")))
}

/// [`catch`], compiled once for all bodies: with its own copy a function took three times as much code.
fn catch_any(body: &mut dyn FnMut()) -> Result<(), PanicReport> {
    install_hook();
    DEPTH.set(DEPTH.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    DEPTH.set(DEPTH.get() - 1);
    let report = if REPORTED.take() { REPORT.take() } else { None };
    match outcome {
        Ok(()) => {
            if let Some(report) = report {
                tell(&report);
            }
            Ok(())
        }
        Err(payload) => {
            let report = report.unwrap_or_else(|| PanicReport::from_payload(&*payload));
            // A panic in the payload's own `Drop` must not unwind out of here.
            if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            REPORTED.set(false);
            Err(report)
        }
    }
}

/// Tells on stderr of a panic inside [`catch`] that did not get there, because it was caught on its way.
#[inline]
pub(crate) fn tell_caught() {
    if REPORTED.get() {
        REPORTED.set(false);
        if let Some(report) = REPORT.take() {
            tell(&report);
        }
    }
}

#[cold]
fn tell(report: &PanicReport) {
    // `eprintln!` would panic where stderr is closed.
    let _ = writeln!(io::stderr(), "thread panicked at {}:\n{}", report.location(), report.message());
}

fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !record(info) {
                previous(info);
            }
        }));
    });
}

/// Keeps the report of this panic if the thread is inside [`catch`]; false when it is not.
fn record(info: &PanicHookInfo<'_>) -> bool {
    // `try_with` and `try_borrow_mut`: the hook may run while thread-locals go, or while a report is being made.
    if !DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false) {
        return false;
    }
    let recorded = REPORT.try_with(|report| {
        let Ok(mut report) = report.try_borrow_mut() else { return false };
        let backtrace = Backtrace::capture();
        let made = PanicReport {
            message: message_of(info.payload()),
            location: info.location().map_or_else(|| "unknown".to_string(), text_of),
            backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
        };
        if let Some(tell) = LAST_WORDS.get().filter(|_| cfg!(panic = "abort")) {
            tell(&made);
        }
        *report = Some(made);
        true
    });
    let recorded = recorded.unwrap_or(false);
    REPORTED.set(recorded);
    recorded
}

fn text_of(location: &Location<'_>) -> String {
    // Room at once: bytes that come piece by piece would move the text several times.
    let mut text = String::with_capacity(location.file().len() + ":4294967295:4294967295".len());
    let _ = write!(text, "{location}");
    text
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is neither `&str` nor `String`".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_message_and_place() {
        let line = line!() + 1;
        let report = catch(|| panic!("no {}", 7)).unwrap_err();
        assert_eq!(report.message(), "no 7");
        let text = include_str!("panic.rs").lines().nth(line as usize - 1).unwrap();
        let column = text.find("panic!").unwrap() + 1;
        assert!(report.location().ends_with(&format!("panic.rs:{line}:{column}")), "{}", report.location());
    }

    #[test]
    fn a_payload_that_is_not_text_is_named_as_such() {
        let report = catch(|| panic::panic_any(5_u8)).unwrap_err();
        assert!(report.message().contains("neither"));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_not_escape() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        assert!(catch(|| panic::panic_any(Bomb)).is_err());
    }

    #[test]
    fn the_inner_report_stays_inside() {
        let outer = catch(|| {
            let _ = catch(|| panic!("inner"));
            panic!("outer")
        });
        assert_eq!(outer.unwrap_err().message(), "outer");
    }
}
