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
//! | ready | none | it dies, cannot fork, or gives no answer in time, or descriptors or processes run short |
//! | ready | warming | so many starts in a row found other surroundings |
//!
//! When it is ready, and whenever a process has ended, the zygote forks a *spare* ahead, a copy that waits. A start takes
//! the spare, which it wakes before it looks around, or the next copy where there is none. Where one start follows another's
//! end at once, the zygote forks the spare while the process runs. Whoever is about to fork ahead, or to have it done, gives
//! way first to what somebody waits for.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::caller::{Caller, Deputy};
use super::control::Control;
use super::leaving::Leaving;
use super::manners::Manners;
use super::token::{self, Role};
use super::zygote::{self, Answer};
use crate::environment;
use crate::pause;
use crate::sys::owner::Owner;
use crate::sys::process::{self, Launch, Started};
use crate::sys::program;
use crate::sys::rights::Rights;
use crate::sys::socket::{self, Received, Socket};
use crate::sys::standing::{check_rights, look_at};
use crate::sys::surroundings::{Affinity, Lookout, Surroundings};
use crate::sys::wait::{self, Poller};
use crate::tuning;

/// How a process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Executed,
    Forked,
}

/// A process that was started and waits for its assignment.
pub(crate) struct Launched {
    pub(super) started: Started,
    pub(super) control: Control,
    pub(super) way: Way,
    /// Whose it is.
    pub(super) owner: Owner,
}

/// A start that a deputy has made, or tried, and what it must give back: its table of descriptors may be another one.
pub(super) struct Attempt {
    pub(super) started: io::Result<(Started, Owner)>,
    ours: Socket,
    _theirs: Socket,
}

impl Attempt {
    pub(super) fn finish(self) -> io::Result<Launched> {
        let (started, owner) = self.started?;
        Ok(Launched { started, control: Control::new(self.ours), way: Way::Executed, owner })
    }
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
    /// Whose it is, and what it may do; so are its copies.
    here: Here,
    /// Our end of the channel of a copy that it was asked for and has not given.
    asked: Option<Socket>,
    spare: Option<Copy>,
}

impl Zygote {
    /// Whether it can be asked for a copy, and there is none.
    fn is_free(&self) -> bool {
        self.ready && self.spare.is_none() && self.asked.is_none()
    }
}

/// A process that the zygote has forked, and that has not begun.
struct Copy {
    started: Started,
    channel: Socket,
    owner: Owner,
}

/// Whose the calling thread is, and what it may do. The owner is asked first: if a new process is the same one's, so is all that
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

/// The numbers by which the launcher knows what it watches.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// The zygote has ended.
    pub(super) end: u64,
    /// It has said something.
    pub(super) answer: u64,
    /// The spare has ended.
    pub(super) spare: u64,
}

/// The zygote's number, and 0 where there is none.
static ZYGOTE: AtomicU32 = AtomicU32::new(0);
/// The number of the worker that the reactor has started last, and 0 where that has ended.
static LATEST: AtomicU32 = AtomicU32::new(0);

/// Whether the calling thread may look at a process that the reactor's thread has started.
pub(super) fn shows_itself() -> bool {
    // While it is noted it is not reaped, and its number its own.
    let shows_itself = |number: &AtomicU32| {
        let pid = number.load(Ordering::Acquire);
        pid != 0 && look_at(pid) && number.load(Ordering::Acquire) == pid
    };
    [&ZYGOTE, &LATEST].into_iter().any(shows_itself)
}

/// The reactor has started a worker.
pub(super) fn has_started(pid: u32) {
    LATEST.store(pid, Ordering::Release);
}

/// A worker has ended and is about to be reaped.
pub(super) fn is_to_be_reaped(pid: u32) {
    let _ = LATEST.compare_exchange(pid, 0, Ordering::AcqRel, Ordering::Relaxed);
}

