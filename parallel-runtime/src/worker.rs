//! The worker: the loop in the child, from its assignment to its end.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use crate::current::{self, Role};
use crate::lane::{Taken, WorkerBell, WorkerLane};
use crate::process::control::{Assignment, Body, Control, Incoming, Invocation, Report, borrowed};
use crate::registry::{self, Entry};
use crate::sys::program;
use crate::sys::wait::Event;
use crate::wire::call::{Call, CallFailure};
use crate::wire::codec::CodecError;
use crate::wire::parcel::{self, Opened};

/// What `main` returns after a panic; a spawned call that gave no value ends so.
const FAILED: i32 = 101;

/// Does what the parent asks for; returns the exit code.
pub(crate) fn work(control: &Control) -> i32 {
    match receive_assignment(control).and_then(|(assignment, descriptors)| match assignment {
        Assignment::Call(invocation) => serve_call(control, invocation, descriptors),
        Assignment::Serve { index, initializer } => serve_pool(control, index, initializer, descriptors),
    }) {
        Ok(code) => code,
        Err(error) => {
            // The parent may be gone, which is one way to get here.
            let _ = control.send(&Report::Refused(error.to_string()), &[], true);
            FAILED
        }
    }
}

fn receive_assignment(control: &Control) -> io::Result<(Assignment, Vec<OwnedFd>)> {
    match control.receive(true)? {
        Incoming::Message(assignment, descriptors) => Ok((assignment, descriptors)),
        Incoming::Nothing | Incoming::End => Err(io::Error::other("the parent ended before it said what to do")),
    }
}

fn serve_call(control: &Control, invocation: Invocation, mut descriptors: Vec<OwnedFd>) -> io::Result<i32> {
    current::set_role(Role::Spawned);
    let arguments = invocation.arguments.unpack(&mut descriptors)?;
    control.send(&Report::Started, &[], true)?;
    let mut value = Vec::new();
    let failure = run(invocation.function, invocation.name.as_deref(), &arguments, &mut value, true);
    flush();
    report(control, value, failure)
}

