//! A spawned call: a process of its own, from the queue to its exit status.
//!
//! Longer than 400 lines: one call from its order to its outcome, as the reactor, the clock and its handle drive it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use crate::current;
use crate::ending;
use crate::engine::flight::{Flight, Landing, MAY_RUN_ON, Outcome, error_of, error_of_end, may_retry};
use crate::engine::waiter::{Callback, Hearers};
use crate::environment;
use crate::error::{Error, ErrorKind, Result};
use crate::pause;
use crate::poison::{lock, wait};
use crate::process::caller::{Caller, Deputy};
use crate::process::control::{Assignment, Body, Control, Incoming, Invocation, Opening, Package, Report, borrowed};
use crate::process::idle_rows;
use crate::process::reactor::{self, Alarm, Child, Events, Loop, Waiting};
use crate::process::start::{Order, Way};
use crate::process::transfer::{self, Store};
use crate::run::registry::Entry;
use crate::sys::Descriptor;
use crate::sys::process::{self, KILL};
use crate::wire::codec::CodecError;
use crate::wire::payload::Payload;

/// What is to be called, and how.
pub(crate) struct Request {
    pub(crate) entry: &'static Entry,
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// A spawned call in flight.
pub(crate) struct Spawned {
    request: Request,
    landing: Landing,
    state: Mutex<SpawnedState>,
    /// Notified when the stage changes.
    changed: Condvar,
}

#[derive(Default)]
struct SpawnedState {
    stage: SpawnedStage,
    /// Dropped once no other attempt can need them: ends of channels among them stay open as long.
    arguments: Option<Arc<Payload>>,
    /// The calling thread, until the call is over: its deputy lives here, and a process that the deputy started ends with it.
    caller: Option<Arc<Caller>>,
    attempts: u32,
    /// How often it could not even be started.
    refusals: u32,
    /// A copy of the zygote died before it began with the call.
    lost_copy: bool,
    /// What this attempt's process has reported.
    said: Option<CallReport>,
    /// The handles that came ahead of that report.
    store: Store,
    /// When this attempt is killed, and why.
    deadline: Option<(Instant, KillReason)>,
    /// Why the program killed this attempt.
    killed_for: Option<KillReason>,
    exit_status: Option<ExitStatus>,
    /// The call's handle has signalled it: a death before it reported in is no failure to start.
    signalled: bool,
}

#[derive(Default)]
enum SpawnedStage {
    /// On its way to the reactor, or being started.
    #[default]
    Handed,
    /// Queued behind others, for lack of descriptors or processes.
    Queued,
    /// Its process is being started.
    Starting,
    Running {
        child: Arc<Child>,
        started: bool,
    },
    Over,
}

impl SpawnedState {
    /// Whether this attempt has reported nothing, and the program has not ended it.
    fn has_not_begun(&self) -> bool {
        let started = matches!(self.stage, SpawnedStage::Running { started: true, .. });
        !started && self.said.is_none() && self.killed_for.is_none() && !self.signalled
    }
}

enum CallReport {
    Value(Payload),
    Failed(Error),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KillReason {
    /// It did not report in.
    Start,
    /// The function ran too long.
    Timeout,
}

impl Spawned {
    /// Hands a call to the reactor.
    pub(crate) fn spawn(request: Request, arguments: Payload) -> Arc<Self> {
        let ready = match ending::check() {
            Ok(()) => reactor::get_for_call().map_err(|error| Error::new(ErrorKind::Start(error))),
            Err(error) => Err(error),
        };
        let ready = ready.map(|(reactor, caller)| (reactor, Arc::new(caller)));
        let caller = ready.as_ref().ok().map(|(_, caller)| Arc::clone(caller));
        let state = SpawnedState { arguments: Some(Arc::new(arguments)), caller, ..SpawnedState::default() };
        let call =
            Arc::new(Self { request, landing: Landing::default(), state: Mutex::new(state), changed: Condvar::new() });
        match ready {
            Ok((reactor, _)) => {
                idle_rows::look_after();
                reactor.admit(Arc::clone(&call) as Arc<dyn Waiting>);
            }
            Err(error) => call.over(Err(call.describe(error, None, 0))),
        }
        call
    }

    /// The state, once the call is neither on its way to the reactor nor being started.
    fn state_once_placed(&self) -> MutexGuard<'_, SpawnedState> {
        let mut state = lock(&self.state);
        while matches!(state.stage, SpawnedStage::Handed | SpawnedStage::Starting) {
            state = wait(&self.changed, state, None);
        }
        state
    }

