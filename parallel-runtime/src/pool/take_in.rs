//! Taking in: values and failures that a worker replied go to their batch's sink, and so do the failures of batches that no
//! worker could run.

use std::borrow::Cow;
use std::process::ExitStatus;
use std::time::Instant;

use super::core::Core;
use super::line::{Large, Line};
use super::state::blame::{BlameCause, Reached};
use super::state::load::Load;
use super::state::starts::StartError;
use super::state::{BatchFailure, Event};
use crate::engine::batch::Batch;
use crate::engine::flight::{error_of, error_of_end};
use crate::engine::values::Values;
use crate::error::{Error, ErrorKind};
use crate::tuning::SLOTS;
use crate::wire::codec::{self, CodecError};
use crate::wire::handles::Handles;
use crate::wire::outcome::CallFailure;
use crate::wire::reply::{self, ReplyEntries, ReplyEntry};

/// Items of a parcel that are done: their outcomes are to be read from its reply.
struct DonePart {
    worker: usize,
    parcel: u64,
    /// How many items of the parcel stand before those of the batch.
    before: usize,
    batch: Box<Batch>,
    /// How many items, or steps of a merge, the worker had begun.
    started: usize,
}

impl Core {
    /// A worker has ended a parcel: what it gave is delivered.
    pub(super) fn take_in(&mut self, index: usize, parcel: u64, now: Instant) {
        let Self { state, lines, hearers, .. } = self;
        let (Some(worker), Some(line)) = (state.worker(index), lines[index].as_mut()) else { return };
        let Some(held) = worker.held.front().filter(|held| held.number == parcel) else { return };
        let (done, started) = (held.reading.done, held.reading.started);
        let Some(reply) = line.lane.reply(parcel) else {
            self.handle(Event::Spoilt { worker: index }, now);
            return;
        };
        // Bounded by the worker's age: it may have written over the times in its lane.
        let elapsed = line.lane.elapsed(parcel).min(now.saturating_duration_since(worker.born));
        let ran = done.min(held.delivered + held.batch.len());
        held.batch.sink.timing(ran, elapsed);
        if let (Some(entry), Ok(items @ 1..)) = (held.batch.entry, u32::try_from(ran)) {
            entry.note_pace(elapsed / items);
        }
        let mut replied = None;
        if let Some((before, batch)) = state.take_ended(index, parcel, done, now) {
            let row = if batch.is_merged() { None } else { reply::whole_row(reply, before + batch.len(), before) };
            // The usual case: numbers, copied once, into the map's result.
            if row.is_some_and(|(width, values)| batch.sink.row(batch.first, width, values, hearers)) {
                self.counts.tasks_done += batch.len() as u64;
            } else {
                replied = Some((reply.to_vec(), DonePart { worker: index, parcel, before, batch, started }));
            }
        }
        if line.lane.replies_beside(parcel) {
            // Before `release`: after it the worker may fill the block of this entry again.
            line.read_reports(true);
        }
        line.release(parcel);
        if let Some((reply, done)) = replied {
            self.deliver(done, reply);
        }
        self.news = true;
        self.handle(Event::Ended { worker: index, parcel, elapsed }, now);
    }

    /// Delivers what a parcel that has run for long has done so far.
    pub(super) fn take_so_far(&mut self, index: usize, parcel: u64, done: usize) {
        let Some(reply) = self.lines[index].as_ref().and_then(|line| line.lane.reply_so_far(parcel)) else { return };
        if let Some((before, batch)) = self.state.deliver(index, parcel, done) {
            self.deliver(DonePart { worker: index, parcel, before, batch, started: done }, reply);
        }
    }

