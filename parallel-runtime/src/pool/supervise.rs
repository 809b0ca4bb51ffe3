//! Workers' lives: how they start, report, are kept to their deadlines, die and are replaced. Runs on the reactor's
//! thread, but for what a pump hears.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::core::{Core, InHand, Initializer, KilledFor, Phase, Seat, Shared, StartError};
use super::dispatch::culprit;
use crate::config;
use crate::error::{Error, ErrorKind};
use crate::job::{error_of, error_of_end, may_retry};
use crate::lane::Lane;
use crate::process::control::{Assignment, Body, Control, Incoming, Invocation, Opening, Package, Report};
use crate::process::reactor::{Alarm, Child, Events, Loop, Start};
use crate::process::transfer::{self, Store};
use crate::sys::process::KILL;
use crate::sys::wait::monotonic_nanos;
use crate::wire::payload::Payload;

/// Hears one worker on behalf of its pool.
struct Watch {
    pool: Weak<Shared>,
    index: usize,
}

impl Shared {
    /// Starts the worker of an empty seat. A failure is noted, and tried again later.
    pub(crate) fn seat(self: &Arc<Self>, reactor: &mut Loop, index: usize) {
        let seated = self.start_worker(reactor, index);
        let mut core = self.enter();
        match seated {
            Ok(seat) if core.phase == Phase::Open || core.phase == Phase::Joining => {
                core.seats[index] = Some(seat);
                if let Some(at) = Instant::now().checked_add(config::start_timeout()) {
                    self.arm(&mut core, at);
                }
            }
            Ok(seat) => {
                // Ended meanwhile; the reactor reaps it.
                let _ = seat.child.signal(KILL);
            }
            Err(error) => {
                let error = StartError { kind: error.kind(), text: error.to_string(), for_good: false };
                self.start_failed(&mut core, error);
            }
        }
        core.news = true;
    }

    fn start_worker(self: &Arc<Self>, reactor: &mut Loop, index: usize) -> io::Result<Seat> {
        let (lane, lane_fd) = Lane::create()?;
        let assign = |control: &Control| {
            let mut block = None;
            let mut initializer = None;
            if let Some(Initializer { entry, arguments, .. }) = &self.settings.initializer {
                let handles = transfer::send_ahead::<Opening>(control, &arguments.handles, None, false)?;
                let (body, descriptor) = Body::pack(&arguments.bytes)?;
                block = descriptor;
                let arguments = Package { body, handles };
                initializer = Some(Invocation { function: entry.hash(), name: None, arguments });
            }
            let mut descriptors = vec![lane_fd.as_fd(), self.bell.descriptor(), self.reactor.attention().as_fd()];
            descriptors.extend(block.iter().map(AsFd::as_fd));
            let assignment = Assignment::Serve { index: index as u64, initializer };
            control.send(&Opening::Assignment(assignment), &descriptors, false)
        };
        let start = Start { environment: &self.settings.environment, assign: &assign, admitted: false };
        let child = reactor.launch(&start, Arc::new(Watch { pool: Arc::downgrade(self), index }))?;
        Ok(Seat {
            child,
            lane,
            born: Instant::now(),
            ready: false,
            stopping: None,
            in_hand: VecDeque::new(),
            budget: self.settings.tasks_per_worker,
            large: HashMap::new(),
            store: Store::default(),
            known: HashSet::new(),
            killed_for: None,
            signalled: None,
            last_words: None,
            refusal: None,
            busy: Duration::ZERO,
            latest: None,
        })
    }

    /// A worker could not be started, or could not become one.
    fn start_failed(&self, core: &mut Core, error: StartError) {
        core.start_failures += 1;
        let back_off = config::back_off(core.start_failures);
        core.hopeless = error.for_good || core.start_failures >= config::HOPELESS_STARTS;
        core.first_error.get_or_insert_with(|| error.clone());
        core.start_error = Some(error);
        core.news = true;
        self.fail_hopeless(core);
        let at = Instant::now() + back_off;
        core.retry_at = Some(at);
        self.arm(core, at);
    }

    /// Fails what waits for a worker when there is none and another try is some time off.
    pub(crate) fn fail_hopeless(&self, core: &mut Core) {
        if !core.hopeless || core.seated().any(|seat| seat.ready) {
            return;
        }
        let Some(error) = core.start_error.clone() else { return };
        for batch in std::mem::take(&mut core.queue) {
            self.fail_all(core, &batch, || error.to_error());
        }
    }