    fn describe(&self, error: Error, pid: Option<u32>, attempts: u32) -> Error {
        let error = error.in_function(self.request.entry.name()).after_attempts(attempts);
        match pid {
            Some(pid) => error.in_process(pid),
            None => error,
        }
    }

    fn over(&self, outcome: Outcome) {
        {
            let mut state = lock(&self.state);
            state.stage = SpawnedStage::Over;
            state.deadline = None;
            state.arguments = None;
            state.caller = None;
        }
        self.changed.notify_all();
        let mut hearers = Hearers::default();
        self.landing.finish(outcome, &mut hearers);
        hearers.tell();
    }

    /// Calls `launch` with what is to be started.
    fn launch(
        self: &Arc<Self>,
        caller: &Caller,
        launch: impl FnOnce(&Order<'_>, Arc<dyn Events>) -> io::Result<Arc<Child>>,
    ) -> io::Result<Arc<Child>> {
        let request = &self.request;
        let (arguments, by_exec) = {
            let state = lock(&self.state);
            (state.arguments.clone().unwrap_or_default(), state.lost_copy)
        };
        let assign = |control: &Control| {
            let handles = transfer::send_ahead::<Opening>(control, &arguments.handles, None, false)?;
            let mut block = None;
            let (body, block) = Body::pack(&[&arguments.bytes], &mut block)?;
            let invocation = Invocation {
                function: request.entry.hash(),
                name: request.name.as_deref().map(ToOwned::to_owned),
                arguments: Package { body, handles },
            };
            let opening = Opening::Assignment(Assignment::Call { invocation, share: current::share() });
            control.send(&opening, &borrowed(block), false)
        };
        let order = Order { environment: &request.environment, caller, assign: &assign, admitted: true, by_exec };
        launch(&order, Arc::clone(self) as Arc<dyn Events>)
    }

    /// Has the deputy of the caller start it.
    fn launch_from(self: &Arc<Self>, caller: &Arc<Caller>, deputy: &Deputy, reactor: &mut Loop) -> io::Result<()> {
        let (me, theirs) = (Arc::clone(self), Arc::clone(caller));
        reactor.launch_from(deputy, caller, &self.request.environment, true, move |reactor, launched| {
            let launched = launched
                .and_then(|launched| me.launch(&theirs, |order, events| reactor.adopt(launched, order, events)));
            if let Err(error) = me.finish_start(reactor, launched) {
                reactor.could_not_start(me, error);
            }
        })
    }

    /// Notes that its process was started, or could not be.
    fn finish_start(self: &Arc<Self>, reactor: &mut Loop, launched: io::Result<Arc<Child>>) -> io::Result<()> {
        let at = Instant::now().checked_add(environment::start_timeout());
        {
            let mut state = lock(&self.state);
            if let Ok(child) = &launched {
                state.attempts += 1;
                state.stage = SpawnedStage::Running { child: Arc::clone(child), started: false };
                state.deadline = at.map(|at| (at, KillReason::Start));
            } else {
                state.stage = SpawnedStage::Queued;
            }
        }
        self.changed.notify_all();
        launched?;
        if let Some(at) = at {
            reactor.arm(at, Arc::downgrade(self) as Weak<dyn Alarm>);
        }
        Ok(())
    }

    /// Notes a report of its process.
    fn note_report(self: &Arc<Self>, report: Report, mut descriptors: Vec<Descriptor>, reactor: &mut Loop) {
        let mut state = lock(&self.state);
        match report {
            Report::Started => {
                if let SpawnedStage::Running { started, .. } = &mut state.stage {
                    *started = true;
                }
                if state.attempts > self.request.retries {
                    state.arguments = state.arguments.take().and_then(|arguments| arguments.kept().map(Arc::new));
                }
                let timeout = self.request.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                state.deadline = timeout.map(|at| (at, KillReason::Timeout));
                drop(state);
                if let Some(at) = timeout {
                    reactor.arm(at, Arc::downgrade(self) as Weak<dyn Alarm>);
                }
            }
            Report::Value(package) => {
                state.said = Some(match state.store.unpack(package, &mut descriptors) {
                    Ok(value) => CallReport::Value(value),
                    Err(error) => {
                        let text = format!("the function ran, but its result was lost: {error}");
                        CallReport::Failed(Error::new(ErrorKind::Decode(CodecError::of_bytes(text))))
                    }
                });
            }
            Report::Failed(failure) => state.said = Some(CallReport::Failed(error_of(failure))),
            Report::Refused(text) => {
                state.said = Some(CallReport::Failed(Error::new(ErrorKind::Start(io::Error::other(text)))));
            }
            Report::Handles(notes) => {
                // A lost handle shows when the value is unpacked.
                let _ = state.store.keep(&notes, descriptors);
            }
            Report::Large { .. } => {}
        }
    }

    /// What an attempt that has ended came to.
    fn verdict(&self, state: &mut SpawnedState, status: Option<ExitStatus>) -> Outcome {
        let started = matches!(state.stage, SpawnedStage::Running { started: true, .. });
        match (state.said.take(), state.killed_for.take()) {
            (Some(CallReport::Value(bytes)), _) => Ok(bytes),
            (Some(CallReport::Failed(error)), _) => Err(error),
            (None, Some(KillReason::Timeout)) => {
                Err(Error::new(ErrorKind::TimedOut { after: self.request.timeout.unwrap_or_default() }))
            }
            (None, Some(KillReason::Start)) => Err(Error::new(ErrorKind::Start(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "it did not report in within {:?}; if it needs longer, say so by {}, in seconds",
                    environment::start_timeout(),
                    environment::START_TIMEOUT
                ),
            )))),
            (None, None) if !started && !state.signalled && status.is_some_and(process::was_ended) => {
                Err(error_of_end(status).with_note("it died before it reported in"))
            }
            (None, None) if !started && !state.signalled => {
                let status = status.map_or_else(|| "an unknown status".to_string(), |status| status.to_string());
                Err(Error::new(ErrorKind::Start(io::Error::other(format!(
                    "it ended with {status} before it reported in"
                )))))
            }
            (None, None) => Err(error_of_end(status)),
        }
    }
}

