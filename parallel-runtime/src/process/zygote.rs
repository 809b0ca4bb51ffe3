//! The zygote: this program once more, which has run no constructor behind ours and no `main`, and forks workers on
//! demand. This file is what happens in it, and what it and the program say to each other; the program's side is in
//! [`launch`](super::launch).
//!
//! It has one thread for all its life and holds nothing of the program's: its streams lead nowhere, and what it is sent
//! it closes once it has forked. Its copies are children of the program. Such a copy waits, in the zygote's group, until
//! its assignment comes; the program sends that after it has the copy's pidfd and has moved it into a group of its own.
//! So when a zygote dies, whatever is left in its group is a copy that nobody will ever hear of and that has done
//! nothing, for the program to end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::control::Control;
use crate::config;
use crate::sys::fork::{self, Forked, Original};
use crate::sys::program;
use crate::sys::socket::{Received, Socket};
use crate::sys::wait;

/// What a zygote is called in `ps` and `top`.
const TITLE: &str = "zygote";

/// The one request there is. Its descriptors: the new worker's channel, stdout, stderr.
pub(super) const FORK: [u8; 1] = *b"f";
/// The longest answer.
pub(super) const LONGEST: usize = 512;

/// What a zygote says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It can be asked from now on.
    Ready,
    /// It can never be asked, and why.
    Unfit(String),
    /// A copy waits; its pidfd comes along.
    Forked(u32),
    /// The system gave no copy.
    Failed,
}

impl Answer {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ready => b"r".to_vec(),
            Self::Unfit(text) => [b"u", text.as_bytes()].concat().into_iter().take(LONGEST).collect(),
            Self::Forked(pid) => [b"c".as_slice(), &pid.to_le_bytes()].concat(),
            Self::Failed => b"f".to_vec(),
        }
    }

    /// `None`: only one whose memory is spoilt says so.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'r', []) => Some(Self::Ready),
            (b'u', text) => Some(Self::Unfit(String::from_utf8_lossy(text).into_owned())),
            (b'c', pid) => Some(Self::Forked(u32::from_le_bytes(pid.try_into().ok()?))),
            (b'f', []) => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Forks whenever the program asks, and ends with it. Returns in the copies only, with their own channel and the first
/// message in it.
pub(crate) fn serve(program: Socket) -> Control {
    program::set_title(TITLE);
    let original = match Original::new(program.as_fd()) {
        Ok(original) => original,
        Err(text) => {
            let _ = program.send(&Answer::Unfit(text).to_bytes(), &[], true);
            fork::leave()
        }
    };
    // Once more: the setting of its start is lost where the executable gives rights to whoever runs it.
    original.follow_parent();
    fork::silence();
    let mut told = program.send(&Answer::Ready.to_bytes(), &[], true);
    let mut buffer = [0; FORK.len()];
    loop {
        let (Ok(()), Ok(Received::Message { descriptors, .. })) = (told, program.receive(&mut buffer, true)) else {
            // The program has ended, or says what cannot be understood.
            fork::leave()
        };
        told = match original.fork() {
            Ok(Forked::Copy) => return begin(program, descriptors),
            Ok(Forked::Original(copy)) => {
                drop(descriptors);
                program.send(&Answer::Forked(copy.pid).to_bytes(), &[copy.pidfd.as_fd()], true)
            }
            Err(_) => program.send(&Answer::Failed.to_bytes(), &[], true),
        };
    }
}

/// Makes a copy a worker, once the program knows of it.
fn begin(program: Socket, descriptors: Vec<OwnedFd>) -> Control {
    drop(program);
    let Ok([channel, stdout, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else { fork::leave() };
    fork::set_streams([stdout.as_fd(), stderr.as_fd()]);
    drop((stdout, stderr));
    let channel = Socket::shared(channel.into());
    let forked = Instant::now();
    while !channel.has_message() && forked.elapsed() < config::ZYGOTE_SPIN {
        std::thread::yield_now();
    }
    wait::wait_readable(channel.as_fd(), None);
    if !channel.has_message() {
        // The program does not want this copy, or is gone.
        fork::leave();
    }
    Control::new(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_as_they_were_written_and_others_not_at_all() {
        for answer in [Answer::Ready, Answer::Unfit("a thread".to_string()), Answer::Forked(70_000), Answer::Failed] {
            assert_eq!(Answer::from_bytes(&answer.to_bytes()), Some(answer));
        }
        for spoilt in [b"".as_slice(), b"x", b"rr", b"c123", b"c12345", b"ff"] {
            assert_eq!(Answer::from_bytes(spoilt), None);
        }
        assert!(Answer::Unfit("long".repeat(LONGEST)).to_bytes().len() <= LONGEST);
    }
}
