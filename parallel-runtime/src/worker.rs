//! The worker: the loop in the child, from its assignment to its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::bell::WorkerBell;
use crate::config;
use crate::current::{self, Role};
use crate::ending;
use crate::lane::{Work, WorkerLane};
use crate::memory::bulk;
use crate::memory::reply::{LONGEST_ENTRY, ReplyWriter, tag};
use crate::panic;
use crate::process::control::{
    Assignment, Body, Control, Delivery, Incoming, Invocation, Opening, Package, Report, borrowed,
};
use crate::process::transfer::{self, Store};
use crate::registry::{self, Entry};
use crate::run::{call, value_from};
use crate::sys::forked;
use crate::sys::memory::Block;
use crate::sys::program;
use crate::sys::wait::Event;
use crate::sys::watch;
use crate::wire::call::{Call, CallFailure, Finish};
use crate::wire::codec::CodecError;
use crate::wire::fallible;
use crate::wire::handles::{Handle, Handles, Ids};
use crate::wire::parcel::{self, Opened};
use crate::wire::payload::Payload;
use crate::wire::reply;

/// What `main` returns after a panic; a spawned call that gave no value ends so.
const FAILED: i32 = 101;

/// The channel to the parent, for who has no other way to it.
static CONTROL: OnceLock<&'static Control> = OnceLock::new();

/// The number of this process, a worker.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Whether this is no worker, but a process that a task has forked and that has come back here. It has a copy of the channel,
/// but nothing to say there: it ends as programs do.
fn is_forked_by_task() -> bool {
    PROCESS.load(Ordering::Relaxed) != std::process::id()
}

/// Does what the parent asks for; returns the exit code.
pub(crate) fn work(control: &'static Control) -> i32 {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    let _ = CONTROL.set(control);
    panic::on_last_words(|report| {
        // The process aborts right after this.
        if let Some(control) = CONTROL.get().filter(|_| !is_forked_by_task()) {
            let _ = control.send(&Report::Failed(CallFailure::Panicked(report.clone()).fitting()), &[], true);
        }
    });
    let done = receive_assignment(control).and_then(|Order { assignment, descriptors, store }| match assignment {
        Assignment::Call { invocation, share } => {
            current::set_role(Role::Spawned, share);
            serve_call(control, invocation, descriptors, store)
        }
        Assignment::Serve { index, generation, share, initializer } => {
            current::set_role(Role::Pooled { index: index as usize, generation }, share);
            serve_pool(control, initializer, descriptors, store)
        }
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            // The parent may be gone, which is one way to get here, or the channel, and another file has its number.
            if control.is_intact() && !is_forked_by_task() {
                let _ = control.send(&Report::Refused(error.to_string()), &[], true);
            }
            FAILED
        }
    }
}

/// The assignment, with the handles and descriptors that came with it.
struct Order {
    assignment: Assignment,
    descriptors: Vec<OwnedFd>,
    store: Store,
}

fn receive_assignment(control: &Control) -> io::Result<Order> {
    let mut store = Store::default();
    loop {
        match control.receive(true)? {
            Incoming::Message(Opening::Handles(notes), descriptors) => store.keep(&notes, descriptors)?,
            Incoming::Message(Opening::Assignment(assignment), descriptors) => {
                return Ok(Order { assignment, descriptors, store });
            }
            Incoming::Nothing | Incoming::End => {
                return Err(io::Error::other("the parent ended before it said what to do"));
            }
        }
    }
}

fn serve_call(
    control: &Control,
    invocation: Invocation,
    mut descriptors: Vec<OwnedFd>,
    mut store: Store,
) -> io::Result<i32> {
    let arguments = store.unpack(invocation.arguments, &mut descriptors)?;
    control.send(&Report::Started, &[], true)?;
    watch::until_safe();
    let outcome = run(invocation.function, invocation.name.as_deref(), &arguments);
    drop(arguments);
    flush();
    if is_forked_by_task() {
        return Ok(0);
    }
    report(control, outcome)
}

