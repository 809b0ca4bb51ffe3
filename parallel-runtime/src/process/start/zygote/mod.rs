//! The zygote: this program once more, stopped in our own constructor, which forks workers on demand. Here is the program's
//! side; [`serve`](mod@serve) is what happens in the zygote, [`words`] what the two say to each other.
//!
//! The zygote is used only while a worker that it forks finds exactly what an executed one would find: as long as the
//! environment, the current folder, the limits and the rest of the [`Surroundings`] are what they were when the zygote was
//! started. Everything else, and every trouble with the zygote, goes by exec, without a word but in what [`Way`] tells.
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
//! end at once, the zygote forks the spare while the process runs. Before either side forks ahead, it [yields](yielding) to what
//! a caller waits for.

mod one;
mod serve;
mod words;
mod yielding;

use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use self::one::{Copy, StartConditions, Zygote, ZygoteStage};
pub(crate) use self::serve::serve;
use self::words::Answer;
#[cfg(any(test, fuzzing))]
pub(crate) use self::words::read_answer;
use self::yielding::Yielding;
use super::exec::Exec;
use super::{Here, Launched, Numbers, Order, Start, Way, has_plenty, pair_where_plenty};
use crate::environment;
use crate::pause;
use crate::process::control::Control;
use crate::process::leaving::Leaving;
use crate::process::shown::ORIGINAL;
use crate::process::token::Purpose;
use crate::sys::process::{self, Started};
use crate::sys::program;
use crate::sys::rights::Rights;
use crate::sys::socket::{self, Received, Socket};
use crate::sys::standing::check_rights;
use crate::sys::surroundings::{Affinity, Lookout, Surroundings};
use crate::sys::wait::{self, Poller};
use crate::sys::{AsDescriptor, BorrowedDescriptor, Descriptor};
use crate::tuning;

/// The way by a zygote, for the thread that calls this; `None` where there may be none at all.
pub(super) fn way(exec: &Arc<Exec>, numbers: Numbers, poller: &Arc<Poller>) -> Option<Box<dyn Start>> {
    if !environment::zygote() || !has_plenty() {
        return None;
    }
    Some(Box::new(Zygotes {
        exec: Arc::clone(exec),
        numbers,
        poller: Arc::clone(poller),
        lookout: Some(Lookout::new().ok()?),
        zygote: None,
        latest: None,
        missed: false,
        wants_spare: false,
        yielding: Yielding::default(),
        ended: None,
        is_hurried: false,
        failures: 0,
        rests_until: None,
        leaving: Leaving::default(),
    }))
}

/// The zygote of now, and whether there is to be another.
struct Zygotes {
    exec: Arc<Exec>,
    numbers: Numbers,
    poller: Arc<Poller>,
    /// `None` once a zygote has said that it is unfit.
    lookout: Option<Lookout>,
    zygote: Option<Zygote>,
    /// What the latest starts by exec found, and how many in a row.
    latest: Option<(StartConditions, u32)>,
    /// A start has gone by exec since this was last looked at.
    missed: bool,
    /// There is time to fork a spare.
    wants_spare: bool,
    yielding: Yielding,
    /// When a process last ended.
    ended: Option<Instant>,
    /// Whether the latest start came so soon after that end that no spare could be ready.
    is_hurried: bool,
    /// Zygotes that failed since one forked.
    failures: u32,
    /// No zygote is started before.
    rests_until: Option<Instant>,
    leaving: Leaving,
}

impl Start for Zygotes {
    fn start(&mut self, order: &Order<'_>) -> Option<Launched> {
        self.is_hurried = self.ended.is_some_and(|ended| ended.elapsed() < tuning::SPARE_TIME);
        let affinity = order.caller.affinity.and_then(Affinity::unless_own);
        self.read_answers();
        let zygote = self.zygote.as_ref().filter(|zygote| zygote.is_ready())?;
        if !program::is_environment(&zygote.found.environment, order.environment) {
            return None;
        }
        self.rouse();
        let now = self.surroundings_now()?;
        let copy = self.take_copy(&now, &order.caller.rights)?;
        self.begin(copy, affinity)
    }

    fn executed(&mut self, environment: Vec<CString>) {
        let Some(surroundings) = self.surroundings_now() else { return };
        let now = StartConditions { environment, surroundings };
        self.missed = true;
        match &mut self.latest {
            Some((latest, times)) if *latest == now => *times += 1,
            latest => *latest = Some((now, 1)),
        }
    }