/// Starts processes; lives on the reactor's thread.
pub(super) struct Launcher {
    numbers: Numbers,
    arguments: Arc<Vec<CString>>,
    null: Arc<OwnedFd>,
    zygote: Option<Zygote>,
    /// `None` where there may be no zygote at all.
    lookout: Option<Lookout>,
    /// What the latest starts by exec found, and how many in a row.
    latest: Option<(Found, u32)>,
    /// A start has gone by exec since this was last looked at.
    missed: bool,
    /// There is time to fork a spare.
    wants_spare: bool,
    manners: Manners,
    /// When a process last ended.
    ended: Option<Instant>,
    /// Whether the latest start came so soon after that that no spare could be ready.
    is_hurried: bool,
    /// Zygotes that failed since one forked.
    failures: u32,
    /// No other one is started before.
    rests_until: Option<Instant>,
    leaving: Leaving,
}

impl Launcher {
    pub(super) fn new(numbers: Numbers) -> io::Result<Self> {
        Ok(Self {
            numbers,
            arguments: Arc::new(program::arguments()),
            null: Arc::new(program::null_device()?),
            zygote: None,
            lookout: None,
            latest: None,
            missed: false,
            wants_spare: false,
            manners: Manners::default(),
            ended: None,
            is_hurried: false,
            failures: 0,
            rests_until: None,
            leaving: Leaving::default(),
        })
    }

    /// Readies it for the thread that calls this, which makes all starts from then on.
    pub(super) fn settle(&mut self) {
        if environment::zygote() {
            self.lookout = Lookout::new().ok().filter(|_| has_plenty());
        }
    }

    /// Starts a process that waits for its assignment; `by_exec`: not as a copy of the zygote.
    ///
    /// # Errors
    ///
    /// What the system says; nothing is left behind then.
    pub(super) fn launch(
        &mut self,
        environment: &[(OsString, OsString)],
        caller: &Caller,
        by_exec: bool,
        poller: &Poller,
    ) -> io::Result<Launched> {
        self.is_hurried = self.ended.is_some_and(|ended| ended.elapsed() < tuning::SPARE_TIME);
        let affinity = caller.affinity.and_then(Affinity::unless_own);
        self.hear(poller);
        let is_usable =
            |zygote: &Zygote| zygote.ready && program::is_environment(&zygote.found.environment, environment);
        let usable = !by_exec && self.zygote.as_ref().is_some_and(is_usable);
        if usable {
            self.rouse(poller);
            let copy = self.look().and_then(|now| self.take_copy(&now, &caller.rights, poller));
            if let Some(launched) = copy.and_then(|copy| self.begin(copy, affinity)) {
                return Ok(launched);
            }
        }
        let mut here = Here::own();
        check_rights(&here.rights, &caller.rights)?;
        let environment = program::environment(environment)?;
        let mut executed = self.execute_worker(&environment, affinity, &here);
        if self.zygote.is_some() && executed.as_ref().is_err_and(process::is_passing) {
            // What the zygote takes may be what is missing.
            self.give_up(poller);
            executed = self.execute_worker(&environment, affinity, &here);
        }
        for _ in 0..tuning::CHANGES_OF_USER {
            if !executed.as_ref().is_err_and(process::is_user_changed) {
                break;
            }
            here = Here::own();
            check_rights(&here.rights, &caller.rights)?;
            executed = self.execute_worker(&environment, affinity, &here);
        }
        let launched = executed?;
        // While the program is executed.
        if let Some(surroundings) = self.look() {
            self.note(Found { environment, surroundings });
        }
        Ok(launched)
    }

    /// While this process looks around, a copy wakes up, or is forked where there is no spare.
    fn rouse(&mut self, poller: &Poller) {
        match self.zygote.as_ref().and_then(|zygote| zygote.spare.as_ref()) {
            // An error: it has died, which shows when it is to begin.
            Some(spare) if self.manners.is_quiet() => {
                let _ = spare.channel.send(&zygote::RISE, &[], false);
            }
            Some(_) => {}
            None => self.ask(&zygote::FORK, poller),
        }
    }

    /// What a process would find; `None` where there is no zygote that it matters to.
    fn look(&self) -> Option<Surroundings> {
        self.lookout.as_ref()?.now().ok()
    }

