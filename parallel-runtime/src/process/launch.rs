//! Starting a worker: one function with two ways in.
//!
//! Either the program is executed once more, or its [zygote](super::zygote) forks. The zygote is used only while a worker
//! that it forks finds exactly what an executed one would find: as long as the environment, the current folder, the
//! limits and the rest of the [`Surroundings`] are what they were when the zygote was started. Everything else, and every
//! trouble with the zygote, goes by exec, without a word but in what [`Way`] tells.
//!
//! | zygote | becomes | when |
//! |---|---|---|
//! | none | warming | so many starts in a row found the same surroundings; after a pause where the last one failed |
//! | warming | ready | it has said so |
//! | warming | unfit, for ever | it has said so |
//! | ready | none | it dies, or gives no answer in time, or descriptors or processes run out |
//! | ready | warming | so many starts in a row found other surroundings |

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::bootstrap::{self, Role};
use super::control::Control;
use super::zygote::{self, Answer};
use crate::config;
use crate::sys::process::{self, Launch, Started};
use crate::sys::program;
use crate::sys::socket::{Received, Socket};
use crate::sys::surroundings::{Affinity, Surroundings};
use crate::sys::wait::{self, Poller};

/// How a process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Executed,
    Forked,
}

/// A process that was started and waits for its assignment.
pub(super) struct Launched {
    pub(super) started: Started,
    pub(super) control: Control,
    pub(super) way: Way,
}

/// What a process finds when it is started.
#[derive(PartialEq)]
struct Found {
    environment: Vec<CString>,
    surroundings: Surroundings,
}

/// A zygote, and what it found when it was started.
struct Zygote {
    started: Started,
    socket: Socket,
    born: Instant,
    ready: bool,
    found: Found,
}