impl Waiting for Spawned {
    fn start(self: Arc<Self>, reactor: &mut Loop) -> io::Result<()> {
        let caller = {
            let mut state = lock(&self.state);
            // Cancelled while it waited.
            let Some(caller) = state.caller.clone() else { return Ok(()) };
            state.stage = SpawnedStage::Starting;
            caller
        };
        if let Err(error) = ending::check() {
            // The program is ending: a call that has not started never does.
            let attempts = lock(&self.state).attempts;
            self.over(Err(self.describe(error, None, attempts)));
            return Ok(());
        }
        let Some(deputy) = &caller.deputy else {
            let launched = self.launch(&caller, |order, events| reactor.launch(order, events));
            return self.finish_start(reactor, launched);
        };
        self.launch_from(&caller, deputy, reactor).or_else(|error| self.finish_start(reactor, Err(error)))
    }

    fn queued(&self) {
        {
            let mut state = lock(&self.state);
            if matches!(state.stage, SpawnedStage::Handed) {
                state.stage = SpawnedStage::Queued;
            }
        }
        self.changed.notify_all();
    }

    fn name(&self) -> &str {
        self.request.name.as_deref().unwrap_or(self.request.entry.name())
    }

    fn refuse(self: Arc<Self>, reactor: &mut Loop, error: io::Error) {
        let (attempts, refusals, wanted, caller) = {
            let mut state = lock(&self.state);
            state.refusals += 1;
            (state.attempts, state.refusals, !state.signalled, state.caller.clone())
        };
        if wanted && attempts + refusals <= self.request.retries {
            reactor.queue_later(pause::after(refusals), self);
        } else {
            let error = match caller.as_ref().and_then(|caller| caller.deputy.as_ref()) {
                Some(deputy) => deputy.describe(&error),
                None => error,
            };
            self.over(Err(self.describe(Error::new(ErrorKind::Start(error)), None, attempts)));
        }
    }
}

