//! What a dead worker leaves: what it had done is delivered, what it died of fails or is tried again, the rest goes on
//! elsewhere.

use std::io;
use std::process::ExitStatus;

use super::batch::Batch;
use super::core::{Core, Phase, Shared};
use super::seat::InHand;
use super::state::blame::{self, Cause, Death, Fate, Left, Reached};
use super::state::life::Stage;
use crate::error::{Error, ErrorKind};
use crate::job::error_of_end;
use crate::lane::Progress;

impl Shared {
    /// A worker is gone: what it had done is delivered, what it died of fails or is tried again, the rest goes on
    /// elsewhere.
    pub(crate) fn bury(&self, core: &mut Core, index: usize, status: Option<ExitStatus>) {
        let Some(mut seat) = core.seats[index].take() else { return };
        // What it was at is no idleness.
        core.stats.busy += seat.running();
        core.stats.idle += seat.idle();
        let hands = std::mem::take(&mut seat.in_hand);
        let (stage, death) = (seat.life.stage(), seat.death(status));
        let is_lost_copy = self.is_lost_copy(&seat);
        let refusal = seat.refusal.take();
        // Its lane is still to be read.
        core.seats[index] = Some(seat);
        let mut again = Vec::new();
        for (position, hand) in hands.into_iter().enumerate() {
            again.extend(self.inherit(core, index, hand, &death, status, position == 0));
        }
        let Some(seat) = core.seats[index].take() else { return };
        for batch in again.into_iter().rev().filter(|batch| batch.len() > 0 && batch.sink.is_wanted()) {
            core.queue.push_front(batch);
        }
        core.generations[index] += u32::from(seat.life.has_reported_in());
        core.news = true;
        match stage {
            // Its seat is filled anew at once.
            Stage::Starting if is_lost_copy => {}
            Stage::Starting => {
                let error = refusal.unwrap_or_else(|| self.start_error(&seat, status));
                self.start_failed(core, error);
            }
            Stage::Serving => core.stats.restarts += 1,
            Stage::Leaving => core.stats.recycled += u64::from(core.phase == Phase::Open),
        }
    }

    /// A worker cannot be ended: it may run on, but nobody waits for it any more. It is as good as dead once it can start
    /// nothing more of what it holds.
    pub(crate) fn lose(&self, core: &mut Core, index: usize, error: io::Error) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        seat.lost = Some(error);
        for at in (0..seat.in_hand.len()).rev() {
            if let Some(batch) = seat.take_back(at) {
                core.queue.push_front(batch);
            } else if let Some(number) = seat.in_hand.get(at).map(|hand| hand.number)
                && seat.lane.divide(number, 0).is_none()
            {
                seat.lane.cancel(number);
            }
        }
        self.bury(core, index, None);
    }

    /// Deals with one parcel of a worker that is gone; returns what is to be done elsewhere.
    pub(super) fn inherit(
        &self,
        core: &mut Core,
        index: usize,
        hand: InHand,
        death: &Death,
        status: Option<ExitStatus>,
        is_first: bool,
    ) -> Vec<Batch> {
        let InHand { number, mut batch, delivered } = hand;
        let Some(seat) = core.seats[index].as_ref() else { return vec![batch] };
        let progress = seat.lane.progress(number);
        let reply = if seat.is_spoilt() { None } else { seat.lane.reply_so_far(number) };
        let reached = reply.as_ref().map(|_| Reached {
            taken: progress.taken,
            started: progress.started,
            done: progress.done,
        });
        if let Some(reply) = reply {
            let Some(rest) = self.deliver(core, index, InHand { number, batch, delivered }, &progress, reply) else {
                return Vec::new();
            };
            batch = rest;
        }
        let left = Left {
            number,
            is_first,
            reached,
            is_merged: batch.merge.is_some(),
            attempts: batch.attempts,
            deaths: batch.deaths,
            retries: batch.terms.retries,
        };
        match blame::judge(&left, death) {
            Fate::Elsewhere { suspected } => {
                batch.deaths += u32::from(suspected);
                vec![batch]
            }
            Fate::Retry => {
                core.stats.tasks_retried += 1;
                let (mut first, rest) = batch.split(1);
                first.attempts += 1;
                vec![first, rest]
            }
            Fate::RetryAll => {
                core.stats.tasks_retried += 1;
                batch.attempts += 1;
                vec![batch]
            }
            Fate::FailFirst(cause) => {
                // The item is the first that is not done: so says the order in which the worker publishes. What else its
                // words say is not believed, lest items get no outcome.
                let (mut first, rest) = batch.split(1);
                first.attempts += 1;
                self.fail_for(core, index, &first, cause, status, &progress);
                vec![rest]
            }
            Fate::FailAll(cause) => {
                batch.attempts += u32::from(cause != Cause::NeverStarted);
                self.fail_for(core, index, &batch, cause, status, &progress);
                Vec::new()
            }
        }
    }

    /// All items of a batch fail for what befell their worker; of one that is merged, as one.
    fn fail_for(
        &self,
        core: &mut Core,
        index: usize,
        batch: &Batch,
        cause: Cause,
        status: Option<ExitStatus>,
        progress: &Progress,
    ) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        let pid = Some(seat.child.pid());
        let error = match cause {
            Cause::TimedOut => Error::new(ErrorKind::TimedOut { after: batch.terms.timeout.unwrap_or_default() }),
            Cause::Died => match seat.last_words.take().filter(|_| seat.lost.is_none()) {
                Some(panicked) => panicked,
                None => seat.error_of_end(status),
            },
            Cause::Overwritten => {
                seat.error_of_end(status).with_note("a task in it had overwritten memory that it shares with its parent")
            }
            Cause::NeverStarted => {
                let note = "its workers died one after the other before they could start it";
                return self.fail_all(core, batch, || error_of_end(status).with_note(note));
            }
        };
        if batch.merge.is_some() && cause != Cause::Overwritten {
            let (name, item) = batch.culprit(progress);
            let error = error.in_function(name).after_attempts(batch.attempts).in_process(seat.child.pid());
            let error = if let Some(item) = item { error.at_index(batch.first + item) } else { error };
            self.fail(core, batch, batch.first, error.with_worker_replaced());
            return;
        }
        let items = if batch.merge.is_some() { 1 } else { batch.len() };
        for at in batch.first..batch.first + items {
            let error = batch.describe(error.duplicate(), at, pid, batch.attempts).with_worker_replaced();
            self.fail(core, batch, at, error);
        }
    }
}
