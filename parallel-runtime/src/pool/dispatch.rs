//! Pumping: what workers have finished is taken in, what waits is handed out. Carries out what
//! [`schedule`](super::schedule) chooses.

use std::borrow::Cow;
use std::io;
use std::time::Instant;

use super::batch::Batch;
use super::core::{Core, Shared};
use super::hear::hear;
use super::schedule;
use super::seat::{InHand, Large, Seat, Spare};
use super::state::life::{Killed, Life, Stop};
use super::values::Values;
use crate::config;
use crate::error::{Error, ErrorKind};
use crate::job::error_of;
use crate::lane::Progress;
use crate::process::control::{Body, Delivery, borrowed};
use crate::process::peer::Refused;
use crate::process::reactor;
use crate::process::transfer;
use crate::sys::owner;
use crate::sys::socket::MAX_DESCRIPTORS;
use crate::wire::call::CallFailure;
use crate::wire::codec::{self, CodecError};
use crate::wire::handles::{Handles, Ids};
use crate::wire::reply::{self, Entries, Entry};

impl Shared {
    /// Takes in what is finished and hands out what waits.
    pub(crate) fn pump(&self, core: &mut Core) {
        core.awaits = false;
        if owner::is_watched() {
            // What lies in a lane already is a task, too, and nobody posts it again.
            self.is_same_owner(core);
        }
        self.take_in(core);
        self.hand_out(core);
    }

    /// Takes in what is finished.
    pub(super) fn take_in(&self, core: &mut Core) {
        for index in 0..core.seats.len() {
            core.seats[index].as_mut().map(look_after);
            while let Some(hand) = take_finished(core, index) {
                self.finished(core, index, hand);
            }
            self.deliver_early(core, index);
        }
    }

    /// A worker has ended a parcel.
    fn finished(&self, core: &mut Core, index: usize, hand: InHand) {
        let Some(seat) = core.seats[index].as_mut() else { return };
        let InHand { number, batch, delivered } = hand;
        let progress = seat.lane.progress(number);
        let Some(reply) = seat.lane.reply(number) else {
            seat.in_hand.push_front(InHand { number, batch, delivered });
            seat.kill(Killed::Spoilt);
            return;
        };
        let elapsed = seat.lane.elapsed(number);
        let done = progress.done.saturating_sub(delivered).min(batch.len());
        let row = if batch.merge.is_none() { reply::whole_row(reply, delivered + done, delivered) } else { None };
        // The usual case: numbers that go right where they belong.
        let placed = row.is_some_and(|(width, values)| batch.sink.row(batch.first, width, values));
        let reply = if placed { Vec::new() } else { reply.to_vec() };
        if seat.lane.replies_beside(number) {
            // Before the worker may use the block of it for the next.
            hear(seat);
        }
        seat.lane.release(number);
        seat.handed.retain(|(parcel, _)| *parcel != number);
        // What a worker says is bounded by what can be: it may scribble.
        let elapsed = elapsed.min(seat.born.elapsed());
        seat.busy += elapsed;
        seat.latest = Some(elapsed);
        core.stats.busy += elapsed;
        batch.sink.timing(delivered + done, elapsed);
        if let (Some(entry), Ok(items @ 1..)) = (batch.entry, u32::try_from(delivered + done)) {
            core.pace = Some((entry, elapsed / items));
        }
        let rest = if placed {
            core.stats.tasks_done += done as u64;
            core.news = true;
            (done < batch.len()).then(|| batch.split(done).1)
        } else {
            self.deliver(core, index, InHand { number, batch, delivered }, &progress, reply)
        };
        let unused = rest.as_ref().map_or(0, Batch::cost);
        if let Some(rest) = rest.filter(|rest| rest.sink.is_wanted()) {
            core.queue.push_front(rest);
        }
        if let Some(seat) = core.seats[index].as_mut() {
            // What it has not run is none of its tasks.
            seat.budget = seat.budget.map(|budget| budget + unused);
            if seat.in_hand.is_empty() && (seat.budget == Some(0) || seat.life == Life::Retiring) {
                self.stop(core, index, config::STOP_GRACE, Stop::Dismissed);
            }
        }
    }