impl Events for Spawned {
    fn readable(self: Arc<Self>, reactor: &mut Loop, child: &Child) -> bool {
        loop {
            match child.control().receive(false) {
                Ok(Incoming::Message(report, descriptors)) => self.note_report(report, descriptors, reactor),
                Ok(Incoming::Nothing) => return true,
                Ok(Incoming::End) => return false,
                Err(error) => {
                    // Only a worker with overwritten memory sends what cannot be read.
                    let text = format!("the worker sent what cannot be read ({error})");
                    lock(&self.state).said =
                        Some(CallReport::Failed(Error::new(ErrorKind::Decode(CodecError::of_bytes(text)))));
                    child.end();
                    return false;
                }
            }
        }
    }

    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>) {
        let (verdict, attempts, wanted) = {
            let mut state = lock(&self.state);
            if child.way() == Way::Forked && state.has_not_begun() && !state.lost_copy {
                // A copy was killed before it began with the call, so the call is not to blame: start it once more.
                state.lost_copy = true;
                state.attempts -= 1;
                state.stage = SpawnedStage::Queued;
                drop(state);
                return reactor.queue(self);
            }
            state.exit_status = status;
            // A call that its handle has signalled is not tried again.
            (self.verdict(&mut state, status), state.attempts, !state.signalled)
        };
        match verdict {
            Err(error) if may_retry(&error) && attempts <= self.request.retries && wanted => {
                lock(&self.state).stage = SpawnedStage::Queued;
                reactor.queue(self);
            }
            Err(error) => self.over(Err(self.describe(error, Some(child.pid()), attempts))),
            Ok(bytes) => self.over(Ok(bytes)),
        }
    }

    /// A report that came before holds. Without one the process may still run the call, so the call is not tried again.
    fn lost(self: Arc<Self>, _: &mut Loop, child: &Child, error: io::Error) {
        let (said, attempts) = {
            let mut state = lock(&self.state);
            (state.said.take(), state.attempts)
        };
        match said {
            Some(CallReport::Value(bytes)) => self.over(Ok(bytes)),
            Some(CallReport::Failed(error)) => self.over(Err(self.describe(error, Some(child.pid()), attempts))),
            None => {
                let error = Error::new(ErrorKind::Signal(error)).with_note(MAY_RUN_ON);
                self.over(Err(self.describe(error, Some(child.pid()), attempts)));
            }
        }
    }
}

impl Alarm for Spawned {
    fn ring(self: Arc<Self>, reactor: &mut Loop) -> Option<Instant> {
        // A busy reactor may not have heard yet that it has started.
        let child = match &lock(&self.state).stage {
            SpawnedStage::Running { child, started: false } => Some(Arc::clone(child)),
            _ => None,
        };
        if let Some(child) = child {
            Arc::clone(&self).readable(reactor, &child);
        }
        let mut state = lock(&self.state);
        let (at, reason) = state.deadline?;
        if Instant::now() < at {
            // The alarm of an earlier deadline; this one has its own.
            return None;
        }
        state.deadline = None;
        state.killed_for = Some(reason);
        if let SpawnedStage::Running { child, .. } = &state.stage {
            child.end();
        }
        None
    }
}

impl Flight for Spawned {
    fn wait(&self, deadline: Option<Instant>) -> bool {
        self.landing.wait(deadline)
    }

    fn take_outcome(&self) -> Option<Outcome> {
        self.landing.take_outcome()
    }

    fn is_finished(&self) -> bool {
        self.landing.is_finished()
    }

    /// Waits while the call is on its way to the reactor, which takes no longer than starting a process.
    fn pid(&self) -> Option<u32> {
        match &self.state_once_placed().stage {
            SpawnedStage::Running { child, .. } => Some(child.pid()),
            SpawnedStage::Handed | SpawnedStage::Queued | SpawnedStage::Starting | SpawnedStage::Over => None,
        }
    }

    /// Waits as [`pid`](Self::pid) does.
    fn is_queued(&self) -> bool {
        matches!(self.state_once_placed().stage, SpawnedStage::Queued)
    }

    fn signal(&self, signal: i32) -> Result<()> {
        loop {
            let _ = self.pid();
            let mut state = lock(&self.state);
            let before = std::mem::replace(&mut state.signalled, true);
            match &state.stage {
                SpawnedStage::Running { child, .. } => {
                    let sent = if signal == KILL { child.kill() } else { child.signal(signal) };
                    let pid = child.pid();
                    return sent.map_err(|error| {
                        state.signalled = before;
                        Error::new(ErrorKind::Signal(error)).in_function(self.request.entry.name()).in_process(pid)
                    });
                }
                SpawnedStage::Over => return Ok(()),
                SpawnedStage::Handed | SpawnedStage::Queued | SpawnedStage::Starting => {}
            }
            drop(state);
            // Still queued, unless its turn has come since: then signal its process.
            if self.cancel() {
                return Ok(());
            }
        }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        let state = lock(&self.state);
        if matches!(state.stage, SpawnedStage::Over) { state.exit_status } else { None }
    }