    fn execute_worker(&self, environment: &[CString], affinity: Option<Affinity>, here: &Here) -> io::Result<Launched> {
        let (ours, theirs) = Socket::pair()?;
        let started = self.execute(environment, Role::Worker, &theirs, affinity, here)?;
        Ok(Launched { started, control: Control::new(ours), way: Way::Executed, owner: here.owner })
    }

    fn execute(
        &self,
        environment: &[CString],
        role: Role,
        theirs: &Socket,
        affinity: Option<Affinity>,
        here: &Here,
    ) -> io::Result<Started> {
        let mut environment = environment.to_vec();
        environment.push(token::token(role, here.rights.kept(), theirs)?);
        process::launch(&Launch {
            arguments: &self.arguments,
            environment: &environment,
            keep: theirs.as_fd(),
            null: self.null.as_fd(),
            affinity,
            rights: &here.rights,
            owner: here.owner,
        })
    }

    /// Has a deputy of `caller` start a process that waits for its assignment, and calls `then` with that, on the deputy's thread.
    /// What it is called with belongs on this one.
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
        let (ours, theirs) = Socket::pair()?;
        let environment = program::environment(environment)?;
        let (arguments, null, allowed) =
            (Arc::clone(&self.arguments), Arc::clone(&self.null), Arc::clone(&caller.rights));
        let expected = theirs.identity();
        let mut handed = environment.clone();
        let mut start = move |theirs: &Socket| {
            if theirs.identity() != expected {
                return Err(io::Error::other("it has descriptors of its own (`CLONE_FILES`)"));
            }
            let Here { owner, rights } = Here::own();
            check_rights(&rights, &allowed)?;
            handed.push(token::token(Role::Worker, rights.kept(), theirs)?);
            process::launch(&Launch {
                arguments: &arguments,
                environment: &handed,
                keep: theirs.as_fd(),
                null: null.as_fd(),
                affinity: None,
                rights: &rights,
                owner,
            })
            .map(|started| (started, owner))
        };
        deputy.run(move || {
            let started = start(&theirs);
            then(Attempt { started, ours, _theirs: theirs });
        });
        if deputy.is_doubtful()
            && let Some(surroundings) = self.look()
        {
            // Once there is a zygote, the thread can look at it.
            self.note(Found { environment, surroundings });
        }
        Ok(())
    }

    /// Ends the zygote where a start has failed for lack of something that it may take; false where there is none.
    pub(super) fn makes_room(&mut self, poller: &Poller) -> bool {
        let is_there = self.zygote.is_some();
        self.give_up(poller);
        is_there
    }

    /// Notes what a start by exec found.
    fn note(&mut self, now: Found) {
        self.missed = true;
        match &mut self.latest {
            Some((latest, times)) if *latest == now => *times += 1,
            latest => *latest = Some((now, 1)),
        }
    }

    /// Asks the zygote for a copy, unless there is one.
    fn ask(&mut self, request: &[u8], poller: &Poller) {
        let Some(zygote) = self.zygote.as_mut().filter(|zygote| zygote.is_free()) else { return };
        let Some((ours, theirs)) = pair_where_plenty() else { return self.give_up(poller) };
        // An error: the zygote is going, of which its end will tell.
        if zygote.socket.send(request, &[theirs.as_fd()], false).is_ok() {
            zygote.asked = Some(ours);
        }
    }

    /// Takes a copy that finds these surroundings, is the program's, and may no more than `caller`; waits a little for one that
    /// was asked for.
    fn take_copy(&mut self, surroundings: &Surroundings, caller: &Rights, poller: &Poller) -> Option<Copy> {
        let is_right = |zygote: &&mut Zygote| {
            zygote.found.surroundings == *surroundings
                && zygote.here.owner.is_still_own()
                && check_rights(&zygote.here.rights, caller).is_ok()
        };
        let zygote = self.zygote.as_mut().filter(is_right)?;
        if zygote.spare.is_none() && zygote.asked.is_some() && !has_answer(&zygote.socket) {
            // Dead, stopped, or spoilt; or on a core that it does not get.
            self.give_up(poller);
            return None;
        }
        self.hear(poller);
        let copy = self.zygote.as_mut()?.spare.take()?;
        poller.remove(copy.started.pidfd.as_fd());
        if process::is_stopped(&copy.started.pidfd) {
            drop(copy.channel);
            self.leaving.end(copy.started);
            return None;
        }
        Some(copy)
    }

    /// Lets a copy begin.
    fn begin(&mut self, copy: Copy, affinity: Option<Affinity>) -> Option<Launched> {
        let Copy { started, channel, owner } = copy;
        // From here on it is not one of those that end with the zygote.
        process::lead_group(started.pid);
        if let Some(affinity) = affinity {
            affinity.give_to(started.pid);
        }
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let streams = [stdout.as_fd(), stderr.as_fd()].map(|stream| self.open_or_null(stream));
        let control = Control::new(channel);
        if control.send_bytes(&zygote::BEGIN, &streams).is_ok() {
            self.failures = 0;
            self.wants_spare = self.is_hurried;
            return Some(Launched { started, control, way: Way::Forked, owner });
        }
        // It is dead, or a stream was closed just now.
        drop(control);
        self.leaving.end(started);
        None
    }

    fn open_or_null<'a>(&'a self, stream: BorrowedFd<'a>) -> BorrowedFd<'a> {
        if program::is_open(stream) { stream } else { self.null.as_fd() }
    }

    /// Takes what the zygote has said.
    pub(super) fn hear(&mut self, poller: &Poller) {
        while let Some(zygote) = &mut self.zygote {
            let Ok(answer) = answer(&zygote.socket) else { return self.give_up(poller) };
            let Some((answer, descriptor)) = answer else { break };
            match (answer, zygote.asked.take(), descriptor) {
                (Answer::Ready, None, None) => {
                    zygote.ready = true;
                    self.wants_spare = true;
                }
                (Answer::Forked(pid), Some(channel), Some(pidfd)) => {
                    // Where its end cannot be watched, it shows when it is needed.
                    let _ = poller.add(pidfd.as_fd(), self.numbers.spare);
                    let owner = zygote.here.owner;
                    zygote.spare = Some(Copy { started: Started { pid, pidfd }, channel, owner });
                }
                (Answer::Unfit(_), ..) => {
                    self.lookout = None;
                    return self.give_up(poller);
                }
                // It cannot fork, or is spoilt; or no descriptor was free to receive. What it forked unheard ends with it.
                _ => return self.give_up(poller),
            }
        }
        let hangs = |zygote: &Zygote| !zygote.ready && zygote.born.elapsed() > environment::start_timeout();
        if self.zygote.as_ref().is_some_and(hangs) {
            self.give_up(poller);
        }
    }

    /// Something that the launcher watches has happened.
    pub(super) fn happened(&mut self, number: u64, poller: &Poller) {
        self.hear(poller);
        if number == self.numbers.spare {
            // It may be another's end that was told, of a spare that was taken since.
            let has_ended = |copy: &mut Copy| !matches!(process::try_wait(&copy.started.pidfd), Ok(None));
            if let Some(copy) = self.zygote.as_mut().and_then(|zygote| zygote.spare.take_if(has_ended)) {
                poller.remove(copy.started.pidfd.as_fd());
            }
        } else if number == self.numbers.end {
            self.give_up(poller);
        }
    }

    /// A process of ours has ended, so that there is room for the next one. While it ran, forking would have been in its
    /// way where cores are few.
    pub(super) fn has_ended(&mut self) {
        self.ended = Some(Instant::now());
        self.wants_spare = true;
    }

    /// Ends a process that was started and that nobody is to watch.
    pub(super) fn discard(&mut self, launched: Launched) {
        drop(launched.control);
        self.leaving.end(launched.started);
    }

    /// When it wants to look again whether one that nobody needs has ended.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.leaving.next_look()
    }

    /// Ends the zygote and what it has forked unheard. The next start by exec brings another one, after a pause.
    fn give_up(&mut self, poller: &Poller) {
        if let Some(zygote) = self.zygote.take() {
            let found = self.end(zygote, poller);
            self.latest = Some((found, tuning::STARTS_BEFORE_ZYGOTE));
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.failures += 1;
        self.rests_until = Instant::now().checked_add(pause::after(self.failures));
    }

    /// Ends a zygote and what it has forked unheard; returns what it found. Each leaves by itself once its channel is closed,
    /// as where the zygote has another user's rights than the program by now, and the system refuses the signal.
    fn end(&mut self, zygote: Zygote, poller: &Poller) -> Found {
        // Its number may be another's once it is reaped.
        ZYGOTE.store(0, Ordering::Release);
        let Zygote { started, socket, found, asked, spare, .. } = zygote;
        poller.remove(started.pidfd.as_fd());
        poller.remove(socket.as_fd());
        if let Some(spare) = &spare {
            poller.remove(spare.started.pidfd.as_fd());
        }
        drop((socket, asked, spare));
        self.leaving.end_group(started);
        found
    }

    /// Starts a zygote where one would have been of use; call it when nothing more urgent is to do.
    pub(super) fn tend(&mut self, poller: &Poller) {
        self.leaving.look();
        if std::mem::take(&mut self.wants_spare) && self.zygote.as_ref().is_some_and(Zygote::is_free) {
            self.manners.give_way();
            // Where others compute, it might give way for longer than a call waits for an answer.
            let request = if self.manners.is_quiet() { &zygote::FORK_AHEAD } else { &zygote::FORK };
            self.ask(request, poller);
        }
        if !std::mem::take(&mut self.missed) || self.lookout.is_none() {
            return;
        }
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let is_wanted = |&mut (ref now, times): &mut (Found, u32)| {
            let is_there = self.zygote.as_ref().is_some_and(|zygote| zygote.found == *now);
            !rests && !is_there && times >= tuning::STARTS_BEFORE_ZYGOTE
        };
        let Some((found, _)) = self.latest.take_if(is_wanted) else { return };
        if let Some(former) = self.zygote.take() {
            self.end(former, poller);
        }
        let here = Here::own();
        let started = pair_where_plenty().and_then(|(socket, theirs)| {
            let started = self.execute(&found.environment, Role::Zygote, &theirs, None, &here).ok()?;
            Some((started, socket))
        });
        let Some((started, socket)) = started else { return self.rest() };
        let watched = poller
            .add(started.pidfd.as_fd(), self.numbers.end)
            .and_then(|()| poller.add(socket.as_fd(), self.numbers.answer));
        let born = Instant::now();
        ZYGOTE.store(started.pid, Ordering::Release);
        self.zygote = Some(Zygote { started, socket, born, ready: false, found, here, asked: None, spare: None });
        if watched.is_err() {
            self.give_up(poller);
        }
    }
}