    /// Delivers the outcomes of the items that are done; returns the items that are not.
    pub(crate) fn deliver(
        &self,
        core: &mut Core,
        index: usize,
        hand: InHand,
        progress: &Progress,
        mut reply: Vec<u8>,
    ) -> Option<Batch> {
        let InHand { number, batch, delivered } = hand;
        let done = progress.done.saturating_sub(delivered).min(batch.len());
        let merged = batch.merge.is_some();
        if merged && done < batch.len() {
            // Half a merge is nothing; the items are run again.
            return Some(batch);
        }
        if !merged && delivered == 0 && done > 0 {
            // Values and nothing else, as it mostly is.
            match Values::of_reply(reply, done) {
                Ok(values) => {
                    core.stats.tasks_done += done as u64;
                    self.flush(core, &batch, batch.first, values);
                    return if done < batch.len() { Some(batch.split(done).1) } else { None };
                }
                Err(mixed) => reply = mixed,
            }
        }
        let pid = core.seats[index].as_ref().map(|seat| seat.child.pid());
        let mut values = Values::default();
        let mut first = batch.first;
        let wanted = if merged { 1 } else { done };
        let mut entries = Entries::of(&reply, delivered + wanted, delivered);
        let mut item = 0;
        while item < wanted {
            let at = batch.first + item;
            let outcome = match entries.next() {
                Some(Entry::Row { .. }) if merged => Err(unreadable("has many values where there is one")),
                Some(Entry::Row { width, count, bytes }) => {
                    item += count;
                    core.stats.tasks_done += count as u64;
                    if count == wanted && delivered == 0 {
                        // The whole reply, as it is.
                        values = Values::of_row(reply, width, count);
                        break;
                    }
                    values.push_row(bytes, width, count);
                    continue;
                }
                Some(Entry::Large) => large(core, index, number, delivered + batch_item(merged, item, batch.len())),
                Some(Entry::Value(bytes)) => Ok(Outcome::Value(bytes.into(), Handles::new())),
                Some(Entry::Failure(failure)) => failed(failure),
                None => Err(unreadable("ends before its last item")),
            };
            item += 1;
            match outcome {
                Ok(Outcome::Value(value, handles)) => {
                    let items = if merged { batch.len() } else { 1 };
                    values.push(value, handles, items);
                    core.stats.tasks_done += items as u64;
                }
                Ok(Outcome::Failed(error)) | Err(error) => {
                    self.flush(core, &batch, first, std::mem::take(&mut values));
                    first = at + 1;
                    let (error, at) = place(&batch, error, at, merged, progress, pid);
                    self.fail(core, &batch, at, error);
                }
            }
        }
        self.flush(core, &batch, first, values);
        if done < batch.len() { Some(batch.split(done).1) } else { None }
    }

    fn flush(&self, core: &mut Core, batch: &Batch, first: usize, values: Values) {
        if values.len() > 0 {
            let callbacks = batch.sink.values(first, values);
            core.callbacks.extend(callbacks);
            core.news = true;
        }
    }

    /// An item has failed for good.
    pub(crate) fn fail(&self, core: &mut Core, batch: &Batch, index: usize, error: Error) {
        core.stats.tasks_failed += 1;
        let callbacks = batch.sink.failed(index, error);
        core.callbacks.extend(callbacks);
        core.news = true;
    }

    /// Every item of a batch fails for the same reason.
    pub(crate) fn fail_all(&self, core: &mut Core, batch: &Batch, mut error: impl FnMut() -> Error) {
        let items = if batch.merge.is_some() { 1 } else { batch.len() };
        for item in 0..items {
            let at = batch.first + item;
            let error = batch.describe(error(), at, None, batch.attempts);
            self.fail(core, batch, at, error);
        }
    }

