//! How a new process comes to be, and what it finds: the environment, the cores and the rights that its caller has.
//!
//! Any process can be had by executing the program once more ([`Exec`]). A [`Start`] spares that, where it has a process that
//! finds exactly what an executed one would find; the [zygote] is such a way, a feature that can be left out.

use std::ffi::{CString, OsString};
use std::io;
use std::sync::Arc;
use std::time::Instant;

pub(super) use self::exec::Attempt;
use self::exec::Exec;
use super::caller::{Caller, Deputy};
use super::control::Control;
use super::leaving::Leaving;
use crate::environment;
use crate::sys::owner::Owner;
use crate::sys::process::{self, Started};
use crate::sys::program;
use crate::sys::rights::Rights;
use crate::sys::socket::Socket;
use crate::sys::wait::Poller;

mod exec;
#[cfg_attr(not(feature = "zygote"), path = "no_zygote.rs")]
pub(crate) mod zygote;

/// How a process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Executed,
    Forked,
}

/// What to start.
pub(crate) struct Order<'a> {
    pub(crate) environment: &'a [(OsString, OsString)],
    /// The thread that asked for it.
    pub(crate) caller: &'a Caller,
    /// Puts what the process is for into its channel.
    pub(crate) assign: &'a dyn Fn(&Control) -> io::Result<()>,
    /// Whether it came through the queue, and so counts against what may run at a time.
    pub(crate) admitted: bool,
    /// Whether the program is to be executed, whatever else there is.
    pub(crate) by_exec: bool,
}

/// A process that was started and waits for its assignment.
pub(crate) struct Launched {
    pub(super) started: Started,
    pub(super) control: Control,
    pub(super) way: Way,
    /// The user that it runs as.
    pub(super) owner: Owner,
}

/// A way to have a process that spares executing the program. Lives on the reactor's thread.
pub(super) trait Start: Send {
    /// A process that finds what one executed now would find; `None`: there is none just now, and the program is executed.
    fn start(&mut self, order: &Order<'_>) -> Option<Launched>;
    /// The program was executed in this environment.
    fn executed(&mut self, environment: Vec<CString>);
    /// A process of the program's has ended.
    fn has_ended(&mut self);
    /// Something that it watches, by one of its [`Numbers`], has happened.
    fn happened(&mut self, number: u64);
    /// Nothing more urgent is to be done.
    fn tend(&mut self);
    /// Gives back what a start by exec may lack; false where it holds nothing.
    fn makes_room(&mut self) -> bool;
    /// When it is to be [tended](Self::tend) at the latest.
    fn next_look(&self) -> Option<Instant>;
}

/// The numbers by which a [`Start`] knows what it watches.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// What it starts from has ended.
    pub(super) end: u64,
    /// What it starts from has said something.
    pub(super) answer: u64,
    /// A process that waits to begin has ended.
    pub(super) spare: u64,
}

/// The user and the rights of the calling thread. The owner is read first: if the new process has that owner, so has all that
/// was made for it in between.
struct Here {
    owner: Owner,
    rights: Rights,
}

impl Here {
    fn own() -> Self {
        Self { owner: Owner::own(), rights: Rights::own() }
    }
}

/// Starts processes; lives on the reactor's thread.
pub(super) struct Launcher {
    exec: Arc<Exec>,
    /// What is tried before exec.
    ahead: Option<Box<dyn Start>>,
    leaving: Leaving,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { exec: Arc::new(Exec::new()?), ahead: None, leaving: Leaving::default() })
    }

    /// Sets up the ways to start; call it on the reactor's thread, which makes all starts from then on.
    pub(super) fn set_up(&mut self, numbers: Numbers, poller: &Arc<Poller>) {
        self.ahead = zygote::way(&self.exec, numbers, poller);
    }

    /// Starts a process that waits for its assignment.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(super) fn launch(&mut self, order: &Order<'_>) -> io::Result<Launched> {
        let ahead = self.ahead.as_mut().filter(|_| !order.by_exec);
        if let Some(launched) = ahead.and_then(|ahead| ahead.start(order)) {
            return Ok(launched);
        }
        let environment = program::environment(order.environment)?;
        let mut executed = self.exec.start(&environment, order.caller);
        if executed.as_ref().is_err_and(process::is_passing) && self.makes_room() {
            executed = self.exec.start(&environment, order.caller);
        }
        let launched = executed?;
        if let Some(ahead) = &mut self.ahead {
            // While the program is executed.
            ahead.executed(environment);
        }
        Ok(launched)
    }

    /// Has a deputy of `caller` start a process that waits for its assignment, and calls `then` with the attempt, on the deputy's
    /// thread. The attempt is to be [finished](Attempt::finish) on this one.
    ///
    /// # Errors
    ///
    /// What the system says; `then` is not called then.
    pub(super) fn launch_from(
        &mut self,
        deputy: &Deputy,
        environment: &[(OsString, OsString)],
        caller: &Caller,
        then: impl FnOnce(Attempt) + Send + 'static,
    ) -> io::Result<()> {
        let environment = program::environment(environment)?;
        Exec::start_from(&self.exec, deputy, environment.clone(), caller, then)?;
        if let Some(ahead) = self.ahead.as_mut().filter(|_| deputy.is_doubtful()) {
            // Once there is a zygote, the thread can look at it.
            ahead.executed(environment);
        }
        Ok(())
    }

    /// Gives back what a start by exec may lack; false where there is nothing to give.
    pub(super) fn makes_room(&mut self) -> bool {
        self.ahead.as_mut().is_some_and(|ahead| ahead.makes_room())
    }

    /// Something that is watched for starts has happened.
    pub(super) fn happened(&mut self, number: u64) {
        if let Some(ahead) = &mut self.ahead {
            ahead.happened(number);
        }
    }

    /// A process of ours has ended.
    pub(super) fn has_ended(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.has_ended();
        }
    }

    /// Ends a process that was started and is not watched.
    pub(super) fn discard(&mut self, launched: Launched) {
        drop(launched.control);
        self.leaving.end(launched.started);
    }

    /// When it is to be [tended](Self::tend) at the latest.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let ahead = self.ahead.as_ref().and_then(|ahead| ahead.next_look());
        self.leaving.next_look().into_iter().chain(ahead).min()
    }

    /// Reaps, and readies later starts; call it when nothing more urgent is to do.
    pub(super) fn tend(&mut self) {
        self.leaving.reap_ended();
        if let Some(ahead) = &mut self.ahead {
            ahead.tend();
        }
    }
}

/// A pair of sockets for what only saves time, as a zygote or its copy does; none where few of the descriptors are left that
/// the program may have: those are for what it asks for.
fn pair_where_plenty() -> Option<(Socket, Socket)> {
    let pair = Socket::pair().ok()?;
    // A new descriptor gets the lowest free number (open(2)).
    let highest = pair.0.number().max(pair.1.number());
    let leaves = |used| environment::leaves_descriptors(used, program::descriptor_limit());
    u64::try_from(highest).is_ok_and(leaves).then_some(pair)
}

/// Whether the program has descriptors left for what only saves time, or tells more.
pub(super) fn has_plenty() -> bool {
    pair_where_plenty().is_some()
}
