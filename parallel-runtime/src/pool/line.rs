//! The line to one worker: its process, its lane, its channel, and what came over them. The [state](super::state) decides what
//! the worker is to do.

use std::collections::HashMap;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::blame::{Death, Ending};
use super::state::starts::StartError;
use super::state::worker::{ParcelStage, Reading, Worker};
use crate::engine::batch::Batch;
use crate::engine::flight::{MAY_RUN_ON, error_of, error_of_end};
use crate::error::{Error, ErrorKind};
use crate::lane::parent::Lane;
use crate::process::control::{Body, Delivery, Incoming, Report, SpareBlock, borrowed};
use crate::process::peer::PeerError;
use crate::process::reactor::Child;
use crate::process::start::Way;
use crate::process::transfer::{self, KnownMemory, Store};
use crate::sys::Descriptor;
use crate::sys::process;
use crate::sys::wait;
use crate::tuning::{SLOTS, SPARE_BLOCK, USUAL_AREA};
use crate::wire::handles::Ids;
use crate::wire::payload::Payload;

/// The line to one worker.
pub(crate) struct Line {
    pub(crate) child: Arc<Child>,
    pub(crate) lane: Lane,
    /// Handles that the worker has yet to be told to drop: its channel had no room.
    owed: Vec<u64>,
    /// Entries that were too large for the lane, by parcel and item.
    large: HashMap<(u64, u32), Large>,
    /// The handles that came ahead of reports.
    store: Store,
    /// The shared memory that it keeps.
    known: KnownMemory,
    /// Handles that were sent to it anew, each with the parcel that names it.
    handed: Vec<(u64, u64)>,
    /// The block of the latest large parcel, for the next one.
    block: Option<SpareBlock>,
    /// When a parcel was posted last that takes more of the lane than usual ones.
    wide: Option<Instant>,
    /// Why the system could not end it, where it could not.
    pub(crate) lost: Option<io::Error>,
    /// The panic that it dies of, where the program is built with `panic = "abort"`.
    pub(crate) last_words: Option<Error>,
    /// Why it could not start, as it reported.
    pub(crate) refusal: Option<StartError>,
}

/// An entry of a reply that travelled beside the lane.
pub(crate) struct Large {
    pub(crate) entry: Payload,
    /// It is a failure, not a value.
    pub(crate) failed: bool,
}

/// What a worker said of its start.
pub(crate) enum StartReport {
    Ready(Option<Payload>),
    Failed(Error),
    Refused(String),
}

impl Line {
    pub(crate) fn new(child: Arc<Child>, lane: Lane) -> Self {
        Self {
            child,
            lane,
            owed: Vec::new(),
            large: HashMap::new(),
            store: Store::default(),
            known: KnownMemory::default(),
            handed: Vec::new(),
            block: None,
            wide: None,
            lost: None,
            last_words: None,
            refusal: None,
        }
    }

    /// How far the worker is with each parcel that it holds, and whether it has passed by what was revoked. The step, which
    /// changes with each item, is read only of parcels that have ended, have run for `long`, or have a timeout.
    pub(crate) fn read(&self, worker: &Worker<Box<Batch>>, long: Duration, now: Instant) -> ([Reading; SLOTS], bool) {
        let mut readings = [Reading::default(); SLOTS];
        for (reading, held) in readings.iter_mut().zip(&worker.held) {
            let (taken, ended) = self.lane.is_taken(held.number);
            let stage = match (taken, ended) {
                (_, true) => ParcelStage::Ended,
                (true, false) => ParcelStage::Running,
                (false, false) => ParcelStage::Waiting,
            };
            *reading = Reading { stage, ..held.reading };
            let is_timed = held.batch.terms.timeout.is_some();
            let runs = taken && !ended && (is_timed || held.batch.len() > 1);
            if runs && reading.begun.is_none() {
                reading.begun = Some(self.lane.begun_at(held.number)).filter(|&begun| begun != 0).map(wait::moment);
            }
            if ended || (runs && (is_timed || reading.ran(now) >= long)) {
                let progress = self.lane.progress(held.number);
                (reading.started, reading.done) = (progress.started, progress.done);
                reading.item_since = (runs && is_timed).then(|| wait::moment(progress.started_at));
            }
        }
        (readings, worker.has_revoked() && self.lane.has_passed(worker.held.iter().map(|held| held.number)))
    }

