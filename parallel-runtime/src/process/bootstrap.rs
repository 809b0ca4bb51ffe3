//! The token: how a process learns what it is for, and finds the channel to its parent.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::config;
use crate::sys::rights::Kept;
use crate::sys::socket::Socket;

/// Raised with every change to what parent and worker say to each other. They are one program, so it differs only when
/// the token is not ours.
const VERSION: u32 = 1;

/// Stands behind the channel in the token of a zygote.
const ZYGOTE: &str = "zygote";

/// What a process that was started with a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Worker,
    Zygote,
}

/// The entry in the environment that makes a new process what `role` says, on `channel`, without the rights that exec gives
/// it beyond what is `kept`.
pub(crate) fn token(role: Role, kept: Option<Kept>, channel: &Socket) -> io::Result<CString> {
    let mut behind = match role {
        Role::Worker => String::new(),
        Role::Zygote => format!(":{ZYGOTE}"),
    };
    if let Some(kept) = kept {
        behind.push(':');
        behind.push_str(&kept.to_text());
    }
    let entry = format!("{}={VERSION}:{}{behind}", config::TOKEN, channel.as_fd().as_raw_fd());
    CString::new(entry).map_err(io::Error::other)
}

/// Finds the channel that the token names, and lays down what rights the token says.
///
/// # Errors
///
/// Where the system refuses that. When the token is not one of this version, or names no channel: somebody set the variable by hand, or handed it on.
pub(crate) fn connect(token: &CStr) -> io::Result<(Role, Socket)> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidInput, "the token is malformed");
    let (version, rest) = token.to_str().ok().and_then(|token| token.split_once(':')).ok_or_else(malformed)?;
    let (number, behind) = rest.split_once(':').unwrap_or((rest, ""));
    let mut role = Role::Worker;
    for part in behind.split(':').filter(|part| !part.is_empty()) {
        match Kept::from_text(part) {
            Some(kept) => kept.lay_down()?,
            None if part == ZYGOTE => role = Role::Zygote,
            None => return Err(malformed()),
        }
    }
    let number = number.parse::<RawFd>().ok().filter(|&number| number > 2 && version.parse() == Ok(VERSION));
    Socket::inherit(number.ok_or_else(malformed)?).map(|socket| (role, socket))
}
