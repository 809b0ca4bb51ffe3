//! The inline engine: batches run in this process, on the thread that hands them over, one item after the other.
//!
//! It is for debuggers, profilers, coverage and tests that want no processes. Arguments and values are encoded and decoded as
//! always, and a panic becomes an error; what ends a process ends this one.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::batch::{Batch, Sink};
use super::call_id::CallId;
use super::flight::error_of;
use super::values::Values;
use super::waiter::{Hearers, Waiter};
use super::{Aim, CallPlace, Engine, Shape};
use crate::current;
use crate::ending;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::bulk;
use crate::poison::lock;
use crate::run::call;
use crate::run::registry::Entry;
use crate::tuning;
use crate::wire::codec::CodecError;
use crate::wire::fallible;
use crate::wire::handles::{Handle, Handles};
use crate::wire::outcome::CallFailure;
use crate::wire::payload::Payload;

/// Runs what it is given at once.
pub(crate) struct Inline {
    me: Weak<Inline>,
    /// Open, closed or terminated.
    phase: AtomicU8,
    tally: Mutex<Tally>,
}

/// What an inline engine has done so far, and the calls that it runs.
#[derive(Default)]
struct Tally {
    values: u64,
    failures: u64,
    retries: u64,
    busy: Duration,
    running: HashSet<CallId>,
}

/// A copy of its [`Tally`], for its pool's statistics.
pub(crate) struct InlineCounts {
    pub(crate) values: u64,
    pub(crate) failures: u64,
    pub(crate) retries: u64,
    pub(crate) running: usize,
    pub(crate) busy: Duration,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const TERMINATED: u8 = 2;

thread_local! {
    /// The inline engine that runs a call on this thread: calls inside of that call run there, too.
    static WITHIN: RefCell<Option<Arc<dyn Engine>>> = const { RefCell::new(None) };
}

/// The inline engine that runs a call on this thread.
pub(crate) fn within() -> Option<Arc<dyn Engine>> {
    // A call may come from an `atexit` handler, when the thread's own data is gone.
    WITHIN.try_with(|within| within.borrow().clone()).ok().flatten()
}

fn replace_within(engine: Option<Arc<dyn Engine>>) -> Option<Arc<dyn Engine>> {
    WITHIN.try_with(|within| within.replace(engine)).ok().flatten()
}

/// Puts back the engine of the enclosing call.
struct RestoreWithin(Option<Arc<dyn Engine>>);

impl Drop for RestoreWithin {
    fn drop(&mut self) {
        drop(replace_within(self.0.take()));
    }
}

impl Inline {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self { me: me.clone(), phase: AtomicU8::new(OPEN), tally: Mutex::default() })
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        let _ = self.phase.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Takes nothing more, and says that it was ended.
    pub(crate) fn terminate(&self) {
        let _ = self.phase.compare_exchange(OPEN, TERMINATED, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn counts(&self) -> InlineCounts {
        let done = lock(&self.tally);
        InlineCounts {
            values: done.values,
            failures: done.failures,
            retries: done.retries,
            running: done.running.len(),
            busy: done.busy,
        }
    }

    /// Runs a function on these arguments, as a call of this engine.
    pub(crate) fn call(&self, entry: &'static Entry, arguments: &Payload) -> std::result::Result<Payload, CallFailure> {
        self.enter(entry.name(), None, || {
            let mut value = Payload::default();
            match call::call_one(entry, &arguments.bytes, &arguments.handles, &mut value, false) {
                None => Ok(value),
                Some(failure) => Err(failure),
            }
        })
    }

    /// Runs users' code under the name of its call, where calls inside of it come here as well.
    fn enter<T>(&self, function: &'static str, name: Option<&str>, body: impl FnOnce() -> T) -> T {
        let me = self.me.upgrade().map(|me| me as Arc<dyn Engine>);
        let _leave = RestoreWithin(replace_within(me));
        let _call = current::enter_call(function, name);
        body()
    }

    /// Runs the items one by one; each outcome is delivered before the next item starts.
    fn map(&self, batch: &Batch, handles: &[Handle], entry: &'static Entry) {
        let mut numbers = Vec::new();
        for (item, arguments) in batch.items(&mut numbers).enumerate() {
            if !batch.sink.is_wanted() {
                return;
            }
            let since = Instant::now();
            let outcome = self.item(batch, handles, entry, arguments, item);
            let took = since.elapsed();
            lock(&self.tally).busy += took;
            batch.sink.timing(1, took);
            let at = batch.first + item;
            match outcome {
                Ok(value) => {
                    let mut values = Values::default();
                    values.push(value.bytes.into(), value.handles, 1);
                    self.deliver(batch, at, values);
                }
                Err(error) => self.fail(batch, at, error),
            }
        }
    }

    /// Runs one item; again where it exceeded its timeout and has retries left.
    fn item(
        &self,
        batch: &Batch,
        handles: &[Handle],
        entry: &'static Entry,
        arguments: &[u8],
        item: usize,
    ) -> Result<Payload> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let since = Instant::now();
            let mut value = Payload::default();
            let name = batch.terms.name.as_deref();
            let failure =
                self.enter(entry.name(), name, || call::call_one(entry, arguments, handles, &mut value, false));
            // An item cannot be stopped here; a value after its timeout is too late.
            let late = batch.terms.timeout.filter(|&timeout| since.elapsed() >= timeout);
            let error = match (late, failure) {
                (Some(after), _) => Error::new(ErrorKind::TimedOut { after }),
                (None, Some(failure)) => error_of(failure),
                (None, None) => {
                    if batch.terms.discard {
                        value = Payload::default();
                    }
                    return Ok(value);
                }
            };
            if late.is_none() || attempts > batch.terms.retries {
                return Err(batch.describe(error, batch.first + item, None, attempts));
            }
            lock(&self.tally).retries += 1;
        }
    }

