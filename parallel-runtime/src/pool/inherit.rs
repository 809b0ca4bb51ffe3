//! What a dead worker leaves: what it had done is delivered, what it died of fails or is tried again, the rest goes on
//! elsewhere.

use std::io;
use std::process::ExitStatus;

use super::batch::Batch;
use super::core::{Core, Phase, Shared};
use super::seat::{InHand, KilledFor, Seat};
use crate::config;
use crate::error::{Error, ErrorKind};
use crate::job::{error_of_end, may_retry};
use crate::lane::Progress;
use crate::sys::process;

impl Shared {
    /// A worker is gone: what it had done is delivered, what it died of fails or is tried again, the rest goes on
    /// elsewhere.
    pub(crate) fn bury(&self, core: &mut Core, index: usize, status: Option<ExitStatus>) {
        let Some(mut seat) = core.seats[index].take() else { return };
        // What it was at is no idleness.
        core.stats.busy += seat.running();
        core.stats.idle += seat.idle();
        let hands = std::mem::take(&mut seat.in_hand);
        let (was_ready, retires) = (seat.ready, seat.retires);
        let is_lost_copy = self.is_lost_copy(&seat);
        let was_stopping = seat.stop_by.is_some() && !seat.cut_off;
        let refusal = seat.refusal.take();
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
        core.generations[index] += u32::from(was_ready);
        core.news = true;
        if is_lost_copy {
            // Its seat is filled anew at once.
        } else if !was_ready && !retires {
            let error = refusal.unwrap_or_else(|| self.start_error(&seat, status));
            self.start_failed(core, error);
        } else if was_stopping || retires {
            core.stats.recycled += u64::from(core.phase == Phase::Open);
        } else {
            core.stats.restarts += 1;
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
        status: Option<ExitStatus>,
        first: bool,
    ) -> Vec<Batch> {
        let InHand { number, batch, delivered } = hand;
        let Some(seat) = core.seats[index].as_ref() else { return vec![batch] };
        if seat.killed_for == Some(KilledFor::Spoilt) {
            return self.salvage(core, index, batch, status, first);
        }
        let progress = seat.lane.progress(number);
        let Some(reply) = seat.lane.reply_so_far(number) else {
            return self.salvage(core, index, batch, status, first);
        };
        let (pid, killed_for, is_lost) = (seat.child.pid(), seat.killed_for, seat.lost.is_some());
        let end = seat.error_of_end(status);
        // A worker that had ended other parcels and not taken up this one died of those, or of its own accord.
        let suspect = first && (progress.taken || seat.latest.is_none());
        let for_another = meant_for_another(seat, number, progress.started.saturating_sub(1), status);
        let Some(mut rest) = self.deliver(core, index, InHand { number, batch, delivered }, &progress, reply) else {
            return Vec::new();
        };
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
            rest.deaths += u32::from(suspect && ours.is_none() && crashed);
            if rest.deaths > config::UNBLAMED_DEATHS.saturating_add(rest.terms.retries) {
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
            _ if is_lost => end,
            _ if ours == Some(true) => Error::new(ErrorKind::TimedOut { after: timeout }),
            Some(panicked) => panicked,
            None => end,
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
        let error = lost.describe(error, lost.first, Some(pid), lost.attempts).with_worker_replaced();
        self.fail(core, &lost, lost.first, error);
        vec![rest]
    }

    /// Deals with one parcel of a worker that wrote over its lane. Nothing in there is believed: the parcel that was
    /// under way fails, the one behind it is done elsewhere.
    fn salvage(
        &self,
        core: &mut Core,
        index: usize,
        mut batch: Batch,
        status: Option<ExitStatus>,
        first: bool,
    ) -> Vec<Batch> {
        if !first {
            return vec![batch];
        }
        let Some(seat) = core.seats[index].as_ref() else { return vec![batch] };
        if seat.lost.is_none() && batch.attempts < batch.terms.retries {
            batch.attempts += 1;
            core.stats.tasks_retried += 1;
            return vec![batch];
        }
        let pid = Some(seat.child.pid());
        let end =
            seat.error_of_end(status).with_note("a task in it had overwritten memory that it shares with its parent");
        let items = if batch.merge.is_some() { 1 } else { batch.len() };
        for at in batch.first..batch.first + items {
            let error = batch.describe(end.duplicate(), at, pid, batch.attempts + 1).with_worker_replaced();
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
        progress: &Progress,
        pid: u32,
    ) -> Vec<Batch> {
        batch.attempts += 1;
        if may_retry(&error) && batch.attempts <= batch.terms.retries {
            core.stats.tasks_retried += 1;
            return vec![batch];
        }
        let (name, item) = batch.culprit(progress);
        let mut error = error.in_function(name).in_process(pid).after_attempts(batch.attempts).with_worker_replaced();
        if let Some(item) = item {
            error = error.at_index(batch.first + item);
        }
        self.fail(core, &batch, batch.first, error);
        Vec::new()
    }
}

/// Whether a worker died of the signal that a handle had sent it, on a parcel or an item that was not that handle's.
fn meant_for_another(seat: &Seat, number: u64, item: usize, status: Option<ExitStatus>) -> bool {
    let died_of = status.and_then(process::deadly_signal).map(|(signal, _)| signal);
    seat.signalled.is_some_and(|(meant, which, signal)| {
        (meant, which) != (number, item) && (died_of == Some(signal) || seat.lost.is_some())
    })
}
