//! A process of the program's, from its start until it is reaped.

use std::io;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::control::Control;
use super::start::{Launched, Way};
use crate::poison::lock;
use crate::sys::owner::Owner;
use crate::sys::process::{self, Started};
use crate::sys::program;

/// A process of ours.
#[derive(Debug)]
pub(crate) struct Child {
    /// The reactor's number for it.
    pub(super) key: u64,
    pub(super) started: Started,
    control: Control,
    way: Way,
    owner: Owner,
    state: Mutex<ChildState>,
    /// This program has killed it.
    killed: AtomicBool,
    /// Whether the rest of its group is killed with it, however it ends.
    ends_group: AtomicBool,
    /// What hears that the process was told to leave, by its key, because the system has refused to kill it.
    told_to_leave: fn(u64, io::Error),
}

/// How far a process is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChildState {
    Runs,
    /// The system refused to kill it, so its channel was closed: a worker without a channel leaves by itself.
    ToldToLeave,
    /// The system may have given its number to another process, so it is not signalled.
    Reaped,
}

impl Child {
    pub(super) fn new(key: u64, launched: Launched, told_to_leave: fn(u64, io::Error)) -> Self {
        let Launched { started, control, way, owner } = launched;
        Self {
            key,
            started,
            control,
            way,
            owner,
            state: Mutex::new(ChildState::Runs),
            killed: AtomicBool::new(false),
            ends_group: AtomicBool::new(false),
            told_to_leave,
        }
    }

    #[cfg(test)]
    pub(crate) fn is_stopped(&self) -> bool {
        process::is_stopped(&self.started.pidfd)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.started.pid
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// How it was started.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// The user that it runs as.
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    /// Signals the process and what it started in its group; does nothing once it has ended.
    ///
    /// # Errors
    ///
    /// When the system refuses it; and in a fork of the program, because the child is the program's.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        check_not_forked()?;
        let state = lock(&self.state);
        if *state == ChildState::Reaped {
            return Ok(());
        }
        if signal == process::KILL {
            self.killed.store(true, Ordering::Relaxed);
        }
        let Started { pid, pidfd } = &self.started;
        let mut sent = Ok(());
        if !process::leads_group(*pid) {
            // The task has moved it into another group, which is not ours to signal.
            sent = process::signal(*pid, pidfd, signal);
        }
        let sent = sent.and(process::signal_group(*pid, pidfd, signal));
        // The system may refuse to signal an ended process that is not reaped yet: by rights it may be another user's.
        sent.or_else(|error| if self.has_ended() { Ok(()) } else { Err(error) })
    }

    /// Whether the process has ended, as far as the system tells.
    pub(super) fn has_ended(&self) -> bool {
        matches!(process::peek(&self.started.pidfd), Ok(Some(_)))
    }

    /// Sees to it that the process ends: by SIGKILL; where the system refuses that, as it does once the program is another
    /// user's, by closing its channel. Where that does not help either, the watcher hears that the process is
    /// lost (`Events::lost`). Does nothing once it has ended.
    pub(crate) fn end(&self) {
        let _ = self.kill();
    }

    /// [Ends](Self::end) the process, and tells where the system refuses.
    ///
    /// # Errors
    ///
    /// When the system refuses both; and in a fork of the program, because the child is the program's.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let Err(refused) = self.signal(process::KILL) else { return Ok(()) };
        check_not_forked()?;
        {
            let mut state = lock(&self.state);
            if *state != ChildState::Runs {
                return Ok(());
            }
            *state = ChildState::ToldToLeave;
        }
        let shut = self.control.shut();
        let error = io::Error::new(refused.kind(), refused.to_string());
        (self.told_to_leave)(self.key, refused);
        shut.map_err(|_| error)
    }

    /// Whether this program has killed it.
    pub(super) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Has the rest of the process's group killed when it ends by itself, as when a signal ends it.
    pub(crate) fn end_group(&self) {
        self.ends_group.store(true, Ordering::Relaxed);
    }

    /// Reaps the process. Where a signal ended it, the rest of its group is killed.
    pub(super) fn reap(&self) -> Option<ExitStatus> {
        let mut state = lock(&self.state);
        let Started { pid, pidfd } = &self.started;
        let crashed = process::peek(pidfd).is_ok_and(|status| status.and_then(process::deadly_signal).is_some());
        if crashed || self.ends_group.load(Ordering::Relaxed) {
            let _ = process::signal_group(*pid, pidfd, process::KILL);
        }
        let left = *state == ChildState::ToldToLeave;
        *state = ChildState::Reaped;
        let status = process::try_wait(pidfd).ok().flatten()?;
        // A worker that cannot be killed exits with `LEFT` instead: this counts as the kill.
        let killed = left && status.code() == Some(process::LEFT);
        Some(if killed { process::ended_by(process::KILL) } else { status })
    }
}

/// Refuses a process that was forked from one in which the reactor runs: the fork has no reactor thread.
pub(crate) fn check_not_forked() -> io::Result<()> {
    if program::was_forked() {
        return Err(io::Error::other(
            "this process was forked, without exec, from one that had used `parallel`; fork before the first call",
        ));
    }
    Ok(())
}