    /// A worker is gone: what it had done is delivered, and its line is closed. `start_error`: why it did not become a worker.
    pub(super) fn bury(
        &mut self,
        index: usize,
        status: Option<ExitStatus>,
        start_error: Option<StartError>,
        now: Instant,
    ) {
        let (Some(worker), Some(line)) = (self.state.worker(index), self.lines[index].as_ref()) else { return };
        let death = line.death(worker, status);
        let is_readable = !worker.life.is_spoilt();
        let parcels: Vec<u64> = worker.held.iter().map(|held| held.number).collect();
        let mut reached = [None; SLOTS];
        for (parcel, reached) in parcels.into_iter().zip(&mut reached) {
            let Some(line) = self.lines[index].as_ref().filter(|_| is_readable) else { continue };
            let progress = line.lane.progress(parcel);
            let Some(reply) = line.lane.reply_so_far(parcel) else { continue };
            let (taken, started, done) = (progress.taken, progress.started, progress.done);
            *reached = Some(Reached { taken, started, done });
            if let Some((before, batch)) = self.state.deliver(index, parcel, done) {
                self.deliver(DonePart { worker: index, parcel, before, batch, started }, reply);
            }
        }
        self.handle(Event::Gone { worker: index, death, reached, start_error }, now);
        let Some(mut line) = self.lines[index].take() else { return };
        for (batch, why) in std::mem::take(&mut self.effects.failed) {
            match why {
                BatchFailure::Died { cause, started } => self.fail_for(&mut line, &batch, cause, started, status),
                why => self.fail_batch(&batch, why),
            }
        }
        self.news = true;
    }

    /// Delivers the outcomes of items that are done, all in `reply`.
    fn deliver(&mut self, done: DonePart, mut reply: Vec<u8>) {
        let DonePart { worker, parcel, before, batch, started } = done;
        let merged = batch.is_merged();
        if !merged && before == 0 {
            // Values and nothing else, as it mostly is.
            match Values::of_reply(reply, batch.len()) {
                Ok(values) => {
                    self.counts.tasks_done += batch.len() as u64;
                    return self.flush(&batch, batch.first, values);
                }
                Err(mixed) => reply = mixed,
            }
        }
        let pid = self.lines[worker].as_ref().map(|line| line.child.pid());
        let mut values = Values::default();
        let mut first = batch.first;
        let wanted = if merged { 1 } else { batch.len() };
        let mut entries = ReplyEntries::of(&reply, before + wanted, before);
        let mut item = 0;
        while item < wanted {
            let at = batch.first + item;
            let outcome = match entries.next() {
                Some(ReplyEntry::Row { .. }) if merged => Err(unreadable("has many values where there is one")),
                Some(ReplyEntry::Row { width, count, bytes }) => {
                    item += count;
                    self.counts.tasks_done += count as u64;
                    if count == wanted && before == 0 {
                        // The whole reply, as it is.
                        values = Values::of_row(reply, width, count);
                        break;
                    }
                    values.push_row(bytes, width, count);
                    continue;
                }
                Some(ReplyEntry::Large) => {
                    // A merged parcel has one entry, under its last item.
                    let at = before + if merged { batch.len() - 1 } else { item };
                    large(self.lines[worker].as_mut(), parcel, at)
                }
                Some(ReplyEntry::Value(bytes)) => Ok(ReadOutcome::Value(bytes.into(), Handles::new())),
                Some(ReplyEntry::Failure(failure)) => failed(failure),
                None => Err(unreadable("ends before its last item")),
            };
            item += 1;
            match outcome {
                Ok(ReadOutcome::Value(value, handles)) => {
                    let items = if merged { batch.len() } else { 1 };
                    values.push(value, handles, items);
                    self.counts.tasks_done += items as u64;
                }
                Ok(ReadOutcome::Failed(error)) | Err(error) => {
                    self.flush(&batch, first, std::mem::take(&mut values));
                    first = at + 1;
                    let (error, at) = place(&batch, error, at, started, pid);
                    self.fail(&batch, at, error);
                }
            }
        }
        self.flush(&batch, first, values);
    }

    fn flush(&mut self, batch: &Batch, first: usize, values: Values) {
        if values.len() > 0 {
            batch.sink.values(first, values, &mut self.hearers);
        }
    }

    /// An item has failed for good.
    fn fail(&mut self, batch: &Batch, index: usize, error: Error) {
        self.counts.tasks_failed += 1;
        batch.sink.failed(index, error, &mut self.hearers);
    }

    /// Fails the batches that the state has given up.
    pub(super) fn fail_batches(&mut self) {
        for (batch, why) in std::mem::take(&mut self.effects.failed) {
            self.fail_batch(&batch, why);
        }
    }