    /// Tells a worker to end once it has done what it holds.
    pub(crate) fn stop(&self, core: &mut Core, index: usize) {
        let now = Instant::now();
        if let Some(seat) = core.seats[index].as_mut().filter(|seat| seat.stopping.is_none()) {
            seat.lane.stop();
            seat.stopping = Some(now);
            self.arm(core, now + config::STOP_GRACE);
        }
    }

    /// Asks to be rung at `at`, unless that happens earlier anyway.
    pub(crate) fn arm(&self, core: &mut Core, at: Instant) {
        if core.armed.is_none_or(|armed| at < armed) {
            core.armed = Some(at);
            if let Some(me) = self.me.upgrade() {
                self.reactor.arm(at, &me);
            }
        }
    }

    /// A worker has reported in; its initializer's value, if it has one, is `value`.
    fn reported_in(&self, core: &mut Core, index: usize, value: Option<Payload>) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        if let (Some(value), Some(initializer)) = (value, &self.settings.initializer) {
            if !value.bytes.is_empty() && value.bytes != OK {
                self.look_into(index, Arc::clone(&seat.child), initializer, value);
                return;
            }
        }
        self.admit_worker(core, index);
    }

    /// Finds out, elsewhere, what the `Err` of an initializer says: to read it is users' code, which may panic, wait or call
    /// us.
    fn look_into(&self, index: usize, child: Arc<Child>, initializer: &Initializer, value: Payload) {
        let (check, name, pool) = (initializer.check, initializer.entry.name(), self.me.clone());
        let look = move || {
            let outcome = crate::panic::catch(|| check(&value)).unwrap_or_else(|report| {
                Err(format!("to read its error panicked at {}: {}", report.location(), report.message()))
            });
            let Some(pool) = pool.upgrade() else { return };
            let mut core = pool.enter();
            let Some(seat) = core.seats[index].as_mut().filter(|seat| Arc::ptr_eq(&seat.child, &child)) else { return };
            match outcome {
                Ok(()) => pool.admit_worker(&mut core, index),
                Err(text) => {
                    let text = format!("its initializer `{name}` failed: {text}");
                    seat.refusal = Some(StartError { kind: io::ErrorKind::Other, text, for_good: true });
                    let _ = seat.child.signal(KILL);
                }
            }
        };
        // Without a thread the worker never becomes ready, and is replaced after the start timeout.
        let _ = std::thread::Builder::new().name("parallel-start".to_string()).spawn(look);
    }

    /// A worker is ready for tasks.
    fn admit_worker(&self, core: &mut Core, index: usize) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        seat.ready = true;
        core.start_failures = 0;
        core.start_error = None;
        core.hopeless = false;
        core.news = true;
        self.pump(core);
    }

    /// Takes what a worker has sent, and deals with what concerns its start. False: its side is closed.
    fn hear_start(&self, core: &mut Core, index: usize) -> bool {
        let Some(seat) = core.seats[index].as_mut() else { return false };
        let (reports, open) = hear(seat);
        for report in reports {
            match report {
                StartReport::Ready(value) => self.reported_in(core, index, value),
                StartReport::Failed(error) => self.refused(core, index, &error),
                StartReport::Refused(text) => self.cannot_work(core, index, text),
            }
        }
        open
    }

    /// A worker's initializer gave no value.
    fn refused(&self, core: &mut Core, index: usize, error: &Error) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        let name = self.settings.initializer.as_ref().map_or("", |initializer| initializer.entry.name());
        let text = format!("its initializer `{name}`: {}", error.kind());
        seat.refusal = Some(StartError { kind: io::ErrorKind::Other, text, for_good: true });
    }

    /// A worker said why it cannot be one.
    fn cannot_work(&self, core: &mut Core, index: usize, text: String) {
        if let Some(seat) = core.seats[index].as_mut() {
            seat.refusal = Some(StartError { kind: io::ErrorKind::Other, text, for_good: false });
        }
    }

    /// A worker is gone: what it had done is delivered, what it died of fails or is tried again, the rest goes on
    /// elsewhere.
    fn bury(&self, core: &mut Core, index: usize, status: Option<ExitStatus>) {
        let Some(mut seat) = core.seats[index].take() else { return };
        let hands = std::mem::take(&mut seat.in_hand);
        let was_ready = seat.ready;
        let was_stopping = seat.stopping.is_some();
        let refusal = seat.refusal.take();
        core.stats.idle += seat.born.elapsed().saturating_sub(seat.busy);
        // Its lane is still to be read.
        core.seats[index] = Some(seat);
        let mut again = Vec::new();
        for (position, hand) in hands.into_iter().enumerate() {
            again.extend(self.inherit(core, index, hand, status, position == 0));
        }
        let Some(seat) = core.seats[index].take() else { return };
        for batch in again.into_iter().rev().filter(|batch| batch.len() > 0 && batch.sink.is_wanted()) {
            core.queue.push_front(batch);
        }
        core.news = true;
        if !was_ready {
            let error = refusal.unwrap_or_else(|| self.start_error(&seat, status));
            self.start_failed(core, error);
        } else if was_stopping {
            core.stats.recycled += u64::from(core.phase == Phase::Open);
        } else {
            core.stats.restarts += 1;
        }
    }

    /// Why a worker that said nothing could not start.
    fn start_error(&self, seat: &Seat, status: Option<ExitStatus>) -> StartError {
        let until = match &self.settings.initializer {
            Some(initializer) => format!("its initializer `{}` was done", initializer.entry.name()),
            None => "it reported in".to_string(),
        };
        if seat.killed_for == Some(KilledFor::Start) {
            let text = format!("{:?} passed before {until}", config::start_timeout());
            return StartError { kind: io::ErrorKind::TimedOut, text, for_good: false };
        }
        let status = status.map_or_else(|| "an unknown status".to_string(), |status| status.to_string());
        let text = format!("it ended with {status} before {until}");
        StartError { kind: io::ErrorKind::Other, text, for_good: false }
    }

    /// Deals with one parcel of a worker that is gone; returns what is to be done elsewhere.
    fn inherit(
        &self,
        core: &mut Core,
        index: usize,
        hand: InHand,
        status: Option<ExitStatus>,
        first: bool,
    ) -> Vec<Batch> {
        let InHand { number, batch } = hand;
        let Some(seat) = core.seats[index].as_ref() else { return vec![batch] };
        if seat.killed_for == Some(KilledFor::Spoilt) {
            return self.salvage(core, index, batch, status, first);
        }
        let progress = seat.lane.progress(number);
        let Some(reply) = seat.lane.reply(number) else { return self.salvage(core, index, batch, status, first) };
        let (pid, killed_for) = (seat.child.pid(), seat.killed_for);
        let for_another = meant_for_another(seat, number, status);
        let Some(mut rest) = self.deliver(core, index, number, batch, &progress, &reply) else { return Vec::new() };
        let begun = progress.taken && progress.started > progress.done;
        let item = progress.started.saturating_sub(1);
        let ours = match killed_for {
            Some(KilledFor::Timeout { number: late, item: which }) => Some(late == number && which == item),
            Some(KilledFor::Start | KilledFor::Stop | KilledFor::Spoilt) => Some(false),
            None => for_another.then_some(false),
        };
        if !begun || ours == Some(false) {
            // Nothing of it was running, or it died for another's fault.
            // One that ended well had its own reasons.
            let crashed = status.is_none_or(|status| !status.success());
            rest.deaths += u32::from(first && ours.is_none() && crashed);
            if rest.deaths > config::UNBLAMED_DEATHS {
                self.fail_all(core, &rest, || {
                    error_of_end(status).with_note("its workers died one after the other before they could start it")
                });
                return Vec::new();
            }
            return vec![rest];
        }
        let timeout = rest.terms.timeout.unwrap_or_default();
        let last_words = core.seats[index].as_mut().and_then(|seat| seat.last_words.take());
        let error = match last_words {
            _ if ours == Some(true) => Error::new(ErrorKind::TimedOut { after: timeout }),
            Some(panicked) => panicked,
            None => error_of_end(status),
        };
        if rest.merge.is_some() {
            return self.retry_merged(core, rest, error, &progress, pid);
        }
        // The item is the first that is not done: so says the order in which the worker publishes. What else its words
        // say is not believed, lest items get no outcome.
        let (mut lost, rest) = rest.split(1);
        lost.attempts += 1;
        if may_retry(&error) && lost.attempts <= lost.terms.retries {
            core.stats.tasks_retried += 1;
            return vec![lost, rest];
        }
        let error = lost.describe(error, lost.first, Some(pid), lost.attempts);
        self.fail(core, &lost, lost.first, error);
        vec![rest]
    }

    /// Deals with one parcel of a worker that wrote over its lane. Nothing in there is believed: the parcel that was
    /// under way fails, the one behind it is done elsewhere.
    fn salvage(
        &self,
        core: &mut Core,
        index: usize,
        batch: Batch,
        status: Option<ExitStatus>,
        first: bool,
    ) -> Vec<Batch> {
        if !first {
            return vec![batch];
        }
        let pid = core.seats[index].as_ref().map(|seat| seat.child.pid());
        let items = if batch.merge.is_some() { 1 } else { batch.len() };
        for at in batch.first..batch.first + items {
            let error =
                error_of_end(status).with_note("a task in it had overwritten memory that it shares with its parent");
            let error = batch.describe(error, at, pid, batch.attempts + 1);
            self.fail(core, &batch, at, error);
        }
        Vec::new()
    }

    /// A merged parcel is run again as a whole, or fails as one.
    fn retry_merged(
        &self,
        core: &mut Core,
        mut batch: Batch,
        error: Error,
        progress: &crate::lane::Progress,
        pid: u32,
    ) -> Vec<Batch> {
        batch.attempts += 1;
        if may_retry(&error) && batch.attempts <= batch.terms.retries {
            core.stats.tasks_retried += 1;
            return vec![batch];
        }
        let (name, item) = culprit(&batch, progress);
        let mut error = error.in_function(name).in_process(pid).after_attempts(batch.attempts);
        if let Some(item) = item {
            error = error.at_index(batch.first + item);
        }
        self.fail(core, &batch, batch.first, error);
        Vec::new()
    }

    /// Fills the empty seats of a pool that still works.
    fn refill(self: &Arc<Self>, reactor: &mut Loop) {
        let empty: Vec<usize> = {
            let core = self.enter();
            let needed = core.phase == Phase::Open || (core.phase == Phase::Joining && !core.is_drained());
            let patient = core.retry_at.is_some_and(|at| at > Instant::now());
            if !needed || patient {
                return;
            }
            (0..core.seats.len()).filter(|&index| core.seats[index].is_none()).collect()
        };
        for index in empty {
            self.seat(reactor, index);
            if self.enter().retry_at.is_some_and(|at| at > Instant::now()) {
                return;
            }
        }
    }

    /// Kills what has run into a deadline; returns the next one.
    fn enforce(&self, core: &mut Core, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = core.retry_at.filter(|&at| at > now);
        let mut at_latest = |at: Option<Instant>| {
            next = match (next, at) {
                (Some(next), Some(at)) => Some(next.min(at)),
                (next, at) => next.or(at),
            };
        };
        for seat in core.seats.iter_mut().flatten() {
            if seat.killed_for.is_some() {
                continue;
            }
            if !seat.ready {
                at_latest(expire(seat, seat.born, config::start_timeout(), now, KilledFor::Start));
            } else if let Some(since) = seat.stopping.filter(|_| seat.in_hand.is_empty()) {
                at_latest(expire(seat, since, config::STOP_GRACE, now, KilledFor::Stop));
            }
            at_latest(overdue(seat, now));
        }
        next
    }
}