/// Tells the parent what came of a call; returns the exit code.
fn report(control: &Control, value: Vec<u8>, failure: Option<CallFailure>) -> io::Result<i32> {
    let len = value.len();
    let packed = match failure {
        None => Body::pack(value).map_err(|error| not_handed_over(len, &error)),
        Some(failure) => Err(failure),
    };
    match packed {
        Ok((body, block)) => {
            control.send(&Report::Value(body), &borrowed(block.as_slice()), true)?;
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

fn run(function: u64, name: Option<&str>, arguments: &[u8], value: &mut Vec<u8>, wanted: bool) -> Option<CallFailure> {
    let Some(entry) = registry::find(function) else { return Some(CallFailure::UnknownFunction { key: function }) };
    current::set_call(entry.name(), name);
    program::set_title(name.unwrap_or(entry.name()));
    call(entry, arguments, value, wanted)
}

fn call(entry: &Entry, arguments: &[u8], value: &mut Vec<u8>, wanted: bool) -> Option<CallFailure> {
    let mut call = Call::new(arguments, value, wanted);
    entry.call(&mut call);
    call.into_failure()
}

/// What was printed is out before the parent hears that the call is done, and is not lost when this process is killed.
fn flush() {
    let _ = io::stdout().flush();
}

fn serve_pool(
    control: &Control,
    index: u64,
    initializer: Option<Invocation>,
    mut descriptors: Vec<OwnedFd>,
) -> io::Result<i32> {
    if descriptors.len() < 3 {
        return Err(io::Error::other("no descriptor was free to receive the lane; raise the limit (`ulimit -n`)"));
    }
    let rest = descriptors.split_off(3);
    let [lane_fd, bell_fd, attention] =
        <[OwnedFd; 3]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
    let lane = WorkerLane::open(lane_fd.as_fd())?;
    let bell = WorkerBell::open(bell_fd.as_fd(), Event::from_fd(attention))?;
    // The mappings live on without them, and the task has two more numbers to itself.
    drop((lane_fd, bell_fd));
    current::set_role(Role::Pooled(usize::try_from(index).map_err(io::Error::other)?));
    if let Some(invocation) = initializer {
        if let Some(code) = initialize(control, invocation, rest)? {
            return Ok(code);
        }
    } else {
        control.send(&Report::Started, &[], true)?;
    }
    Server { control, lane, bell, scratch: Scratch::default() }.serve()
}

/// Runs the pool's initializer; an exit code when it failed.
fn initialize(control: &Control, invocation: Invocation, mut rest: Vec<OwnedFd>) -> io::Result<Option<i32>> {
    let arguments = invocation.arguments.unpack(&mut rest)?;
    let mut value = Vec::new();
    let failure = run(invocation.function, invocation.name.as_deref(), &arguments, &mut value, true);
    flush();
    let code = report(control, value, failure)?;
    Ok((code != 0).then_some(code))
}

/// Buffers that live as long as the worker, so that an item costs no allocation.
#[derive(Default)]
struct Scratch {
    value: Vec<u8>,
    entry: Vec<u8>,
}

impl Scratch {
    /// Gives back what one large item needed.
    fn trim(&mut self) {
        self.value.clear();
        self.value.shrink_to(crate::config::LANE_AREA);
    }
}

struct Server<'a> {
    control: &'a Control,
    lane: WorkerLane,
    bell: WorkerBell,
    scratch: Scratch,
}

impl Server<'_> {
    fn serve(&mut self) -> io::Result<i32> {
        while let Some(taken) = self.lane.take() {
            let (number, parcel) = match taken {
                Taken::Parcel { number, parcel: Ok(bytes) } => (number, bytes),
                Taken::Parcel { number, parcel: Err(len) } => (number, self.fetch(len)?),
                Taken::Revoked { in_block } => {
                    if in_block {
                        self.receive_block()?;
                    }
                    // Something may wait for the room.
                    self.bell.ring(true);
                    continue;
                }
            };
            let opened = Opened::read(&parcel).ok_or_else(|| io::Error::other("a parcel that cannot be read"))?;
            let begun = Instant::now();
            let whole = if opened.merge == 0 { self.map(number, &opened)? } else { self.merge(number, &opened)? };
            flush();
            self.lane.end(number, begun.elapsed());
            self.bell.ring(!whole);
            if !self.control.is_intact() {
                // The task closed what it found: nothing large can leave, and nobody can be called. Another one serves.
                return Ok(0);
            }
        }
        Ok(0)
    }

    /// Receives a parcel that was too large for the lane.
    fn fetch(&self, len: usize) -> io::Result<Vec<u8>> {
        let (body, mut descriptors) = self.receive_block()?;
        let bytes = Body::unpack(body, &mut descriptors)?;
        if bytes.len() == len { Ok(bytes) } else { Err(io::Error::other("a parcel of another length")) }
    }

    /// Receives what was announced in the lane.
    fn receive_block(&self) -> io::Result<(Body, Vec<OwnedFd>)> {
        match self.control.receive(true)? {
            Incoming::Message(body, descriptors) => Ok((body, descriptors)),
            Incoming::Nothing | Incoming::End => Err(io::Error::other("the parent ended")),
        }
    }

    /// Runs the items one by one; false when it had to stop before the last.
    fn map(&mut self, number: u64, opened: &Opened<'_>) -> io::Result<bool> {
        let entry = registry::find(opened.function);
        if let Some(entry) = entry {
            current::set_call(entry.name(), opened.name);
        }
        let timed = opened.flags & parcel::TIMED != 0;
        let wanted = opened.flags & parcel::DISCARD == 0;
        let (mut at, mut done) = (0, 0_u32);
        for item in opened.items() {
            let full = at + parcel::entry_size(0) > crate::config::LANE_AREA;
            if full || self.lane.is_cancelled(number) {
                return Ok(false);
            }
            self.lane.begin(number, done, timed);
            let Scratch { value, entry: bytes } = &mut self.scratch;
            value.clear();
            bytes.clear();
            let failure = match entry {
                Some(entry) => call(entry, item, value, wanted),
                None => Some(CallFailure::UnknownFunction { key: opened.function }),
            };
            match failure {
                None => parcel::write_value(value, bytes),
                Some(failure) => parcel::write_failure(failure, bytes),
            }
            done += 1;
            if self.lane.finish(number, done, at, bytes) {
                at += bytes.len();
                continue;
            }
            let more = bytes.len() > crate::config::LANE_AREA;
            at = self.finish_large(number, done, at)?;
            if !more && (done as usize) < opened.count() {
                return Ok(false);
            }
        }
        Ok(done as usize == opened.count())
    }

    /// Sends the entry in `scratch` beside the lane; returns where the next one goes.
    fn finish_large(&mut self, number: u64, done: u32, at: usize) -> io::Result<usize> {
        let entry = std::mem::take(&mut self.scratch.entry);
        let len = entry.len();
        match Body::pack(entry) {
            Ok((body, block)) => {
                let report = Report::Large { parcel: number, item: done - 1, body };
                self.control.send(&report, &borrowed(block.as_slice()), true)?;
                parcel::write_large(&mut self.scratch.entry);
            }
            Err(error) => {
                parcel::write_failure(not_handed_over(len, &error), &mut self.scratch.entry);
            }
        }
        self.scratch.trim();
        self.lane.finish(number, done, at, &self.scratch.entry);
        Ok(at + self.scratch.entry.len())
    }

    /// Runs the items, if there is a function for them, and merges their values into one.
    fn merge(&mut self, number: u64, opened: &Opened<'_>) -> io::Result<bool> {
        let timed = opened.flags & parcel::TIMED != 0;
        let count = u32::try_from(opened.count()).unwrap_or(u32::MAX / 2);
        let mut merged: Option<Vec<u8>> = None;
        for (done, item) in (0_u32..).zip(opened.items()) {
            if self.lane.is_cancelled(number) {
                return Ok(false);
            }
            self.lane.begin(number, done, timed);
            let step = value_of(opened, item).and_then(|value| match merged.take() {
                None => Ok(value),
                Some(before) => {
                    // Beyond the items: what is under way is a merge.
                    self.lane.begin(number, count + done, timed);
                    merge_two(opened, before, &value)
                }
            });
            match step {
                Ok(value) => merged = Some(value),
                Err(failure) => return self.finish_merged(number, count, Err(failure)),
            }
        }
        self.finish_merged(number, count, Ok(merged.unwrap_or_default()))
    }

    /// Replies with one entry for all items; where it is a failure, the progress names the item.
    fn finish_merged(&mut self, number: u64, count: u32, merged: Result<Vec<u8>, CallFailure>) -> io::Result<bool> {
        let entry = &mut self.scratch.entry;
        entry.clear();
        match merged {
            Ok(value) => parcel::write_value(&value, entry),
            Err(failure) => parcel::write_failure(failure, entry),
        }
        if !self.lane.finish(number, count, 0, &self.scratch.entry) {
            self.finish_large(number, count, 0)?;
        }
        Ok(true)
    }
}

/// The value of an item of a parcel that is to be merged; it may be one already.
fn value_of(opened: &Opened<'_>, item: &[u8]) -> Result<Vec<u8>, CallFailure> {
    if opened.function == 0 {
        return Ok(item.to_vec());
    }
    let entry = find(opened.function)?;
    current::set_call(entry.name(), opened.name);
    value_from(entry, item)
}

/// Merges two values: one after the other, they are the arguments of the merge.
fn merge_two(opened: &Opened<'_>, mut before: Vec<u8>, value: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let entry = find(opened.merge)?;
    before.extend_from_slice(value);
    current::set_call(entry.name(), opened.name);
    value_from(entry, &before)
}

fn find(function: u64) -> Result<&'static Entry, CallFailure> {
    registry::find(function).ok_or(CallFailure::UnknownFunction { key: function })
}

fn value_from(entry: &Entry, arguments: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut value = Vec::new();
    match call(entry, arguments, &mut value, true) {
        None => Ok(value),
        Some(failure) => Err(failure),
    }
}