/// Tells the parent what came of a call; returns the exit code.
fn report(control: &Control, outcome: Result<Payload, CallFailure>) -> io::Result<i32> {
    let mut block = None;
    let packed = outcome.and_then(|value| {
        let len = value.bytes.len();
        transfer::pack::<Report>(control, &value, &mut block, true).map_err(|error| not_handed_over(len, &error))
    });
    match packed {
        Ok((package, block)) => {
            control.send(&Report::Value(package), &borrowed(block), true)?;
            Ok(0)
        }
        Err(failure) => {
            control.send(&Report::Failed(failure.fitting()), &[], true)?;
            Ok(FAILED)
        }
    }
}

/// Why a result that was ready did not leave this process.
fn not_handed_over(len: usize, error: &io::Error) -> CallFailure {
    let text = format!("the result of {len} bytes could not be handed over: {error}");
    CallFailure::Encode(CodecError::of_bytes(text).seen_by_worker())
}

fn run(function: u64, name: Option<&str>, arguments: &Payload) -> Result<Payload, CallFailure> {
    let entry = find(function)?;
    current::set_call(entry.name(), name);
    program::set_title(name.unwrap_or(entry.name()));
    let mut value = Payload::default();
    match call(entry, &arguments.bytes, &arguments.handles, &mut value, true) {
        None => Ok(value),
        Some(failure) => Err(failure),
    }
}

/// What was printed is out before the parent hears that the call is done, and is not lost when this process is killed.
fn flush() {
    let _ = io::stdout().flush();
}

fn serve_pool(
    control: &Control,
    initializer: Option<Invocation>,
    mut descriptors: Vec<OwnedFd>,
    store: Store,
) -> io::Result<i32> {
    if descriptors.len() < 3 {
        return Err(io::Error::other("no descriptor was free to receive the lane; raise the limit (`ulimit -n`)"));
    }
    let rest = descriptors.split_off(3);
    let [lane_fd, bell_fd, attention] =
        <[OwnedFd; 3]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut lane = WorkerLane::open(lane_fd.as_fd())?;
    let mut bell = WorkerBell::open(bell_fd.as_fd(), Event::from_fd(attention))?;
    // Before the first task runs.
    forked::hide([lane.mapping(), bell.mapping()]);
    // The mappings live on without them, and the task has two more numbers to itself.
    drop((lane_fd, bell_fd));
    let mut mailbox = Mailbox { control, store, blocks: BTreeMap::new() };
    if let Some(invocation) = initializer {
        watch::until_safe();
        if let Some(code) = initialize(&mut mailbox, invocation, rest)? {
            return Ok(code);
        }
        program::set_title(program::name());
    } else {
        control.send(&Report::Started, &[], true)?;
        watch::until_safe();
    }
    Server { mailbox, lane, bell, value: Payload::default(), numbers: Vec::new(), spare: None }.serve()
}

/// Runs the pool's initializer; an exit code when it failed.
fn initialize(mailbox: &mut Mailbox<'_>, invocation: Invocation, mut rest: Vec<OwnedFd>) -> io::Result<Option<i32>> {
    let arguments = mailbox.store.unpack(invocation.arguments, &mut rest)?;
    let outcome = run(invocation.function, invocation.name.as_deref(), &arguments);
    flush();
    if is_forked_by_task() {
        return Ok(Some(0));
    }
    let code = report(mailbox.control, outcome)?;
    Ok((code != 0).then_some(code))
}