    fn happened(&mut self, number: u64) {
        self.read_answers();
        if number == self.numbers.spare {
            // The event may be of an earlier spare, which was taken since.
            let has_ended = |copy: &Copy| !matches!(process::try_wait(&copy.started.pidfd), Ok(None));
            let ended = self.zygote.as_mut().filter(|zygote| zygote.spare().is_some_and(has_ended));
            if let Some(copy) = ended.and_then(Zygote::take_spare) {
                self.poller.remove(copy.started.pidfd.as_descriptor());
            }
        } else if number == self.numbers.end {
            self.give_up();
        }
    }

    /// A spare is forked now, not while the process ran: there it would have taken time from it where cores are few.
    fn has_ended(&mut self) {
        self.ended = Some(Instant::now());
        self.wants_spare = true;
    }

    fn makes_room(&mut self) -> bool {
        let is_there = self.zygote.is_some();
        self.give_up();
        is_there
    }

    fn next_look(&self) -> Option<Instant> {
        self.leaving.next_look()
    }

    /// Has a spare forked, and starts a zygote where one would have been of use.
    fn tend(&mut self) {
        self.leaving.reap_ended();
        if std::mem::take(&mut self.wants_spare) && self.zygote.as_ref().is_some_and(Zygote::is_free) {
            self.yielding.give_way();
            // Under unrelated load the zygote would yield for longer than a call waits for its answer.
            let request = if self.yielding.is_quiet() { &words::FORK_AHEAD } else { &words::FORK };
            self.ask(request);
        }
        if std::mem::take(&mut self.missed) && self.lookout.is_some() {
            self.renew();
        }
    }
}

impl Zygotes {
    /// Wakes the spare, or asks for a copy where there is none: it gets ready while this process reads its surroundings.
    fn rouse(&mut self) {
        match self.zygote.as_ref().and_then(Zygote::spare) {
            // An error: it has died, which shows when it is to begin.
            Some(spare) if self.yielding.is_quiet() => {
                let _ = spare.channel.send(&words::RISE, &[], false);
            }
            Some(_) => {}
            None => self.ask(&words::FORK),
        }
    }

    /// The surroundings that a process would find now; `None` where there may be no zygote.
    fn surroundings_now(&self) -> Option<Surroundings> {
        self.lookout.as_ref()?.now().ok()
    }

    /// Asks the zygote for a copy, unless there is one.
    fn ask(&mut self, request: &[u8]) {
        let Some(zygote) = self.zygote.as_mut().filter(|zygote| zygote.is_free()) else { return };
        let Some((ours, theirs)) = pair_where_plenty() else { return self.give_up() };
        // An error: the zygote is going, of which its end will tell.
        if zygote.socket.send(request, &[theirs.as_descriptor()], false).is_ok() {
            zygote.stage = ZygoteStage::Asked(ours);
        }
    }

    /// Takes a copy that has these surroundings, the program's user, and no more rights than `caller`; waits a little for one
    /// that was asked for.
    fn take_copy(&mut self, surroundings: &Surroundings, caller: &Rights) -> Option<Copy> {
        let is_right = |zygote: &&mut Zygote| {
            zygote.found.surroundings == *surroundings
                && zygote.here.owner.is_still_own()
                && check_rights(&zygote.here.rights, caller).is_ok()
        };
        let zygote = self.zygote.as_mut().filter(is_right)?;
        if matches!(zygote.stage, ZygoteStage::Asked(_)) && !has_answer(&zygote.socket) {
            // The zygote is dead, stopped or spoilt; or it gets no time on its core.
            self.give_up();
            return None;
        }
        self.read_answers();
        let copy = self.zygote.as_mut()?.take_spare()?;
        self.poller.remove(copy.started.pidfd.as_descriptor());
        if process::is_stopped(&copy.started.pidfd) {
            drop(copy.channel);
            self.leaving.end(copy.started);
            return None;
        }
        Some(copy)
    }

    /// Lets a copy begin.
    fn begin(&mut self, copy: Copy, affinity: Option<Affinity>) -> Option<Launched> {
        let owner = self.zygote.as_ref()?.here.owner;
        let Copy { started, channel } = copy;
        // From here on it does not end with the zygote's group.
        process::lead_group(started.pid);
        if let Some(affinity) = affinity {
            affinity.give_to(started.pid);
        }
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let streams = [stdout.as_descriptor(), stderr.as_descriptor()].map(|stream| self.open_or_null(stream));
        let control = Control::new(channel);
        if control.send_bytes(&words::BEGIN, &streams).is_ok() {
            self.failures = 0;
            self.wants_spare = self.is_hurried;
            return Some(Launched { started, control, way: Way::Forked, owner });
        }
        // It is dead, or a stream was closed just now.
        drop(control);
        self.leaving.end(started);
        None
    }