    /// Drops what waits and is not wanted any more, and lets workers skip what they hold of it.
    pub(crate) fn forget_unwanted(&self) {
        if reactor::check_not_forked().is_err() {
            return;
        }
        let mut core = self.enter();
        core.queue.retain(|batch| batch.sink.is_wanted());
        for seat in core.seated() {
            for hand in seat.in_hand.iter().filter(|hand| !hand.batch.sink.is_wanted()) {
                seat.lane.cancel(hand.number);
            }
        }
        self.pump(&mut core);
    }

    fn hand_out(&self, core: &mut Core) {
        self.fail_hopeless(core);
        loop {
            while let Some(first) = core.queue.front() {
                if !first.sink.is_wanted() {
                    core.queue.pop_front();
                    continue;
                }
                let Some((at, index)) = self.next_in_turn(core) else { break };
                if !self.is_same_owner(core) {
                    return;
                }
                if let Some(batch) = core.queue.remove(at) {
                    let batch = Self::gather(core, index, batch);
                    self.post(core, index, batch);
                }
            }
            // What a dead worker did not get goes to another.
            if self.share_out(core) {
                return;
            }
        }
    }

    /// The place in the queue of what is handed out next, and the worker that gets it: the first batch, or where that waits for
    /// some workers only, the first that is for anybody.
    fn next_in_turn(&self, core: &Core) -> Option<(usize, usize)> {
        let first = core.queue.front()?;
        if let Some(index) = self.worker_for(core, first) {
            return Some((0, index));
        }
        let anybodys = |batch: &Batch| !batch.brief && batch.sink.is_wanted();
        let at = core.queue.iter().position(anybodys).filter(|_| first.brief)?;
        Some((at, self.worker_for(core, &core.queue[at])?))
    }

    /// The worker that a batch goes to now, if one has room.
    fn worker_for(&self, core: &Core, batch: &Batch) -> Option<usize> {
        let most = if batch.is_sent_last() { 0 } else { usize::MAX };
        // Brief items are for those that are at some already, where they are enough.
        let wakes_nobody = batch.brief && core.has_enough(self.enough());
        let fits = |seat: &&Seat| !wakes_nobody || seat.is_briefly_at_work(core.brief_for);
        let capacity = |seat: &Option<Seat>| seat.as_ref().filter(fits)?.capacity().filter(|held| *held <= most);
        schedule::choose(core.seats.iter().map(capacity))
    }

    /// Puts a batch into a worker's lane; false where that worker could not be given it.
    pub(super) fn post(&self, core: &mut Core, index: usize, mut batch: Batch) -> bool {
        let others = core.seated().filter(|seat| !seat.in_hand.is_empty()).count();
        let may_go_elsewhere = core.seats.len() > 1;
        let Core { seats, scratch, queue, .. } = core;
        let Some(seat) = seats[index].as_mut() else { return false };
        seat.lane.tell_crowd(others, self.cores);
        if let Some(budget) = seat.budget.filter(|&budget| budget < batch.cost()) {
            let (now, later) = batch.split(budget);
            queue.push_front(later);
            batch = now;
        }
        let number = seat.lane.next_number();
        if let Err(error) = send(seat, &batch, scratch) {
            seat.forget_handed(number);
            self.not_posted(core, index, batch, &error);
            return false;
        }
        if let Some(budget) = &mut seat.budget {
            *budget -= batch.cost().min(*budget);
        }
        // Where there is no other worker, nobody asks how long it lies there.
        if seat.in_hand.is_empty() && may_go_elsewhere {
            seat.front_since = Instant::now();
        }
        let timeout = batch.terms.timeout.into_iter().chain(seat.block.as_ref().map(|_| config::SPARE_BLOCK)).min();
        seat.in_hand.push_back(InHand { number, batch, delivered: 0 });
        if let Some(at) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            self.arm(core, at);
        }
        true
    }

    /// Deals with a batch that could not be sent to a worker: where that is the worker's doing, it is the next to be handed
    /// out, to whichever can take it.
    fn not_posted(&self, core: &mut Core, index: usize, batch: Batch, error: &io::Error) {
        let in_part = batch.handles.len() > MAX_DESCRIPTORS;
        let refused = Refused::of(error);
        if refused == Refused::Gone || in_part {
            // A worker that has a part of a call's handles cannot be told to drop them where no more can be sent.
            self.stop(core, index, config::STOP_GRACE, Stop::CutOff);
        }
        match refused {
            Refused::Gone => core.queue.push_front(batch),
            Refused::Full if !in_part => {
                if let Some(seat) = core.seats[index].as_mut() {
                    seat.full = true;
                }
                core.queue.push_front(batch);
            }
            Refused::Full | Refused::Here => {
                let text = format!("{} bytes of arguments could not be handed to a worker: {error}", batch.bytes.len());
                self.fail_all(core, &batch, || Error::new(ErrorKind::Encode(CodecError::of_bytes(text.clone()))));
            }
        }
    }
}