/// What the parent sends beside the lane.
struct Mailbox<'a> {
    control: &'a Control,
    store: Store,
    /// Parcels that were too large for the lane.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Mailbox<'_> {
    /// Takes one message; false when there is none, without waiting.
    fn take(&mut self, wait: bool) -> io::Result<bool> {
        check_intact(self.control)?;
        match self.control.receive(wait)? {
            Incoming::Message(Delivery::Handles(notes), descriptors) => self.store.keep(&notes, descriptors)?,
            Incoming::Message(Delivery::Parcel { number, body }, mut descriptors) => {
                let parcel = body.unpack(&mut descriptors)?;
                self.blocks.insert(number, parcel);
            }
            Incoming::Message(Delivery::Forget(id), _) => self.store.forget(id),
            Incoming::Nothing => return Ok(false),
            Incoming::End => return Err(io::Error::other("the parent ended")),
        }
        Ok(true)
    }

    /// The parcel with this number, which was announced.
    fn parcel(&mut self, number: u64) -> io::Result<Vec<u8>> {
        loop {
            if let Some(parcel) = self.blocks.remove(&number) {
                return Ok(parcel);
            }
            self.take(true)?;
        }
    }

    /// The handles that a parcel names; they were sent ahead of it.
    fn handles(&mut self, opened: &Opened<'_>) -> io::Result<Handles> {
        if opened.handles().next().is_none() {
            return Ok(Handles::new());
        }
        // What is kept here from an earlier call was not sent again.
        if !self.store.has_all(opened.handles()) {
            while self.take(false)? {}
        }
        self.store.find(opened.handles(), true)
    }
}

struct Server<'a> {
    mailbox: Mailbox<'a>,
    lane: WorkerLane,
    bell: WorkerBell,
    /// The value of the item that runs; kept, so that an item costs no allocation.
    value: Payload,
    /// Items that did not travel, because the first of them tells the others.
    numbers: Vec<u8>,
    /// What a large result travelled in, for the next one.
    spare: Option<Spare>,
}

/// A block that was used before.
struct Spare {
    block: Block,
    /// The parcel whose result it held.
    number: u64,
    since: Instant,
}

impl Server<'_> {
    fn serve(&mut self) -> io::Result<i32> {
        loop {
            let keeps = self.spare.is_some() || bulk::let_go(config::SPARE_BLOCK).is_some();
            match self.lane.take(keeps.then_some(config::SPARE_BLOCK), || self.bell.ring_idle()) {
                Work::Nothing => self.spare = None,
                Work::Parcel { number, len, in_block } => {
                    let block = if in_block { Some(self.mailbox.parcel(number)?) } else { None };
                    self.run(number, len, block.as_deref())?;
                    if forked::is_forked() {
                        return Ok(0);
                    }
                    if self.spare.as_ref().is_some_and(|spare| spare.since.elapsed() > config::SPARE_BLOCK) {
                        self.spare = None;
                    }
                    if !self.mailbox.control.is_intact() {
                        // The task closed what it found: nothing large can leave, and nobody can be called. Another one
                        // serves.
                        return Ok(0);
                    }
                }
                Work::Revoked { number, in_block } => {
                    if in_block {
                        self.mailbox.parcel(number)?;
                    }
                    // Something may wait for the room.
                    self.bell.ring(true);
                }
                Work::Mail => while self.mailbox.take(false)? {},
                Work::Stop { within } => {
                    within.into_iter().for_each(ending::grant);
                    return Ok(0);
                }
            }
        }
    }

    /// Runs a parcel, which is in its slot or in a block.
    fn run(&mut self, number: u64, len: usize, block: Option<&[u8]>) -> io::Result<()> {
        let Self { mailbox, lane, value, numbers, spare, .. } = self;
        let parcel = block.unwrap_or_else(|| lane.parcel(number, len));
        let lent = forked::lend(parcel);
        let unreadable = || io::Error::other("a parcel that cannot be read");
        let mut opened = Opened::read(parcel).ok_or_else(unreadable)?;
        opened.write_out(numbers).ok_or_else(unreadable)?;
        let handles = mailbox.handles(&opened)?;
        let mut run = Run { control: mailbox.control, lane, value, spare, number, opened, handles };
        let whole = if run.opened.merge == 0 { run.map()? } else { run.merge()? };
        // What came with the parcel is the parent's to use again from its end on.
        drop(run);
        drop(lent);
        flush();
        if forked::is_forked() {
            return Ok(());
        }
        self.lane.end(number);
        self.bell.ring(!whole);
        Ok(())
    }
}