    fn cancel(&self) -> bool {
        let attempts = {
            let mut state = lock(&self.state);
            if !matches!(state.stage, SpawnedStage::Handed | SpawnedStage::Queued) {
                return false;
            }
            // The reactor passes it by.
            state.stage = SpawnedStage::Over;
            state.caller = None;
            state.attempts
        };
        self.changed.notify_all();
        let error = self.describe(Error::new(ErrorKind::Cancelled), None, attempts);
        let mut hearers = Hearers::default();
        self.landing.finish(Err(error), &mut hearers);
        hearers.tell();
        true
    }

    fn when_finished(&self, callback: Callback) {
        self.landing.when_finished(callback);
    }
}

#[cfg(test)]
mod tests {
    use parallel_macros::parallel;

    use super::*;
    use crate::run::callable::Callable;
    use crate::sys::process::TERMINATE;
    use crate::sys::process::signals::{ABORT, FAULT};
    use crate::testing::{Flag, PATIENCE};

    fn entry_of<F: Callable>(_: &F) -> &'static Entry {
        F::entry()
    }

    #[parallel(crate = crate)]
    fn begin() {
        Flag::named("begun").raise();
        Flag::named("heard").wait();
    }

    #[test]
    fn a_process_that_was_killed_before_it_reported_in_is_told_as_killed() {
        let request =
            || Request { entry: entry_of(&begin), name: None, timeout: None, retries: 0, environment: Vec::new() };
        let killed = |error: &Error, by: i32| {
            assert!(matches!(error.kind(), ErrorKind::Signaled { signal, .. } if *signal == by), "{error:?}");
            assert!(error.to_string().contains("before it reported in"), "{error}");
        };
        let fails = |error: &Error, how: &str| {
            assert!(matches!(error.kind(), ErrorKind::Start(_)), "{error:?}");
            assert!(error.to_string().contains(how), "{error}");
        };
        let exited = std::process::Command::new("sh").args(["-c", "exit 3"]).status().unwrap();
        for (status, check, said) in [
            (process::ended_by(KILL), None, KILL),
            (process::ended_by(TERMINATE), None, TERMINATE),
            // A constructor's own doing, as far as can be told.
            (process::ended_by(FAULT), Some("signal: 11"), 0),
            (process::ended_by(ABORT), Some("signal: 6"), 0),
            (exited, Some("exit status: 3"), 0),
        ] {
            let call = Spawned {
                request: request(),
                landing: Landing::default(),
                state: Mutex::default(),
                changed: Condvar::new(),
            };
            let verdict = call.verdict(&mut lock(&call.state), Some(status));
            let error = verdict.err().unwrap();
            match check {
                Some(how) => fails(&error, how),
                None => killed(&error, said),
            }
            assert!(may_retry(&error));
        }
    }

    #[test]
    fn a_call_that_has_begun_in_time_is_not_late_because_the_reactor_was_busy() {
        let (begun, heard) = (Flag::named("begun"), Flag::named("heard"));
        let _alone = crate::testing::has_reactor_alone();
        // Afterwards the reactor is not asked any more how its thread stands.
        let (reactor, _) = reactor::get_for_call().unwrap();
        // What is handed to the reactor while it is kept busy it does in one go, and hears nothing in between.
        let (go_on, busy) = std::sync::mpsc::channel::<()>();
        reactor.run(move |_| {
            let _ = busy.recv();
        });
        let request =
            Request { entry: entry_of(&begin), name: None, timeout: None, retries: 0, environment: Vec::new() };
        let call = Spawned::spawn(request, Payload::default());
        let begun_call = Arc::clone(&call);
        reactor.run(move |reactor| {
            Flag::named("begun").wait();
            lock(&begun_call.state).deadline = Some((Instant::now(), KillReason::Start));
            assert_eq!(begun_call.ring(reactor), None);
            Flag::named("heard").raise();
        });
        drop(go_on);
        assert!(call.wait(Some(Instant::now() + PATIENCE)));
        let outcome = call.take_outcome().unwrap();
        begun.lower();
        heard.lower();
        assert!(outcome.is_ok(), "{}", outcome.err().unwrap());
    }
}
