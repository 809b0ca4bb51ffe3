//! What the system refused: an error that names the call, and the limit behind it where there is one.
//!
//! Such an error keeps the kind of the system's own. Its number is found by [`code_of`], because
//! `io::Error::raw_os_error` looks at the outermost error only.

use std::error::Error;
use std::fmt;
use std::io;

use super::limits::{self, UserLimit};

/// A system call that failed.
#[derive(Debug)]
struct Refusal {
    call: &'static str,
    error: io::Error,
    /// What the user can do about it.
    advice: Option<&'static str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.error)?;
        self.advice.map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Adds the name of the call to what the system says.
pub(crate) trait Named<T> {
    /// Names the call that failed.
    fn named(self, call: &'static str) -> io::Result<T>;
}

impl<T, E: Into<io::Error>> Named<T> for Result<T, E> {
    #[inline]
    fn named(self, call: &'static str) -> io::Result<T> {
        self.map_err(|error| refused(call, error.into()))
    }
}

/// The error of a call that the system refused.
#[cold]
pub(crate) fn refused(call: &'static str, error: io::Error) -> io::Error {
    let advice = error.raw_os_error().and_then(|code| {
        let there_is_proc = code != libc::ENOENT || std::path::Path::new("/proc/self").exists();
        advice(call, code, there_is_proc, |limit| limits::of(limit).is_some())
    });
    io::Error::new(error.kind(), Refusal { call, error, advice })
}

/// The system's number of an error, whether or not its call was named.
pub(crate) fn code_of(error: &io::Error) -> Option<i32> {
    let named = || error.get_ref()?.downcast_ref::<Refusal>()?.error.raw_os_error();
    error.raw_os_error().or_else(named)
}

/// What a user can do about a refusal. `is_set`: whether the process has such a limit.
fn advice(call: &str, code: i32, there_is_proc: bool, is_set: impl Fn(UserLimit) -> bool) -> Option<&'static str> {
    Some(match (call, code) {
        (_, libc::EMFILE | libc::ETOOMANYREFS) => "raise the limit on descriptors (`ulimit -n`)",
        (_, libc::ENFILE) => "the system has no descriptor left (`fs.file-max`)",
        (_, libc::EFBIG) => "shared memory counts as a file: raise the limit on the size of files (`ulimit -f`)",
        ("execve", libc::E2BIG) => {
            "arguments and environment may take a quarter of the stack: raise its limit (`ulimit -s`)"
        }
        ("execve" | "open", libc::ENOENT) if !there_is_proc => "/proc is not mounted",
        ("mmap", libc::EAGAIN) => {
            "the program locks what it maps (`mlockall`): raise the limit on locked memory (`ulimit -l`)"
        }
        ("mmap" | "clone" | "pthread_create", libc::ENOMEM | libc::EAGAIN) => match (call, code) {
            ("clone", libc::EAGAIN) => "raise the limit on processes and threads (`ulimit -u`)",
            ("pthread_create", libc::EAGAIN) if !is_set(UserLimit::AddressSpace) && !is_set(UserLimit::Data) => {
                "raise the limit on processes and threads (`ulimit -u`)"
            }
            ("pthread_create", libc::EAGAIN) => {
                "raise the limit on processes and threads (`ulimit -u`), or on address space (`ulimit -v`) and data (`ulimit -d`)"
            }
            _ if is_set(UserLimit::AddressSpace) => "no address space is left: raise its limit (`ulimit -v`)",
            _ if is_set(UserLimit::Data) => "raise the limit on data (`ulimit -d`)",
            _ => "no memory or address space is left, or the process has too many mappings (`vm.max_map_count`)",
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_call_and_the_limit_that_is_behind_it() {
        const NONE: &[UserLimit] = &[];
        /// The call and its error, whether there is `/proc`, which limits are set, and what the advice says.
        type Case = (&'static str, i32, bool, &'static [UserLimit], Option<&'static str>);
        let cases: [Case; 17] = [
            ("memfd_create", libc::EPERM, true, NONE, None),
            ("memfd_create", libc::ENOSYS, true, &[UserLimit::AddressSpace], None),
            ("memfd_create", libc::EMFILE, true, NONE, Some("ulimit -n")),
            ("socketpair", libc::ENFILE, true, NONE, Some("fs.file-max")),
            ("sendmsg", libc::ETOOMANYREFS, true, NONE, Some("ulimit -n")),
            ("ftruncate", libc::EFBIG, true, NONE, Some("ulimit -f")),
            ("execve", libc::E2BIG, true, NONE, Some("ulimit -s")),
            ("execve", libc::ENOENT, false, NONE, Some("/proc is not mounted")),
            ("execve", libc::ENOENT, true, NONE, None),
            ("mmap", libc::EAGAIN, true, NONE, Some("ulimit -l")),
            ("mmap", libc::ENOMEM, true, &[UserLimit::AddressSpace, UserLimit::Data], Some("ulimit -v")),
            ("mmap", libc::ENOMEM, true, &[UserLimit::Data], Some("ulimit -d")),
            ("mmap", libc::ENOMEM, true, NONE, Some("vm.max_map_count")),
            ("clone", libc::EAGAIN, true, &[UserLimit::AddressSpace], Some("ulimit -u")),
            ("clone", libc::ENOMEM, true, &[UserLimit::AddressSpace], Some("ulimit -v")),
            ("pthread_create", libc::EAGAIN, true, &[UserLimit::AddressSpace], Some("ulimit -v")),
            ("pthread_create", libc::EAGAIN, true, NONE, Some("ulimit -u")),
        ];
        for (call, code, there_is_proc, set, expected) in cases {
            let found = advice(call, code, there_is_proc, |limit| set.contains(&limit));
            let is_right = match (found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found == expected,
            };
            assert!(is_right, "{call} {code} {set:?}: {found:?}");
        }
    }

    #[test]
    fn a_named_refusal_keeps_the_kind_and_the_number() {
        let error = Err::<(), _>(rustix::io::Errno::AGAIN).named("socketpair").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(code_of(&error), Some(libc::EAGAIN));
        assert!(error.to_string().starts_with("socketpair: Resource temporarily unavailable"), "{error}");
        assert_eq!(code_of(&io::Error::other("no call")), None);
    }
}
