//! The token: how a process learns that it is a worker, and finds the channel to its parent.

use std::ffi::{CStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::control::Control;
use crate::config;
use crate::sys::socket::Socket;

/// Raised with every change to what parent and worker say to each other. They are one program, so it differs only when
/// the token is not ours.
const VERSION: u32 = 1;

/// The environment variable that makes a new process a worker on `control`.
pub(crate) fn token(control: &Socket) -> (OsString, OsString) {
    (config::TOKEN.into(), format!("{VERSION}:{}", control.as_fd().as_raw_fd()).into())
}

/// Finds the channel that the token names.
///
/// # Errors
///
/// When the token is not one of this version, or names no channel: somebody set the variable by hand, or handed it on.
pub(crate) fn connect(token: &CStr) -> io::Result<Control> {
    let number = token
        .to_str()
        .ok()
        .and_then(|token| token.split_once(':'))
        .filter(|(version, _)| version.parse() == Ok(VERSION))
        .and_then(|(_, number)| number.parse::<RawFd>().ok())
        .filter(|&number| number > 2)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the token is malformed"))?;
    Socket::inherit(number).map(Control::new)
}