    fn fail_batch(&mut self, batch: &Batch, why: BatchFailure) {
        self.news = true;
        match why {
            // Not counted as a failed task: its caller has withdrawn it.
            BatchFailure::Cancelled => {
                let error = Error::new(ErrorKind::Cancelled).in_function(batch.function());
                batch.sink.failed(batch.first, error, &mut self.hearers);
            }
            BatchFailure::NoWorkers => {
                let error = self.state.starts.latest().map(StartError::to_error);
                self.fail_all(batch, &error.unwrap_or_else(|| Error::new(ErrorKind::Terminated)));
            }
            BatchFailure::NotGiven => {
                let text = std::mem::take(&mut self.not_given);
                self.fail_all(batch, &Error::new(ErrorKind::Encode(CodecError::of_bytes(text))));
            }
            // `bury` has dealt with `Died` already.
            BatchFailure::Terminated | BatchFailure::Died { .. } => {
                self.fail_all(batch, &Error::new(ErrorKind::Terminated))
            }
        }
    }

    /// Every item of a batch fails for the same reason.
    fn fail_all(&mut self, batch: &Batch, error: &Error) {
        let items = if batch.is_merged() { 1 } else { batch.len() };
        for at in batch.first..batch.first + items {
            let error = batch.describe(error.duplicate(), at, None, batch.history.attempts);
            self.fail(batch, at, error);
        }
    }

    /// All items of a batch fail because of their worker's death; those of a merged one, as one.
    fn fail_for(
        &mut self,
        line: &mut Line,
        batch: &Batch,
        cause: BlameCause,
        started: usize,
        status: Option<ExitStatus>,
    ) {
        let (pid, attempts) = (line.child.pid(), batch.history.attempts);
        let error = match cause {
            BlameCause::TimedOut => Error::new(ErrorKind::TimedOut { after: batch.terms.timeout.unwrap_or_default() }),
            BlameCause::Died => match line.last_words.take().filter(|_| line.lost.is_none()) {
                Some(panicked) => panicked,
                None => line.error_of_end(status),
            },
            BlameCause::Overwritten => line
                .error_of_end(status)
                .with_note("a task in it had overwritten memory that it shares with its parent"),
            BlameCause::NeverStarted => {
                let note = "its workers died one after the other before they could start it";
                return self.fail_all(batch, &error_of_end(status).with_note(note));
            }
        };
        if batch.is_merged() && cause != BlameCause::Overwritten {
            let (name, item) = batch.culprit(started);
            let error = error.in_function(name).after_attempts(attempts).in_process(pid);
            let error = if let Some(item) = item { error.at_index(batch.first + item) } else { error };
            return self.fail(batch, batch.first, error.with_worker_replaced());
        }
        let items = if batch.is_merged() { 1 } else { batch.len() };
        for at in batch.first..batch.first + items {
            let error = batch.describe(error.duplicate(), at, Some(pid), attempts).with_worker_replaced();
            self.fail(batch, at, error);
        }
    }
}

enum ReadOutcome<'a> {
    Value(Cow<'a, [u8]>, Handles),
    Failed(Error),
}

/// Reads a failure.
fn failed<'a>(failure: Result<CallFailure, CodecError>) -> Result<ReadOutcome<'a>, Error> {
    match failure {
        Ok(failure) => Ok(ReadOutcome::Failed(error_of(failure))),
        Err(error) => Err(unreadable(error.message())),
    }
}

/// Finds an entry that travelled beside the lane.
fn large(line: Option<&mut Line>, parcel: u64, item: usize) -> Result<ReadOutcome<'static>, Error> {
    let Some(line) = line else { return Err(unreadable("is gone")) };
    let Large { entry, failed: is_failure } = line.large(parcel, item).map_err(|why| {
        let text = format!("the function ran, but its result was lost: {why}");
        Error::new(ErrorKind::Decode(CodecError::of_bytes(text)))
    })?;
    if is_failure {
        failed(codec::decode_whole(&entry.bytes))
    } else {
        Ok(ReadOutcome::Value(entry.bytes.into(), entry.handles))
    }
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Decode(CodecError::of_bytes(format!("the worker's reply {what}"))))
}

/// Adds to an error where it happened. In a merged parcel, the number of steps that were started tells the item.
fn place(batch: &Batch, error: Error, at: usize, started: usize, pid: Option<u32>) -> (Error, usize) {
    let attempts = batch.history.attempts + 1;
    if !batch.is_merged() {
        return (batch.describe(error, at, pid, if at == batch.first { attempts } else { 1 }), at);
    }
    let (name, item) = batch.culprit(started);
    match item {
        Some(item) => (batch.describe(error, batch.first + item, pid, attempts), batch.first + item),
        None => {
            let error = error.in_function(name).after_attempts(attempts);
            (if let Some(pid) = pid { error.in_process(pid) } else { error }, batch.first)
        }
    }
}