/// Tries again what a full channel had no room for, and kills a worker whose lane was written over: what is in there cannot
/// be told from what should be.
fn look_after(seat: &mut Seat) {
    seat.full = false;
    if !seat.owed.is_empty() {
        seat.remind();
    }
    if seat.life.killed().is_none() && seat.lane.is_spoilt(seat.in_hand.iter().map(|hand| hand.number)) {
        seat.kill(Killed::Spoilt);
    }
}

/// The parcel that the worker has ended and that was not taken in.
fn take_finished(core: &mut Core, index: usize) -> Option<InHand> {
    let seat = core.seats[index].as_mut().filter(|seat| !seat.is_spoilt())?;
    let number = seat.in_hand.front()?.number;
    if !seat.lane.is_done(number) {
        return None;
    }
    let finished = seat.in_hand.pop_front();
    if !seat.in_hand.is_empty() {
        seat.front_since = Instant::now();
    }
    finished
}

/// Writes a batch into a worker's lane, or beside it what does not fit.
fn send(seat: &mut Seat, batch: &Batch, scratch: &mut Vec<u8>) -> io::Result<()> {
    let control = seat.child.control();
    let handles = if batch.handles.is_empty() {
        Ids::new()
    } else {
        transfer::send_ahead::<Delivery>(control, &batch.handles, Some(&mut seat.known), false)?
    };
    let number = seat.lane.next_number();
    let anew = batch.handles.iter().zip(&handles).filter(|(handle, _)| handle.is_sent_anew());
    seat.handed.extend(anew.map(|(_, id)| (number, *id)));
    scratch.clear();
    batch.parcel(&handles).write_head(scratch);
    if seat.lane.post(scratch, &batch.bytes) {
        return Ok(());
    }
    // The block of the latest large parcel, unless that is still on its way.
    let in_use = |spare: &mut Spare| seat.in_hand.iter().any(|hand| hand.number == spare.number);
    let mut block =
        if seat.block.as_mut().is_some_and(in_use) { None } else { seat.block.take().map(|spare| spare.block) };
    let (body, filled) = Body::pack(&[scratch, &batch.bytes], &mut block)?;
    control.send(&Delivery::Parcel { number, body }, &borrowed(filled), false)?;
    seat.lane.announce(scratch.len() + batch.bytes.len());
    if let Some(block) = block {
        seat.block = Some(Spare { block, number, since: Instant::now() });
    }
    Ok(())
}

enum Outcome<'a> {
    Value(Cow<'a, [u8]>, Handles),
    Failed(Error),
}

/// Reads a failure.
fn failed<'a>(failure: Result<CallFailure, CodecError>) -> Result<Outcome<'a>, Error> {
    match failure {
        Ok(failure) => Ok(Outcome::Failed(error_of(failure))),
        Err(error) => Err(unreadable(error.message())),
    }
}

/// Which item a large entry is stored under: a merged parcel has one entry, under its last item.
fn batch_item(merged: bool, item: usize, len: usize) -> usize {
    if merged { len - 1 } else { item }
}

