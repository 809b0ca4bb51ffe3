//! The zygote: this program once more, which has run no constructor behind ours and no `main`, and forks workers on
//! demand. This file is what happens in it, and what it and the program say to each other; the program's side is in
//! [`launch`](super::launch).
//!
//! It has one thread from when it is ready on and holds nothing of the program's: its streams lead nowhere, and what it is
//! sent it closes once it has forked. Its copies are children of the program. Such a copy waits, in the zygote's group, for
//! its streams, which say that it may begin; a word ahead may say that they come soon. The program sends them after it has
//! the copy's pidfd and has moved it into a group of its own. So when a zygote dies, whatever is left in its group is a copy
//! that has done nothing, for the program to end.

use std::os::fd::{AsFd, OwnedFd};

use super::control::Control;
use super::manners::Manners;
use crate::sys::fork::{self, Forked, Original};
use crate::sys::program;
use crate::sys::socket::{Received, Socket};
use crate::sys::wait;
use crate::sys::watch;
use crate::tuning;

/// What a zygote is called in `ps` and `top`.
const TITLE: &str = "zygote";

/// Asks for a copy; its channel comes along.
pub(super) const FORK: [u8; 1] = *b"f";
/// Asks for one that nobody waits for yet.
pub(super) const FORK_AHEAD: [u8; 1] = *b"a";
/// What a copy hears when it may soon begin.
pub(super) const RISE: [u8; 1] = *b"r";
/// What it hears when it may, with its stdout and stderr.
pub(super) const BEGIN: [u8; 1] = *b"b";
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

/// Forks whenever the program asks, and ends with it. Returns in the copies only, with their own channel, once they may
/// begin; each has called `get_ready` then.
pub(crate) fn serve(program: Socket, get_ready: fn(&Control)) -> Control {
    program::set_title(TITLE);
    rehearse();
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
    let mut manners = Manners::default();
    loop {
        let (Ok(()), Ok(Received::Message { descriptors, .. })) = (told, program.receive(&mut buffer, true)) else {
            // The program has ended, or says what cannot be understood.
            fork::leave()
        };
        if buffer == FORK_AHEAD {
            manners.give_way();
        }
        told = match original.fork() {
            Ok(Forked::Copy) => {
                drop(program);
                return begin(descriptors, get_ready);
            }
            Ok(Forked::Original(copy)) => {
                drop(descriptors);
                program.send(&Answer::Forked(copy.pid).to_bytes(), &[copy.pidfd.as_fd()], true)
            }
            Err(_) => program.send(&Answer::Failed.to_bytes(), &[], true),
        };
    }
}

/// Does what would be the same in each copy, which then finds it done.
fn rehearse() {
    let _ = program::name();
    watch::rehearse();
}

/// Makes a copy a worker, once the program knows of it.
fn begin(mut descriptors: Vec<OwnedFd>, get_ready: fn(&Control)) -> Control {
    let Some(channel) = descriptors.pop().map(|channel| Socket::shared(channel.into())) else { fork::leave() };
    let control = Control::new(channel);
    // While there is time: it takes as long as the rest of a worker's start.
    get_ready(&control);
    let mut word = [0; BEGIN.len()];
    loop {
        match control.receive_bytes(&mut word) {
            Ok(Received::Message { descriptors, .. }) if word == BEGIN && descriptors.len() == 2 => {
                fork::set_streams([descriptors[0].as_fd(), descriptors[1].as_fd()]);
                return control;
            }
            Ok(Received::Message { .. }) if word == RISE => {
                // Whether it comes soon or not, it is waited for.
                wait::look_readable(control.as_fd(), tuning::RISE_TIME);
            }
            // The program does not want this copy, or is gone.
            _ => fork::leave(),
        }
    }
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