/// Starts processes; lives on the reactor's thread.
pub(super) struct Launcher {
    arguments: Vec<CString>,
    null: OwnedFd,
    zygote: Option<Zygote>,
    /// Whether there may be one at all.
    allowed: bool,
    /// What the latest starts by exec found, and how many in a row.
    latest: Option<(Found, u32)>,
    /// A start has gone by exec since this was last looked at.
    missed: bool,
    /// Zygotes that failed since one forked.
    failures: u32,
    /// No other one is started before.
    rests_until: Option<Instant>,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            arguments: program::arguments(),
            null: program::null_device()?,
            zygote: None,
            allowed: config::zygote(),
            latest: None,
            missed: false,
            failures: 0,
            rests_until: None,
        })
    }

    /// Starts a process that waits for its assignment.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(super) fn launch(
        &mut self,
        environment: &[(OsString, OsString)],
        affinity: Option<Affinity>,
        poller: &Poller,
    ) -> io::Result<Launched> {
        let environment = program::environment(environment)?;
        let affinity = affinity.and_then(Affinity::unless_own);
        // The zygote forks while this process looks around.
        let asked = self.ask(&environment, poller);
        let surroundings = if self.allowed { Surroundings::now().ok() } else { None };
        if let Some(launched) = asked.and_then(|ours| self.take_copy(ours, surroundings.as_ref(), poller)) {
            if let Some(affinity) = affinity {
                affinity.give_to(launched.started.pid);
            }
            return Ok(launched);
        }
        let (ours, theirs) = Socket::pair()?;
        let mut started = self.execute(&environment, Role::Worker, &theirs, affinity);
        if self.zygote.is_some() && started.as_ref().is_err_and(process::is_passing) {
            // What the zygote takes may be what is missing.
            self.give_up(poller);
            started = self.execute(&environment, Role::Worker, &theirs, affinity);
        }
        let started = started?;
        if let Some(surroundings) = surroundings {
            self.note(Found { environment, surroundings });
        }
        Ok(Launched { started, control: Control::new(ours), way: Way::Executed })
    }

    fn execute(
        &self,
        environment: &[CString],
        role: Role,
        theirs: &Socket,
        affinity: Option<Affinity>,
    ) -> io::Result<Started> {
        let mut environment = environment.to_vec();
        environment.push(bootstrap::token(role, theirs)?);
        process::launch(&Launch {
            arguments: &self.arguments,
            environment: &environment,
            keep: theirs.as_fd(),
            null: self.null.as_fd(),
            affinity,
        })
    }

    /// Notes what a start by exec found.
    fn note(&mut self, now: Found) {
        self.missed = true;
        match &mut self.latest {
            Some((latest, times)) if *latest == now => *times += 1,
            latest => *latest = Some((now, 1)),
        }
    }

    /// Asks the zygote, if there is one for this environment, for a copy; returns our end of the copy's channel.
    fn ask(&mut self, environment: &[CString], poller: &Poller) -> Option<Socket> {
        self.hear(poller);
        let zygote = self.zygote.as_ref().filter(|zygote| zygote.ready && zygote.found.environment == environment)?;
        let (ours, theirs) = Socket::pair().ok()?;
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let [stdout, stderr] = [stdout.as_fd(), stderr.as_fd()].map(|stream| self.open_or_null(stream));
        // An error: a stream was closed just now, or the zygote is going, of which its end will tell.
        zygote.socket.send(&zygote::FORK, &[theirs.as_fd(), stdout, stderr], false).ok().map(|()| ours)
    }

    /// Takes the copy that was asked for. `None` where there is none, or it is not as it should be; then nothing has come
    /// of it.
    fn take_copy(&mut self, ours: Socket, surroundings: Option<&Surroundings>, poller: &Poller) -> Option<Launched> {
        let zygote = self.zygote.as_ref()?;
        match next_answer(&zygote.socket) {
            Some((Answer::Forked(pid), Some(pidfd))) => {
                let started = Started { pid, pidfd };
                if surroundings != Some(&zygote.found.surroundings) {
                    let _ = process::signal(&started.pidfd, process::KILL);
                    let _ = process::wait(&started.pidfd);
                    return None;
                }
                // From here on it is not one of those that end with the zygote.
                process::lead_group(pid);
                self.failures = 0;
                Some(Launched { started, control: Control::new(ours), way: Way::Forked })
            }
            Some((Answer::Failed, _)) => None,
            // Dead, stopped, or spoilt; or no descriptor was free to receive. What it forked unheard ends with it.
            _ => {
                self.give_up(poller);
                None
            }
        }
    }

    fn open_or_null<'a>(&'a self, stream: BorrowedFd<'a>) -> BorrowedFd<'a> {
        if program::is_open(stream) { stream } else { self.null.as_fd() }
    }

    /// Takes what a zygote says of itself when it has started.
    fn hear(&mut self, poller: &Poller) {
        let Some(zygote) = self.zygote.as_mut().filter(|zygote| !zygote.ready) else { return };
        match answer(&zygote.socket) {
            Some((Answer::Ready, _)) => zygote.ready = true,
            Some((Answer::Unfit(_), _)) => {
                self.allowed = false;
                self.give_up(poller);
            }
            Some(_) => self.give_up(poller),
            None if zygote.born.elapsed() > config::start_timeout() => self.give_up(poller),
            None => {}
        }
    }

    /// The zygote has ended.
    pub(super) fn zygote_ended(&mut self, poller: &Poller) {
        self.hear(poller);
        self.give_up(poller);
    }

    /// Ends the zygote and what it has forked unheard. The next start by exec brings another one, after a pause.
    fn give_up(&mut self, poller: &Poller) {
        if let Some(zygote) = self.zygote.take() {
            self.latest = Some((end(zygote, poller), config::STARTS_BEFORE_ZYGOTE));
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.failures += 1;
        self.rests_until = Instant::now().checked_add(config::back_off(self.failures));
    }

    /// Starts a zygote where one would have been of use; call it when nothing more urgent is to do.
    pub(super) fn tend(&mut self, poller: &Poller, number: u64) {
        if !std::mem::take(&mut self.missed) || !self.allowed {
            return;
        }
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let is_wanted = |&mut (ref now, times): &mut (Found, u32)| {
            let is_there = self.zygote.as_ref().is_some_and(|zygote| zygote.found == *now);
            !rests && !is_there && times >= config::STARTS_BEFORE_ZYGOTE
        };
        let Some((found, _)) = self.latest.take_if(is_wanted) else { return };
        if let Some(former) = self.zygote.take() {
            end(former, poller);
        }
        let started = Socket::pair().and_then(|(socket, theirs)| {
            let started = self.execute(&found.environment, Role::Zygote, &theirs, None)?;
            Ok((started, socket))
        });
        let Ok((started, socket)) = started else { return self.rest() };
        let watched = poller.add(started.pidfd.as_fd(), number);
        self.zygote = Some(Zygote { started, socket, born: Instant::now(), ready: false, found });
        if watched.is_err() {
            self.give_up(poller);
        }
    }
}

/// Ends a zygote and what it has forked unheard; returns what it found.
fn end(zygote: Zygote, poller: &Poller) -> Found {
    poller.remove(zygote.started.pidfd.as_fd());
    let _ = process::signal(&zygote.started.pidfd, process::KILL);
    process::end_children_of_group(zygote.started.pid);
    zygote.found
}

/// The zygote's answer to what it was asked, and the descriptor that came along.
fn next_answer(socket: &Socket) -> Option<(Answer, Option<OwnedFd>)> {
    // It comes soon: to be woken takes longer than to look a few times.
    let asked = Instant::now();
    while asked.elapsed() < config::ZYGOTE_SPIN {
        if let Some(answer) = answer(socket) {
            return Some(answer);
        }
        std::thread::yield_now();
    }
    wait::wait_readable(socket.as_fd(), Some(config::ZYGOTE_PATIENCE)).then(|| answer(socket)).flatten()
}

/// What the zygote has said, if anything, and the descriptor that came along.
fn answer(socket: &Socket) -> Option<(Answer, Option<OwnedFd>)> {
    let mut buffer = [0; zygote::LONGEST];
    match socket.receive(&mut buffer, false) {
        Ok(Received::Message { len, mut descriptors }) => {
            Answer::from_bytes(&buffer[..len]).map(|answer| (answer, descriptors.pop()))
        }
        _ => None,
    }
}