    fn open_or_null<'a>(&'a self, stream: BorrowedDescriptor<'a>) -> BorrowedDescriptor<'a> {
        if program::is_open(stream) { stream } else { self.exec.null.as_descriptor() }
    }

    /// Reads the answers of the zygote.
    fn read_answers(&mut self) {
        while let Some(zygote) = &mut self.zygote {
            let Ok(answer) = answer(&zygote.socket) else { return self.give_up() };
            let Some((answer, descriptor)) = answer else { break };
            let before = std::mem::replace(&mut zygote.stage, ZygoteStage::Free);
            match (answer, before, descriptor) {
                (Answer::Ready, ZygoteStage::Warming, None) => self.wants_spare = true,
                (Answer::Forked(pid), ZygoteStage::Asked(channel), Some(pidfd)) => {
                    // Where its end cannot be watched, it shows when it is needed.
                    let _ = self.poller.add(pidfd.as_descriptor(), self.numbers.spare);
                    zygote.stage = ZygoteStage::Spare(Copy { started: Started { pid, pidfd }, channel });
                }
                // It cannot fork, or is spoilt; or no descriptor was free to receive. What it forked unheard ends with it.
                (answer, before, _) => {
                    if matches!(answer, Answer::Unfit(_)) {
                        self.lookout = None;
                    }
                    zygote.stage = before;
                    return self.give_up();
                }
            }
        }
        let hangs = |zygote: &Zygote| !zygote.is_ready() && zygote.born.elapsed() > environment::start_timeout();
        if self.zygote.as_ref().is_some_and(hangs) {
            self.give_up();
        }
    }

    /// Ends the zygote and what it has forked unheard. The next start by exec brings another one, after a pause.
    fn give_up(&mut self) {
        if let Some(zygote) = self.zygote.take() {
            let found = self.end(zygote);
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
    fn end(&mut self, zygote: Zygote) -> StartConditions {
        let Zygote { started, socket, found, stage, .. } = zygote;
        ORIGINAL.is_to_be_reaped(started.pid);
        self.poller.remove(started.pidfd.as_descriptor());
        self.poller.remove(socket.as_descriptor());
        if let ZygoteStage::Spare(spare) = &stage {
            self.poller.remove(spare.started.pidfd.as_descriptor());
        }
        drop((socket, stage));
        self.leaving.end_group(started);
        found
    }

    /// Starts a zygote where the latest starts by exec would have had use for it.
    fn renew(&mut self) {
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let is_wanted = |&mut (ref now, times): &mut (StartConditions, u32)| {
            let is_there = self.zygote.as_ref().is_some_and(|zygote| zygote.found == *now);
            !rests && !is_there && times >= tuning::STARTS_BEFORE_ZYGOTE
        };
        let Some((found, _)) = self.latest.take_if(is_wanted) else { return };
        if let Some(former) = self.zygote.take() {
            self.end(former);
        }
        let here = Here::own();
        let started = pair_where_plenty().and_then(|(socket, theirs)| {
            let started = self.exec.execute(&found.environment, Purpose::Zygote, &theirs, None, &here).ok()?;
            Some((started, socket))
        });
        let Some((started, socket)) = started else { return self.rest() };
        let watched = self
            .poller
            .add(started.pidfd.as_descriptor(), self.numbers.end)
            .and_then(|()| self.poller.add(socket.as_descriptor(), self.numbers.answer));
        ORIGINAL.has_started(started.pid);
        let born = Instant::now();
        self.zygote = Some(Zygote { started, socket, born, stage: ZygoteStage::Warming, found, here });
        if watched.is_err() {
            self.give_up();
        }
    }
}

/// Waits for an answer of the zygote.
fn has_answer(socket: &Socket) -> bool {
    wait::look_readable(socket.as_descriptor(), tuning::ZYGOTE_SPIN)
        || wait::wait_readable(socket.as_descriptor(), Some(tuning::SYSTEM_PATIENCE))
}

/// What the zygote has said, if anything, and the descriptor that came along.
///
/// # Errors
///
/// When it has closed its side, or says what cannot be read; when no descriptor is free.
fn answer(socket: &Socket) -> io::Result<Option<(Answer, Option<Descriptor>)>> {
    let mut buffer = [0; words::LONGEST];
    match socket.receive(&mut buffer, false)? {
        Received::Message { len, mut descriptors } => {
            let answer = Answer::from_bytes(&buffer[..len]).ok_or(io::ErrorKind::InvalidData)?;
            Ok(Some((answer, descriptors.pop().map(socket::above_standard).transpose()?)))
        }
        Received::Nothing => Ok(None),
        Received::End => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