/// `Ok(())` in bytes: the number of its variant.
const OK: [u8; 4] = [0; 4];

/// Whether a worker died of the signal that a handle had sent it, on a parcel that was not that handle's.
fn meant_for_another(seat: &Seat, number: u64, status: Option<ExitStatus>) -> bool {
    seat.signalled
        .is_some_and(|(meant, signal)| meant != number && status.and_then(|status| status.signal()) == Some(signal))
}

/// Kills a worker whose time is over; otherwise returns when it will be.
fn expire(seat: &mut Seat, since: Instant, limit: Duration, now: Instant, reason: KilledFor) -> Option<Instant> {
    let at = since.checked_add(limit)?;
    if at > now {
        return Some(at);
    }
    seat.killed_for = Some(reason);
    let _ = seat.child.signal(KILL);
    None
}

/// Kills a worker whose task has run too long; returns when to look again.
fn overdue(seat: &mut Seat, now: Instant) -> Option<Instant> {
    let mut next: Option<Instant> = None;
    let mut late = None;
    for hand in &seat.in_hand {
        let Some(timeout) = hand.batch.terms.timeout else { continue };
        let progress = seat.lane.progress(hand.number);
        let runs = progress.taken && !progress.ended && progress.started > progress.done;
        // The start is read last, so it is never that of an earlier item: nobody is killed early.
        let ran = Duration::from_nanos(monotonic_nanos().saturating_sub(progress.started_at));
        if runs && ran >= timeout {
            late = Some(KilledFor::Timeout { number: hand.number, item: progress.started - 1 });
            break;
        }
        let left = if runs { timeout - ran } else { timeout };
        let at = now.checked_add(left);
        next = match (next, at) {
            (Some(next), Some(at)) => Some(next.min(at)),
            (next, at) => next.or(at),
        };
    }
    if late.is_some() {
        seat.killed_for = late;
        let _ = seat.child.signal(KILL);
        return None;
    }
    next
}