    /// Runs the items, if there is a function for them, and merges their values into one.
    fn reduce(&self, batch: &Batch, handles: &[Handle], merge: &'static Entry) {
        let since = Instant::now();
        let merged = self.merged(batch, handles, merge);
        lock(&self.tally).busy += since.elapsed();
        match merged {
            Ok(value) => {
                let mut values = Values::default();
                values.push(value.into(), Handles::new(), batch.len());
                self.deliver(batch, batch.first, values);
            }
            Err((item, error)) => {
                let error = match item {
                    Some(item) => batch.describe(error, batch.first + item, None, 1),
                    None => error.in_function(merge.name()).after_attempts(1),
                };
                self.fail(batch, batch.first + item.unwrap_or(0), error);
            }
        }
    }

    fn merged(
        &self,
        batch: &Batch,
        handles: &[Handle],
        merge: &'static Entry,
    ) -> std::result::Result<Vec<u8>, (Option<usize>, Error)> {
        let fallible = batch.terms.fallible;
        let name = batch.terms.name.as_deref();
        let mut numbers = Vec::new();
        let mut whole: Option<Vec<u8>> = None;
        for (item, bytes) in batch.items(&mut numbers).enumerate() {
            let mut value = match batch.entry {
                Some(entry) => {
                    let run = || call::value_from(entry, bytes, handles);
                    self.enter(entry.name(), name, run).map_err(|failure| (Some(item), error_of(failure)))?
                }
                None => bytes.to_vec(),
            };
            if fallible && batch.entry.is_some() {
                value = match fallible::unwrap(value) {
                    Ok(value) => value,
                    Err(result) => return Ok(fallible::stopped(result, u32::try_from(item).unwrap_or(u32::MAX))),
                };
            }
            whole = Some(match whole {
                None => value,
                Some(mut before) => {
                    before.extend_from_slice(&value);
                    let run = || call::value_from(merge, &before, &[]);
                    self.enter(merge.name(), name, run).map_err(|failure| (None, error_of(failure)))?
                }
            });
        }
        let whole = whole.unwrap_or_default();
        Ok(if fallible { fallible::merged(whole) } else { whole })
    }

    fn deliver(&self, batch: &Batch, first: usize, values: Values) {
        lock(&self.tally).values += values.items() as u64;
        let mut hearers = Hearers::default();
        batch.sink.values(first, values, &mut hearers);
        hearers.tell();
    }