/// A parcel that runs.
struct Run<'a> {
    control: &'a Control,
    lane: &'a WorkerLane,
    value: &'a mut Payload,
    spare: &'a mut Option<Spare>,
    number: u64,
    opened: Opened<'a>,
    handles: Handles,
}

impl Run<'_> {
    /// Runs the items one by one; false when it had to stop before the last.
    fn map(&mut self) -> io::Result<bool> {
        let opened = &self.opened;
        let entry = registry::find(opened.function);
        let reply = self.lane.reply(self.number, opened.flags & parcel::TIMED != 0);
        let wanted = opened.flags & parcel::DISCARD == 0;
        let mut outlet =
            Outlet { control: self.control, lane: self.lane, spare: self.spare, parcel: self.number, broken: None };
        let mut call = Call::new(opened.items(), &self.handles, self.value, wanted, Some(reply), &mut outlet);
        match entry {
            Some(entry) => {
                current::set_call(entry.name(), opened.name);
                entry.call(&mut call);
            }
            None => call.fail_all(&CallFailure::UnknownFunction { key: opened.function }),
        }
        let whole = call.done() as usize == opened.count();
        outlet.broken.map_or(Ok(whole), Err)
    }

    /// Runs the items, if there is a function for them, and merges their values into one.
    ///
    /// Runs of values are merged as a binary counter is: two of equal length become one of double length, so that each
    /// value takes part in few merges, however large the merged ones grow.
    fn merge(&mut self) -> io::Result<bool> {
        let Self { lane, number, opened, handles, .. } = self;
        let timed = opened.flags & parcel::TIMED != 0;
        let fallible = opened.flags & parcel::FALLIBLE != 0;
        let count = u32::try_from(opened.count()).unwrap_or(u32::MAX / 2);
        let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
        for (done, item) in (0_u32..).zip(opened.items()) {
            if lane.is_cancelled(*number) {
                return Ok(false);
            }
            lane.begin_merged(*number, done, timed);
            let value = value_of(opened, item, handles);
            if forked::is_forked() {
                return Ok(false);
            }
            let mut value = match value {
                Ok(value) => value,
                Err(failure) => return self.finish_merged(count, done + 1, Err(failure)),
            };
            // What was merged already stands in no `Ok` any more.
            if fallible && opened.function != 0 {
                value = match fallible::unwrap(value) {
                    Ok(value) => value,
                    Err(result) => return self.finish_merged(count, count, Ok(fallible::stopped(result, done))),
                };
            }
            runs.push((1, value));
            while let [.., (before, _), (last, _)] = runs[..] {
                if before > last && done + 1 < count {
                    break;
                }
                // Beyond the items: what is under way is a merge.
                lane.begin_merged(*number, count + done, timed);
                if let Err(failure) = merge_last(opened, &mut runs, handles) {
                    return self.finish_merged(count, count + done + 1, Err(failure));
                }
            }
        }
        let value = runs.pop().map(|(_, value)| value).unwrap_or_default();
        self.finish_merged(count, count, Ok(if fallible { fallible::merged(value) } else { value }))
    }

    /// Replies with one entry for all items; where it is a failure, what was `started` last names the item, or the merge.
    fn finish_merged(&mut self, count: u32, started: u32, merged: Result<Vec<u8>, CallFailure>) -> io::Result<bool> {
        let mut reply = self.lane.reply(self.number, false).for_all(started);
        let mut outlet =
            Outlet { control: self.control, lane: self.lane, spare: self.spare, parcel: self.number, broken: None };
        let (value, failure) = match merged {
            Ok(value) => (value, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        self.value.handles.clear();
        self.value.bytes = value;
        outlet.put(&mut reply, count - 1, self.value, failure);
        outlet.broken.map_or(Ok(true), Err)
    }
}

/// Where outcomes go: into the lane, or beside it what does not fit there.
struct Outlet<'a> {
    control: &'a Control,
    lane: &'a WorkerLane,
    spare: &'a mut Option<Spare>,
    parcel: u64,
    /// Why nothing can be sent any more.
    broken: Option<io::Error>,
}