/// Takes what a worker has sent; returns what of it concerns its start. False: its side is closed.
pub(crate) fn hear(seat: &mut Seat) -> (Vec<StartReport>, bool) {
    let mut start = Vec::new();
    loop {
        match seat.child.control().receive(false) {
            Ok(Incoming::Message(report, descriptors)) => start.extend(keep(seat, report, descriptors)),
            Ok(Incoming::Nothing) => return (start, true),
            Ok(Incoming::End) => return (start, false),
            Err(_) => {
                // Only a worker whose memory is spoilt sends what cannot be read.
                let _ = seat.child.signal(KILL);
                return (start, false);
            }
        }
    }
}

/// What a worker said of its start.
pub(crate) enum StartReport {
    Ready(Option<Payload>),
    Failed(Error),
    Refused(String),
}

fn keep(seat: &mut Seat, report: Report, mut descriptors: Vec<OwnedFd>) -> Option<StartReport> {
    match report {
        // What is lost of these two shows when it is looked for.
        Report::Large { parcel, item, package } => {
            if let Ok(entry) = seat.store.unpack(package, &mut descriptors) {
                seat.large.insert((parcel, item), entry);
            }
            None
        }
        Report::Handles(notes) => {
            let _ = seat.store.keep(&notes, descriptors);
            None
        }
        Report::Started => Some(StartReport::Ready(None)),
        Report::Value(package) => match seat.store.unpack(package, &mut descriptors) {
            Ok(value) => Some(StartReport::Ready(Some(value))),
            Err(error) => Some(StartReport::Refused(format!("its initializer's result was lost: {error}"))),
        },
        Report::Failed(failure) if seat.ready => {
            seat.last_words = Some(error_of(failure));
            None
        }
        Report::Failed(failure) => Some(StartReport::Failed(error_of(failure))),
        Report::Refused(text) => Some(StartReport::Refused(text)),
    }
}

