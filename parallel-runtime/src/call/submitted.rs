//! A submitted call: one item, one handle.

use std::io;
use std::ops::Range;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::engine::batch::{Batch, Calls, Sink, Terms};
use crate::engine::call_id::{CallId, History, Place, SharedPlace};
use crate::engine::flight::{Flight, Landing, Outcome};
use crate::engine::values::Values;
use crate::engine::waiter::{Callback, Hearers};
use crate::engine::{Aim, CallPlace, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::run::registry::Entry;
use crate::tuning::{BETWEEN_LOOKS, KILL_GRACE, STUCK_AFTER};
use crate::wire::ends::ItemEnds;
use crate::wire::payload::Payload;

/// A submitted call in flight.
pub(crate) struct Submitted {
    engine: Arc<dyn Engine>,
    call: CallId,
    entry: &'static Entry,
    landing: Landing,
    /// Its place in the engine's queue, while it waits there.
    place: SharedPlace,
    /// A callback waits for the outcome, and perhaps no caller.
    watched: AtomicBool,
}

impl Submitted {
    /// Hands a call with these arguments to the engine.
    pub(crate) fn submit(
        engine: &Arc<dyn Engine>,
        entry: &'static Entry,
        arguments: Payload,
        terms: Arc<Terms>,
    ) -> Arc<Self> {
        let call = CallId::next();
        let submitted = Arc::new(Self {
            engine: Arc::clone(engine),
            call,
            entry,
            landing: Landing::default(),
            place: SharedPlace::nowhere(),
            watched: AtomicBool::new(false),
        });
        let batch = Box::new(Batch {
            entry: Some(entry),
            merge: None,
            ends: ItemEnds::one(arguments.bytes.len()),
            bytes: arguments.bytes,
            handles: arguments.handles,
            consecutive: false,
            pace: entry.pace(),
            calls: Calls::from_slice(&[call]),
            first: 0,
            history: History::default(),
            terms,
            sink: Arc::clone(&submitted) as Arc<dyn Sink>,
        });
        if let Err(error) = engine.accept(batch) {
            // No handle exists yet, so nobody is to hear of it.
            submitted.landing.finish(Err(error.in_function(entry.name())), &mut Hearers::default());
        }
        submitted
    }
}

impl Sink for Submitted {
    fn is_wanted(&self) -> bool {
        !self.landing.is_finished()
    }

    fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    fn is_call(&self) -> bool {
        true
    }

    fn values(&self, _first: usize, values: Values, hearers: &mut Hearers) {
        self.value(values.into_payload(), hearers);
    }

    fn value(&self, value: Payload, hearers: &mut Hearers) {
        self.landing.finish(Ok(value), hearers);
    }

    fn failed(&self, _index: usize, error: Error, hearers: &mut Hearers) {
        self.landing.finish(Err(error), hearers);
    }

    fn waits(&self, _items: Range<usize>, place: Place, is_there: bool) {
        self.place.set(if is_there { place } else { Place::NOWHERE });
    }

    fn places(&self) -> Vec<Place> {
        self.place.get().into_iter().collect()
    }
}

impl Flight for Submitted {
    fn wait(&self, deadline: Option<Instant>) -> bool {
        self.landing.is_finished()
            || self.engine.drive(deadline, &mut |waiter| self.landing.is_finished_or_wakes(waiter))
    }

    fn take_outcome(&self) -> Option<Outcome> {
        self.landing.take_outcome()
    }

    fn is_finished(&self) -> bool {
        if !self.landing.is_finished() {
            self.engine.poll();
        }
        self.landing.is_finished()
    }

    fn pid(&self) -> Option<u32> {
        match self.engine.place(self.call, self) {
            CallPlace::Running { pid } => pid,
            CallPlace::Queued | CallPlace::Over => None,
        }
    }

    fn is_queued(&self) -> bool {
        self.engine.place(self.call, self) == CallPlace::Queued && !self.landing.is_finished()
    }

    fn signal(&self, signal: i32) -> Result<()> {
        let since = Instant::now();
        loop {
            if self.cancel() || self.is_finished() {
                return Ok(());
            }
            let waited = since.elapsed();
            match self.engine.signal(self.call, signal, waited > STUCK_AFTER) {
                Aim::Hit | Aim::Late => return Ok(()),
                Aim::Refused(error) => return Err(error.in_function(self.entry.name())),
                Aim::Between if waited > KILL_GRACE => {
                    let text = "its worker neither runs the call nor gives it back";
                    let error = io::Error::new(io::ErrorKind::TimedOut, text);
                    return Err(Error::new(ErrorKind::Signal(error)).in_function(self.entry.name()));
                }
                // It is just being started, or has come back because its parcel was divided or its worker has died.
                Aim::Between if waited < BETWEEN_LOOKS => std::thread::yield_now(),
                Aim::Between => std::thread::sleep(BETWEEN_LOOKS),
            }
        }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        None
    }

    fn cancel(&self) -> bool {
        self.engine.withdraw(self.call, self)
    }

    fn when_finished(&self, callback: Callback) {
        self.watched.store(true, Ordering::Relaxed);
        self.landing.when_finished(callback);
        self.engine.poll();
    }
}
