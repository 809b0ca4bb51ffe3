//! What happens in the zygote.
//!
//! It has one thread from when it is ready on and holds nothing of the program's: its streams lead nowhere, and what it is
//! sent it closes once it has forked. Its copies are children of the program. Such a copy waits, in the zygote's group, for
//! its streams, which say that it may begin; a word ahead may say that they come soon. The program sends them after it has
//! the copy's pidfd and has moved it into a group of its own. So when a zygote dies, whatever is left in its group is a copy
//! that has done nothing, for the program to end.

use super::words::{Answer, BEGIN, FORK, FORK_AHEAD, RISE};
use super::yielding::Yielding;
use crate::process::control::Control;
use crate::sys::fork::{self, Forked, Original};
use crate::sys::program;
use crate::sys::socket::{Received, Socket};
use crate::sys::wait;
use crate::sys::watch;
use crate::sys::{AsDescriptor, Descriptor};
use crate::tuning;

/// What a zygote is called in `ps` and `top`.
const TITLE: &str = "zygote";

/// Forks whenever the program asks, and ends with it. Returns in the copies only, with their own channel, once they may
/// begin; each has called `get_ready` then.
pub(crate) fn serve(program: Socket, get_ready: fn(&Control)) -> Control {
    program::set_title(TITLE);
    rehearse();
    let original = match Original::new(program.as_descriptor()) {
        Ok(original) => original,
        Err(text) => {
            let _ = program.send(&Answer::Unfit(text).to_bytes(), &[], true);
            fork::leave()
        }
    };
    // Once more: executing a file with set-user-ID or capabilities clears the death signal (`PR_SET_PDEATHSIG(2const)`).
    original.follow_parent();
    fork::silence();
    let mut told = program.send(&Answer::Ready.to_bytes(), &[], true);
    let mut buffer = [0; FORK.len()];
    let mut yielding = Yielding::default();
    loop {
        let (Ok(()), Ok(Received::Message { descriptors, .. })) = (told, program.receive(&mut buffer, true)) else {
            // The program has ended, or says what cannot be understood.
            fork::leave()
        };
        if buffer == FORK_AHEAD {
            yielding.give_way();
        }
        told = match original.fork() {
            Ok(Forked::Copy) => {
                drop(program);
                return begin(descriptors, get_ready);
            }
            Ok(Forked::Original(copy)) => {
                drop(descriptors);
                program.send(&Answer::Forked(copy.pid).to_bytes(), &[copy.pidfd.as_descriptor()], true)
            }
            Err(_) => program.send(&Answer::Failed.to_bytes(), &[], true),
        };
    }
}

/// Does once what each copy would do alike.
fn rehearse() {
    let _ = program::name();
    watch::rehearse();
}

/// Makes a copy a worker, once the program knows of it.
fn begin(mut descriptors: Vec<Descriptor>, get_ready: fn(&Control)) -> Control {
    let Some(channel) = descriptors.pop().map(|channel| Socket::shared(channel.into())) else { fork::leave() };
    let control = Control::new(channel);
    // While there is time: it takes as long as the rest of a worker's start.
    get_ready(&control);
    let mut word = [0; BEGIN.len()];
    loop {
        match control.receive_bytes(&mut word) {
            Ok(Received::Message { descriptors, .. }) if word == BEGIN && descriptors.len() == 2 => {
                fork::set_streams([descriptors[0].as_descriptor(), descriptors[1].as_descriptor()]);
                return control;
            }
            Ok(Received::Message { .. }) if word == RISE => {
                // Spin for the streams; after that the loop waits for them.
                wait::look_readable(control.as_descriptor(), tuning::RISE_TIME);
            }
            // The program does not want this copy, or is gone.
            _ => fork::leave(),
        }
    }
}