impl Events for Watch {
    fn readable(self: Arc<Self>, _reactor: &mut Loop, child: &Child) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        let mut core = pool.enter();
        if core.seats[self.index].as_ref().is_none_or(|seat| seat.child.pid() != child.pid()) {
            return false;
        }
        pool.hear_start(&mut core, self.index)
    }

    fn ended(self: Arc<Self>, reactor: &mut Loop, child: &Child, status: Option<ExitStatus>) {
        let Some(pool) = self.pool.upgrade() else { return };
        {
            let mut core = pool.enter();
            if core.seats[self.index].as_ref().is_none_or(|seat| seat.child.pid() != child.pid()) {
                return;
            }
            pool.bury(&mut core, self.index, status);
            pool.pump(&mut core);
        }
        pool.refill(reactor);
    }
}

impl Alarm for Shared {
    fn ring(self: Arc<Self>, reactor: &mut Loop) -> Option<Instant> {
        let now = Instant::now();
        {
            let mut core = self.enter();
            if core.armed.is_none_or(|armed| armed > now) {
                // An alarm that an earlier one has overtaken.
                return None;
            }
            core.armed = None;
        }
        self.refill(reactor);
        let mut core = self.enter();
        // A busy reactor may not have heard yet who has reported in.
        for index in 0..core.seats.len() {
            if core.seats[index].as_ref().is_some_and(|seat| !seat.ready) {
                self.hear_start(&mut core, index);
            }
        }
        self.listen_again(&core);
        self.pump(&mut core);
        let heartbeat = core.needs_reactor().then(|| now + config::HEARTBEAT);
        let next = self.enforce(&mut core, now).into_iter().chain(heartbeat).min()?;
        if core.armed.is_some_and(|armed| armed <= next) {
            return None;
        }
        core.armed = Some(next);
        Some(next)
    }
}