impl Finish for Outlet<'_> {
    fn finish(
        &mut self,
        reply: Option<&mut ReplyWriter<'_>>,
        value: &mut Payload,
        failure: Option<CallFailure>,
    ) -> bool {
        reply.is_some_and(|reply| self.put(reply, reply.done(), value, failure))
    }
}

impl Outlet<'_> {
    /// Puts the outcome of an item where it fits; false when no other should follow.
    fn put(
        &mut self,
        reply: &mut ReplyWriter<'_>,
        item: u32,
        value: &mut Payload,
        failure: Option<CallFailure>,
    ) -> bool {
        let failed = failure.is_some();
        if let Some(failure) = failure {
            value.handles.clear();
            value.bytes = reply::failure_bytes(failure);
        }
        let tag = if failed { tag::FAILURE } else { tag::VALUE };
        if value.handles.is_empty() && reply.push_entry(tag, &value.bytes) {
            return true;
        }
        // Where the area is full the parent takes it in, and sends the rest again.
        let full = value.handles.is_empty() && value.bytes.len() <= LONGEST_ENTRY;
        let sent = self.send_beside(item, value, failed);
        // There is room for it: an item is not started where there is none.
        reply.push_entry(tag::LARGE, &[]);
        // One large value is no reason to keep so much.
        value.handles.clear();
        value.bytes.clear();
        value.bytes.shrink_to(LONGEST_ENTRY);
        if let Err(error) = sent {
            self.broken = Some(error);
            return false;
        }
        !full
    }

    fn send_beside(&mut self, item: u32, value: &Payload, failed: bool) -> io::Result<()> {
        check_intact(self.control)?;
        if is_forked_by_task() {
            return Ok(());
        }
        // Once the parent has taken in the parcel that it was for, nobody reads the block any more.
        let free = self.spare.take().filter(|spare| self.lane.is_taken_in(spare.number));
        let mut block = free.map(|spare| spare.block);
        match transfer::pack::<Report>(self.control, value, &mut block, true) {
            Ok((package, filled)) => {
                let report = Report::Large { parcel: self.parcel, item, package, failed };
                self.control.send(&report, &borrowed(filled), true)?;
                *self.spare = block.map(|block| Spare { block, number: self.parcel, since: Instant::now() });
                Ok(())
            }
            Err(error) => {
                // A failure is short enough to go in the message itself.
                let bytes = reply::failure_bytes(not_handed_over(value.bytes.len(), &error));
                let package = Package { body: Body::Inline(bytes), handles: Ids::new() };
                self.control.send(&Report::Large { parcel: self.parcel, item, package, failed: true }, &[], true)
            }
        }
    }
}

/// Refuses a channel that a task has closed, whatever has its number now.
fn check_intact(control: &Control) -> io::Result<()> {
    if control.is_intact() { Ok(()) } else { Err(io::Error::other("the task closed the way to its program")) }
}

/// The value of an item of a parcel that is to be merged; it may be one already.
fn value_of(opened: &Opened<'_>, item: &[u8], handles: &[Handle]) -> Result<Vec<u8>, CallFailure> {
    if opened.function == 0 {
        return Ok(item.to_vec());
    }
    let entry = find(opened.function)?;
    current::set_call(entry.name(), opened.name);
    value_from(entry, item, handles)
}

/// Merges the last two runs: their values, one after the other, are the arguments of the merge.
fn merge_last(opened: &Opened<'_>, runs: &mut Vec<(u32, Vec<u8>)>, handles: &[Handle]) -> Result<(), CallFailure> {
    let entry = find(opened.merge)?;
    if let (Some((last, value)), Some((before, mut arguments))) = (runs.pop(), runs.pop()) {
        arguments.extend_from_slice(&value);
        current::set_call(entry.name(), opened.name);
        runs.push((before + last, value_from(entry, &arguments, handles)?));
    }
    Ok(())
}

fn find(function: u64) -> Result<&'static Entry, CallFailure> {
    registry::find(function).ok_or(CallFailure::UnknownFunction { key: function })
}
