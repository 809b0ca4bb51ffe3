//! The program, executed once more.

use std::ffi::CString;
use std::io;
use std::sync::Arc;

use super::{Here, Launched, Way};
use crate::process::caller::{Caller, Deputy};
use crate::process::control::Control;
use crate::process::token::{self, Purpose};
use crate::sys::owner::Owner;
use crate::sys::process::{self, Launch, Started};
use crate::sys::program;
use crate::sys::socket::Socket;
use crate::sys::standing::check_rights;
use crate::sys::surroundings::Affinity;
use crate::sys::{AsDescriptor, Descriptor};
use crate::tuning;

/// Executes the program.
pub(super) struct Exec {
    arguments: Vec<CString>,
    pub(super) null: Descriptor,
}

impl Exec {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { arguments: program::arguments(), null: program::null_device()? })
    }

    /// Starts a worker for `caller`. A program that puts rights aside and takes them back may do so in the middle of a start,
    /// which is then tried anew.
    pub(super) fn start(&self, environment: &[CString], caller: &Caller) -> io::Result<Launched> {
        let affinity = caller.affinity.and_then(Affinity::unless_own);
        let mut changes = 0..tuning::CHANGES_OF_USER;
        loop {
            let here = Here::own();
            check_rights(&here.rights, &caller.rights)?;
            let (ours, theirs) = Socket::pair()?;
            match self.execute(environment, Purpose::Worker, &theirs, affinity, &here) {
                Ok(started) => {
                    return Ok(Launched {
                        started,
                        control: Control::new(ours),
                        way: Way::Executed,
                        owner: here.owner,
                    });
                }
                Err(error) if process::is_user_changed(&error) && changes.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts what `purpose` says, on the channel `theirs`.
    pub(super) fn execute(
        &self,
        environment: &[CString],
        purpose: Purpose,
        theirs: &Socket,
        affinity: Option<Affinity>,
        here: &Here,
    ) -> io::Result<Started> {
        let mut environment = environment.to_vec();
        environment.push(token::token(purpose, here.rights.kept(), theirs)?);
        process::launch(&Launch {
            arguments: &self.arguments,
            environment: &environment,
            keep: theirs.as_descriptor(),
            null: self.null.as_descriptor(),
            affinity,
            rights: &here.rights,
            owner: here.owner,
        })
    }

    /// Has a deputy of `caller` start a worker, and calls `then` with that, on the deputy's thread.
    pub(super) fn start_from(
        exec: &Arc<Self>,
        deputy: &Deputy,
        environment: Vec<CString>,
        caller: &Caller,
        then: impl FnOnce(Attempt) + Send + 'static,
    ) -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let (exec, allowed, expected) = (Arc::clone(exec), Arc::clone(&caller.rights), theirs.identity());
        let start = move |theirs: &Socket| {
            if theirs.identity() != expected {
                return Err(io::Error::other("it has descriptors of its own (`CLONE_FILES`)"));
            }
            let here = Here::own();
            check_rights(&here.rights, &allowed)?;
            let started = exec.execute(&environment, Purpose::Worker, theirs, None, &here)?;
            Ok((started, here.owner))
        };
        deputy.run(move || {
            let started = start(&theirs);
            then(Attempt { started, ours, _theirs: theirs });
        });
        Ok(())
    }
}

/// A start that a deputy has made, or tried, and what it must give back: its table of descriptors may be another one.
pub(in crate::process) struct Attempt {
    started: io::Result<(Started, Owner)>,
    ours: Socket,
    _theirs: Socket,
}

impl Attempt {
    pub(in crate::process) fn finish(self) -> io::Result<Launched> {
        let (started, owner) = self.started?;
        Ok(Launched { started, control: Control::new(self.ours), way: Way::Executed, owner })
    }
}