    fn fail(&self, batch: &Batch, at: usize, error: Error) {
        lock(&self.tally).failures += 1;
        let mut hearers = Hearers::default();
        batch.sink.failed(at, error, &mut hearers);
        hearers.tell();
    }
}

impl Engine for Inline {
    fn shape(&self) -> Shape {
        Shape { workers: 1, workers_for_short: 1, chunks_ahead: 0, most_items: 1 }
    }

    fn pace(&self, _entry: &'static Entry) -> Option<Duration> {
        None
    }

    fn accept(&self, batch: Box<Batch>) -> Result<()> {
        ending::check()?;
        match self.phase.load(Ordering::Acquire) {
            OPEN => {}
            CLOSED => return Err(Error::new(ErrorKind::Closed)),
            _ => return Err(Error::new(ErrorKind::Terminated)),
        }
        // Memory kept for earlier rows.
        bulk::let_go(tuning::SPARE_BLOCK);
        // A large row is read where it was written.
        let arrived = batch.handles.iter().map(Handle::arrive_here).collect::<io::Result<Handles>>();
        let handles = arrived.map_err(|error| {
            Error::new(ErrorKind::Encode(CodecError::of_bytes(format!("a large row cannot be read here: {error}"))))
        })?;
        lock(&self.tally).running.extend(&batch.calls);
        match (batch.entry, batch.merge) {
            (_, Some(merge)) => self.reduce(&batch, &handles, merge),
            (Some(entry), None) => self.map(&batch, &handles, entry),
            (None, None) => {}
        }
        let mut done = lock(&self.tally);
        for call in &batch.calls {
            done.running.remove(call);
        }
        Ok(())
    }

    fn drive(&self, _deadline: Option<Instant>, is_ready: &mut dyn FnMut(&Arc<Waiter>) -> bool) -> bool {
        // What was handed over has run.
        is_ready(&Waiter::own())
    }

    fn poll(&self) {}

    fn abandon(&self, _: &dyn Sink) {}

    fn withdraw(&self, _call: CallId, _: &dyn Sink) -> bool {
        false
    }

    fn signal(&self, call: CallId, _signal: i32, _stuck: bool) -> Aim {
        if lock(&self.tally).running.contains(&call) {
            return Aim::Refused(Error::invalid(
                "a call that runs inline runs in this very process, which is not to be ended: use a pool with workers",
            ));
        }
        Aim::Late
    }

    fn place(&self, call: CallId, _: &dyn Sink) -> CallPlace {
        if lock(&self.tally).running.contains(&call) { CallPlace::Running { pid: None } } else { CallPlace::Over }
    }
}

#[cfg(test)]
mod tests {
    use parallel_macros::parallel;

    use super::*;
    use crate::engine::batch::Nowhere;
    use crate::pool::Pool;

    thread_local! {
        static SIGNALLED: RefCell<Option<Aim>> = const { RefCell::new(None) };
    }

    /// Signals itself, as only another thread could that had its handle.
    #[parallel(crate = crate)]
    fn signals_itself(call: u64) {
        let engine = within().unwrap();
        assert_eq!(engine.place(CallId(call), &Nowhere), CallPlace::Running { pid: None });
        SIGNALLED.set(Some(engine.signal(CallId(call), 9, false)));
    }

    #[test]
    fn a_call_that_runs_is_not_killed_and_one_that_has_ended_is_well() {
        let pool = Pool::inline();
        // Other tests submit calls, too.
        let refused = (0..100).any(|_| {
            let next = CallId::next().0 + 1;
            signals_itself.on(&pool).submit(next).join().is_ok()
        });
        assert!(refused);
        let Some(Aim::Refused(error)) = SIGNALLED.take() else { panic!("it was signalled") };
        assert!(matches!(error.kind(), ErrorKind::InvalidInput(_)), "{error}");
        assert!(matches!(pool.engine().signal(CallId::next(), 9, false), Aim::Late));
        assert!(within().is_none());
    }
}
