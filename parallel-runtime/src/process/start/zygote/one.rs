//! One zygote: what it found when it was started, and how far it is.

use std::ffi::CString;
use std::time::Instant;

use crate::process::start::Here;
use crate::sys::process::Started;
use crate::sys::socket::Socket;
use crate::sys::surroundings::Surroundings;

/// The environment and surroundings in which a process is started.
#[derive(PartialEq)]
pub(super) struct StartConditions {
    pub(super) environment: Vec<CString>,
    pub(super) surroundings: Surroundings,
}

/// A zygote, and what it found when it was started.
pub(super) struct Zygote {
    pub(super) started: Started,
    pub(super) socket: Socket,
    pub(super) born: Instant,
    pub(super) stage: ZygoteStage,
    pub(super) found: StartConditions,
    /// Its user and rights, which its copies have too.
    pub(super) here: Here,
}

/// What a zygote is at.
pub(super) enum ZygoteStage {
    /// It has not said that it is ready.
    Warming,
    /// It can be asked for a copy.
    Free,
    /// It was asked for a copy and has not given it; our end of the copy's channel.
    Asked(Socket),
    /// It has given a copy, which waits.
    Spare(Copy),
}

impl Zygote {
    /// Whether it can be asked for a copy, and there is none.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.stage, ZygoteStage::Free)
    }

    pub(super) fn is_ready(&self) -> bool {
        !matches!(self.stage, ZygoteStage::Warming)
    }

    pub(super) fn spare(&self) -> Option<&Copy> {
        match &self.stage {
            ZygoteStage::Spare(copy) => Some(copy),
            _ => None,
        }
    }

    /// Takes the spare out; the zygote can be asked for another then.
    pub(super) fn take_spare(&mut self) -> Option<Copy> {
        match std::mem::replace(&mut self.stage, ZygoteStage::Free) {
            ZygoteStage::Spare(copy) => Some(copy),
            before => {
                self.stage = before;
                None
            }
        }
    }
}

/// A process that the zygote has forked, and that has not begun.
pub(super) struct Copy {
    pub(super) started: Started,
    pub(super) channel: Socket,
}