/// Finds an entry that travelled beside the lane.
fn large(core: &mut Core, index: usize, number: u64, item: usize) -> Result<Outcome<'static>, Error> {
    let key = (number, u32::try_from(item).unwrap_or(u32::MAX));
    let Some(seat) = core.seats[index].as_mut() else { return Err(unreadable("is gone")) };
    hear(seat);
    let Large { entry, failed: is_failure } = seat.large.remove(&key).ok_or_else(|| {
        let why = seat.store.why_lost().unwrap_or("the worker did not send it");
        let text = format!("the function ran, but its result was lost: {why}");
        Error::new(ErrorKind::Decode(CodecError::of_bytes(text)))
    })?;
    if is_failure {
        failed(codec::decode_whole(&entry.bytes))
    } else {
        Ok(Outcome::Value(entry.bytes.into(), entry.handles))
    }
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Decode(CodecError::of_bytes(format!("the worker's reply {what}"))))
}

/// Adds to an error where it happened; in a merged parcel, the worker's progress tells the item.
fn place(
    batch: &Batch,
    error: Error,
    at: usize,
    merged: bool,
    progress: &Progress,
    pid: Option<u32>,
) -> (Error, usize) {
    let attempts = batch.attempts + 1;
    if !merged {
        return (batch.describe(error, at, pid, if at == batch.first { attempts } else { 1 }), at);
    }
    let (name, item) = batch.culprit(progress);
    match item {
        Some(item) => (batch.describe(error, batch.first + item, pid, attempts), batch.first + item),
        None => {
            let error = error.in_function(name).after_attempts(attempts);
            (if let Some(pid) = pid { error.in_process(pid) } else { error }, batch.first)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::sync::mpsc;

    use parallel_macros::parallel;

    use super::super::Pool;
    use super::super::state::blame::UNBLAMED_DEATHS;
    use super::*;
    use crate::flags::{Flag, PATIENCE, eventually};
    use crate::handle::JoinHandle;
    use crate::shared::Value;
    use crate::sys::process::KILL;

    #[parallel(crate = crate)]
    fn length(text: &str) -> usize {
        text.len()
    }

    #[parallel(crate = crate)]
    fn count_up(value: Value<u64>, _text: &str) -> u64 {
        value
            .update(|value| {
                *value += 1;
                *value
            })
            .unwrap()
    }

    /// What travels beside the lane: in memory of its own, and in a block.
    const LARGE: [usize; 2] = [2 << 20, 500 << 10];

    /// Keeps the reactor from hearing anything until this is dropped.
    fn keep_reactor_busy() -> mpsc::Sender<()> {
        let (go_on, busy) = mpsc::channel::<()>();
        let (is_busy, waits) = mpsc::channel();
        reactor::get().unwrap().run(move |_| {
            is_busy.send(()).unwrap();
            let _ = busy.recv();
        });
        waits.recv().unwrap();
        go_on
    }

    fn signal(pool: &Pool, seat: usize, signal: i32) {
        let core = pool.shared().enter();
        core.seats[seat].as_ref().unwrap().child.signal(signal).unwrap();
    }

    /// Kills a worker, and waits until its channel is closed, of which the reactor does not hear.
    fn kill_unheard(pool: &Pool, seat: usize) {
        signal(pool, seat, KILL);
        eventually("its channel is closed", || {
            let core = pool.shared().enter();
            let control = core.seats[seat].as_ref().unwrap().child.control();
            control.send(&Delivery::Forget(0), &[], false).is_err_and(|error| Refused::of(&error) == Refused::Gone)
        });
    }

    fn joined<T>(mut handle: JoinHandle<T>) -> crate::error::Result<T> {
        handle.join_timeout(PATIENCE).map(|value| value.expect("it hangs"))
    }

    fn serving(workers: usize) -> Pool {
        let pool = Pool::with_workers(workers).unwrap();
        eventually("all workers serve", || pool.shared().enter().seated().all(|seat| seat.life.has_reported_in()));
        pool
    }

    #[test]
    fn a_large_call_that_a_dead_worker_cannot_be_given_goes_to_another() {
        for len in LARGE {
            let pool = serving(2);
            let busy = keep_reactor_busy();
            kill_unheard(&pool, 0);
            assert_eq!(joined(length.on(&pool).submit(&"x".repeat(len))).unwrap(), len);
            let lens = length.on(&pool).par_map(["x".repeat(len), "y".repeat(len + 1)]);
            assert_eq!(lens.unwrap(), [len, len + 1]);
            drop(busy);
            eventually("its seat is filled again", || pool.stats().restarts == 1 && pool.pids().len() == 2);
            assert_eq!((pool.stats().recycled, pool.stats().tasks_failed), (0, 0));
        }
    }

    #[test]
    fn a_large_call_outlives_the_only_worker_that_dies_before_it_is_given_it() {
        for len in LARGE {
            let pool = serving(1);
            let value = Value::new(0_u64).unwrap();
            let busy = keep_reactor_busy();
            kill_unheard(&pool, 0);
            let lengths = length.on(&pool).submit(&"x".repeat(len));
            let counted = count_up.on(&pool).submit(value.clone(), &"x".repeat(len));
            assert!(!lengths.is_finished() && !counted.is_finished());
            drop(busy);
            assert_eq!(joined(lengths).unwrap(), len);
            assert_eq!(joined(counted).unwrap(), 1);
            assert_eq!(pool.stats().restarts, 1);
        }
    }

    #[test]
    fn a_call_waits_for_room_in_the_channel_of_a_stopped_worker() {
        let pool = serving(1);
        let value = Value::new(0_u64).unwrap();
        signal(&pool, 0, libc::SIGSTOP);
        // Among them what it is told to drop.
        let mut sent = 0;
        eventually("its channel is full", || {
            let mut core = pool.shared().enter();
            let seat = core.seats[0].as_mut().unwrap();
            sent += 1;
            seat.forget(sent);
            !seat.owed.is_empty()
        });
        let lengths = length.on(&pool).submit(&"x".repeat(LARGE[1]));
        let counted = count_up.on(&pool).submit(value.clone(), "");
        assert!(!lengths.is_finished() && !counted.is_finished());
        signal(&pool, 0, libc::SIGCONT);
        assert_eq!(joined(lengths).unwrap(), LARGE[1]);
        assert_eq!(joined(counted).unwrap(), 1);
        assert_eq!(joined(count_up.on(&pool).submit(value, "")).unwrap(), 2);
        eventually("it was told all of it", || {
            pool.stats();
            pool.shared().enter().seats[0].as_ref().unwrap().owed.is_empty()
        });
        assert_eq!(pool.stats().restarts, 0);
    }

    #[parallel(crate = crate)]
    fn wait_for_end() {
        Flag::named("never").wait();
    }

    #[test]
    fn a_call_that_may_be_tried_again_outlives_workers_that_die_before_they_take_it_up() {
        for retries in [0, 100] {
            let pool = serving(1);
            // Who is given it does not take it up.
            signal(&pool, 0, libc::SIGSTOP);
            let call = wait_for_end.on(&pool).retries(retries).submit();
            let mut core = pool.shared().enter();
            for death in 1..=UNBLAMED_DEATHS + 1 {
                let hand = core.seats[0].as_mut().unwrap().in_hand.pop_front();
                let InHand { number, batch, .. } = hand.expect("it was handed out");
                let hand = InHand { number, batch, delivered: 0 };
                let status = Some(ExitStatus::from_raw(KILL));
                let death_of = core.seats[0].as_ref().unwrap().death(status);
                let again = pool.shared().inherit(&mut core, 0, hand, &death_of, status, true);
                let lost = retries == 0 && death > UNBLAMED_DEATHS;
                assert_eq!(again.len(), usize::from(!lost), "death {death}, {retries} retries");
                let seat = core.seats[0].as_mut().unwrap();
                seat.in_hand.extend(again.into_iter().map(|batch| InHand { number, batch, delivered: 0 }));
            }
            drop(core);
            pool.terminate();
            let error = joined(call).unwrap_err();
            match retries {
                0 => assert!(matches!(error.kind(), ErrorKind::Signaled { signal: KILL, .. }), "{error}"),
                _ => assert!(matches!(error.kind(), ErrorKind::Terminated), "{error}"),
            }
        }
    }
}