    /// Whether the words of its lane were overwritten.
    pub(crate) fn is_spoilt(&self, worker: &Worker<Box<Batch>>) -> bool {
        self.lane.is_spoilt(worker.held.iter().map(|held| held.number))
    }

    /// Writes a batch into the lane as a parcel of this number, or beside it what does not fit.
    ///
    /// # Errors
    ///
    /// When its channel refuses what is to travel on it.
    pub(crate) fn post(&mut self, number: u64, batch: &Batch, head: &mut Vec<u8>, now: Instant) -> io::Result<()> {
        let given = self.write(number, batch, head, now);
        if given.is_err() {
            self.forget_handed(number);
        }
        given
    }

    fn write(&mut self, number: u64, batch: &Batch, head: &mut Vec<u8>, now: Instant) -> io::Result<()> {
        let control = self.child.control();
        let handles = if batch.handles.is_empty() {
            Ids::new()
        } else {
            transfer::send_ahead::<Delivery>(control, &batch.handles, Some(&mut self.known), false)?
        };
        let anew = batch.handles.iter().zip(&handles).filter(|(handle, _)| handle.is_sent_anew());
        self.handed.extend(anew.map(|(_, id)| (number, *id)));
        debug_assert_eq!(self.lane.next_number(), number, "state and lane count parcels alike");
        head.clear();
        batch.parcel(&handles).write_head(head);
        if self.lane.post(head, &batch.bytes) {
            if head.len() + batch.bytes.len() > USUAL_AREA {
                self.wide = Some(now);
            }
            return Ok(());
        }
        // The block of the latest large parcel, unless that is still on its way.
        let is_free = |spare: &mut SpareBlock| self.lane.is_over(spare.parcel);
        let mut block = self.block.take_if(is_free).map(|spare| spare.block);
        let (body, filled) = Body::pack(&[head, &batch.bytes], &mut block)?;
        control.send(&Delivery::Parcel { number, body }, &borrowed(filled), false)?;
        self.lane.announce(head.len() + batch.bytes.len());
        if let Some(block) = block {
            self.block = Some(SpareBlock { block, parcel: number, since: now });
        }
        Ok(())
    }

    /// A parcel has ended, and its reply was read: the next may use its slot.
    pub(crate) fn release(&mut self, number: u64) {
        self.lane.release(number);
        self.handed.retain(|(parcel, _)| *parcel != number);
    }

    /// Asks the worker for a parcel; false where it has taken it up.
    pub(crate) fn revoke(&mut self, number: u64) -> bool {
        let is_back = self.lane.revoke(number);
        if is_back {
            self.forget_handed(number);
        }
        is_back
    }

    /// Tells the worker to drop what it was sent with a parcel that it will not run.
    fn forget_handed(&mut self, number: u64) {
        let (its, others): (Vec<_>, Vec<_>) = self.handed.drain(..).partition(|(parcel, _)| *parcel == number);
        self.handed = others;
        its.iter().for_each(|(_, id)| self.forget(*id));
    }

    /// Tells the worker to drop shared memory, if it keeps that.
    pub(crate) fn forget_known(&mut self, id: u64) {
        if self.known.remove(&id) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        self.owed.push(id);
        self.remind();
    }

    /// Whether the worker is owed word of handles that it is to drop.
    pub(crate) fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Tells the worker to drop owed handles, as far as its channel has room: a worker that is stopped, or at a long task, does
    /// not read.
    pub(crate) fn remind(&mut self) {
        let before = self.owed.len();
        while let Some(&id) = self.owed.last() {
            match self.child.control().send(&Delivery::Forget(id), &[], false) {
                Err(error) if PeerError::of(&error) == PeerError::Full => break,
                // A worker that is gone need not be told.
                _ => self.owed.pop(),
            };
        }
        if self.owed.len() < before {
            self.lane.announce_mail();
        }
    }

    /// Reads the worker's reports; returns those about its start. False: the worker's side is closed.
    pub(crate) fn read_reports(&mut self, has_reported_in: bool) -> (Vec<StartReport>, bool) {
        let mut start = Vec::new();
        loop {
            match self.child.control().receive(false) {
                Ok(Incoming::Message(report, descriptors)) => {
                    start.extend(self.keep_report(report, descriptors, has_reported_in));
                }
                Ok(Incoming::Nothing) => return (start, true),
                Ok(Incoming::End) => return (start, false),
                Err(_) => {
                    // Only a worker with overwritten memory sends what cannot be read.
                    self.child.end();
                    return (start, false);
                }
            }
        }
    }