/// A pair of sockets for a zygote or its copy, which only save time; none where few of the descriptors are left that the
/// program may have: those are for what it asks for.
fn pair_where_plenty() -> Option<(Socket, Socket)> {
    let pair = Socket::pair().ok()?;
    // The system gives the lowest number that is free.
    let highest = pair.0.as_fd().as_raw_fd().max(pair.1.as_fd().as_raw_fd());
    let leaves = |used| environment::leaves_descriptors(used, program::descriptor_limit());
    u64::try_from(highest).is_ok_and(leaves).then_some(pair)
}

/// Whether the program has descriptors left for what only saves time, or tells more.
pub(super) fn has_plenty() -> bool {
    pair_where_plenty().is_some()
}

/// Waits for an answer of the zygote.
fn has_answer(socket: &Socket) -> bool {
    wait::look_readable(socket.as_fd(), tuning::ZYGOTE_SPIN)
        || wait::wait_readable(socket.as_fd(), Some(tuning::SYSTEM_PATIENCE))
}

/// What the zygote has said, if anything, and the descriptor that came along.
///
/// # Errors
///
/// When it has closed its side, or says what cannot be read; when no descriptor is free.
fn answer(socket: &Socket) -> io::Result<Option<(Answer, Option<OwnedFd>)>> {
    let mut buffer = [0; zygote::LONGEST];
    match socket.receive(&mut buffer, false)? {
        Received::Message { len, mut descriptors } => {
            let answer = Answer::from_bytes(&buffer[..len]).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Some((answer, descriptors.pop().map(socket::above_standard).transpose()?)))
        }
        Received::Nothing => Ok(None),
        Received::End => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