    fn keep_report(
        &mut self,
        report: Report,
        mut descriptors: Vec<Descriptor>,
        has_reported_in: bool,
    ) -> Option<StartReport> {
        match report {
            // A loss of these two shows when the entry, or the handle, is looked for.
            Report::Large { parcel, item, package, failed } => {
                if let Ok(entry) = self.store.unpack(package, &mut descriptors) {
                    self.large.insert((parcel, item), Large { entry, failed });
                }
                None
            }
            Report::Handles(notes) => {
                let _ = self.store.keep(&notes, descriptors);
                None
            }
            Report::Started => Some(StartReport::Ready(None)),
            Report::Value(package) => match self.store.unpack(package, &mut descriptors) {
                Ok(value) => Some(StartReport::Ready(Some(value))),
                Err(error) => Some(StartReport::Refused(format!("its initializer's result was lost: {error}"))),
            },
            Report::Failed(failure) if has_reported_in => {
                self.last_words = Some(error_of(failure));
                None
            }
            Report::Failed(failure) => Some(StartReport::Failed(error_of(failure))),
            Report::Refused(text) => Some(StartReport::Refused(text)),
        }
    }

    /// Finds an entry that travelled beside the lane; otherwise tells why it was lost.
    pub(crate) fn large(&mut self, parcel: u64, item: usize) -> Result<Large, String> {
        // A worker with a reply to read has reported in.
        self.read_reports(true);
        let key = (parcel, u32::try_from(item).unwrap_or(u32::MAX));
        self.large.remove(&key).ok_or_else(|| self.store.why_lost().unwrap_or("the worker did not send it").to_string())
    }

    /// Gives back memory that large parcels have left and no other has used for [`SPARE_BLOCK`].
    pub(crate) fn let_go(&mut self, now: Instant) {
        let is_old = |since: Instant| now.saturating_duration_since(since) >= SPARE_BLOCK;
        self.block.take_if(|spare| is_old(spare.since));
        if self.wide.is_some_and(is_old) {
            // A parcel that is under way may still be read.
            self.wide = (!self.lane.narrow()).then_some(now);
        }
    }

    /// When to look again whether such memory is to be given back, if there is some.
    pub(crate) fn lets_go_at(&self) -> Option<Instant> {
        let block = self.block.as_ref().map(|spare| spare.since);
        block.into_iter().chain(self.wide).min().map(|since| since + SPARE_BLOCK)
    }

    /// Whether it is a copy of the zygote that has said nothing.
    pub(crate) fn is_silent_copy(&self) -> bool {
        self.child.way() == Way::Forked && self.refusal.is_none()
    }

    /// What is known of its worker's death.
    pub(crate) fn death(&self, worker: &Worker<Box<Batch>>, status: Option<ExitStatus>) -> Death {
        let ending = match (&self.lost, status) {
            (Some(_), _) => Ending::Runs,
            (None, None) => Ending::Unknown,
            (None, Some(status)) => match process::deadly_signal(status) {
                Some((signal, _)) => Ending::Signal(signal),
                None => Ending::Exited { success: status.success() },
            },
        };
        Death {
            ending,
            killed: worker.life.killed(),
            sent: worker.sent,
            has_served: worker.latest.is_some(),
            told_panic: self.last_words.is_some(),
        }
    }

    /// The error of the item that the worker ran, once it is gone; `status`: how it ended, if it did.
    pub(crate) fn error_of_end(&self, status: Option<ExitStatus>) -> Error {
        match &self.lost {
            Some(error) => {
                Error::new(ErrorKind::Signal(io::Error::new(error.kind(), error.to_string()))).with_note(MAY_RUN_ON)
            }
            None => error_of_end(status),
        }
    }
}

impl StartError {
    pub(crate) fn to_error(&self) -> Error {
        if self.ended_by.is_some() {
            return error_of_end(self.ended_by).with_note(self.text.clone());
        }
        Error::new(ErrorKind::Start(io::Error::new(self.kind, self.text.clone())))
    }
}

#[cfg(test)]
impl Line {
    /// Fills its channel by one message, among them what it is told to drop; whether it is full.
    pub(crate) fn fill(&mut self, id: u64) -> bool {
        self.forget(id);
        self.is_owed()
    }
}
