//! The worker: the loop in the child, from its assignment to its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::mailbox::Mailbox;
use super::outlet::not_handed_over;
use super::parcel::{Run, find};
use super::{PROCESS, is_forked_by_task};
use crate::current::{self, Role};
use crate::ending;
use crate::lane::bell::WorkerBell;
use crate::lane::bulk;
use crate::lane::worker::{Work, WorkerLane};
use crate::panic;
use crate::process::control::{Assignment, Control, Incoming, Invocation, Opening, Report, SpareBlock, borrowed};
use crate::process::transfer::{self, Store};
use crate::run::call::call_one;
use crate::sys::forked;
use crate::sys::program;
use crate::sys::wait::Event;
use crate::sys::watch;
use crate::sys::{AsDescriptor, Descriptor};
use crate::tuning;
use crate::wire::outcome::CallFailure;
use crate::wire::parcel::ParcelReader;
use crate::wire::payload::Payload;

/// What `main` returns after a panic; a spawned call that gave no value ends so.
const FAILED: i32 = 101;

/// The channel to the parent, for the report of a panic that aborts.
static CONTROL: OnceLock<&'static Control> = OnceLock::new();

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
    let done =
        receive_assignment(control).and_then(
            |ReceivedAssignment { assignment, descriptors, store }| match assignment {
                Assignment::Call { invocation, share } => {
                    current::set_role(Role::Spawned, share);
                    serve_call(control, invocation, descriptors, store)
                }
                Assignment::Serve { index, generation, share, initializer } => {
                    current::set_role(Role::Pooled { index: index as usize, generation }, share);
                    serve_pool(control, initializer, descriptors, store)
                }
            },
        );
    match done {
        Ok(code) => code,
        Err(error) => {
            // The parent may be gone; or a task has closed the channel, and another file has its number.
            if control.is_intact() && !is_forked_by_task() {
                let _ = control.send(&Report::Refused(error.to_string()), &[], true);
            }
            FAILED
        }
    }
}

/// The assignment, with the handles and descriptors that came with it.
struct ReceivedAssignment {
    assignment: Assignment,
    descriptors: Vec<Descriptor>,
    store: Store,
}

fn receive_assignment(control: &Control) -> io::Result<ReceivedAssignment> {
    let mut store = Store::default();
    loop {
        match control.receive(true)? {
            Incoming::Message(Opening::Handles(notes), descriptors) => store.keep(&notes, descriptors)?,
            Incoming::Message(Opening::Assignment(assignment), descriptors) => {
                return Ok(ReceivedAssignment { assignment, descriptors, store });
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
    mut descriptors: Vec<Descriptor>,
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

fn run(function: u64, name: Option<&str>, arguments: &Payload) -> Result<Payload, CallFailure> {
    let entry = find(function)?;
    current::set_call(entry.name(), name);
    program::set_title(name.unwrap_or(entry.name()));
    let mut value = Payload::default();
    match call_one(entry, &arguments.bytes, &arguments.handles, &mut value, true) {
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
    mut descriptors: Vec<Descriptor>,
    store: Store,
) -> io::Result<i32> {
    if descriptors.len() < 3 {
        return Err(io::Error::other("no descriptor was free to receive the lane; raise the limit (`ulimit -n`)"));
    }
    let rest = descriptors.split_off(3);
    let [lane_fd, bell_fd, attention] =
        <[Descriptor; 3]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut lane = WorkerLane::open(lane_fd.as_descriptor())?;
    let mut bell = WorkerBell::open(bell_fd.as_descriptor(), Event::from_descriptor(attention))?;
    // Before the first task runs.
    forked::hide([lane.mapping(), bell.mapping()]);
    // The mappings live on without their descriptors, and tasks have two more numbers.
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
fn initialize(mailbox: &mut Mailbox<'_>, invocation: Invocation, mut rest: Vec<Descriptor>) -> io::Result<Option<i32>> {
    let arguments = mailbox.store.unpack(invocation.arguments, &mut rest)?;
    let outcome = run(invocation.function, invocation.name.as_deref(), &arguments);
    flush();
    if is_forked_by_task() {
        return Ok(Some(0));
    }
    let code = report(mailbox.control, outcome)?;
    Ok((code != 0).then_some(code))
}

struct Server<'a> {
    mailbox: Mailbox<'a>,
    lane: WorkerLane,
    bell: WorkerBell,
    /// The value of the item that runs; kept, so that an item costs no allocation.
    value: Payload,
    /// Consecutive items written out: only the first of them travels.
    numbers: Vec<u8>,
    /// The block of the latest large result, for the next one.
    spare: Option<SpareBlock>,
}

impl Server<'_> {
    fn serve(&mut self) -> io::Result<i32> {
        loop {
            let keeps = self.keeps_memory() || bulk::let_go(tuning::SPARE_BLOCK).is_some();
            match self.lane.take(keeps.then_some(tuning::SPARE_BLOCK), || self.bell.ring_idle()) {
                Work::Nothing => self.let_go(),
                Work::Parcel { number, len, in_block } => {
                    let block = if in_block { Some(self.mailbox.parcel(number)?) } else { None };
                    self.run(number, len, block.as_deref())?;
                    if forked::is_forked() {
                        return Ok(0);
                    }
                    if self.spare.as_ref().is_some_and(|spare| spare.since.elapsed() > tuning::SPARE_BLOCK) {
                        self.spare = None;
                    }
                    if !self.mailbox.control.is_intact() {
                        // A task has closed descriptors of ours: nothing large can leave, and the reactor cannot be
                        // called. End, so that the pool starts another worker.
                        return Ok(0);
                    }
                }
                Work::Revoked { number, in_block } => {
                    if in_block {
                        self.mailbox.parcel(number)?;
                    }
                    // A batch may wait for the slot.
                    self.bell.ring(true);
                }
                Work::Mail => while self.mailbox.receive(false)? {},
                Work::Stop { within } => {
                    within.into_iter().for_each(ending::grant);
                    return Ok(0);
                }
            }
        }
    }

    /// Whether what was large has left memory behind.
    fn keeps_memory(&self) -> bool {
        self.spare.is_some() || self.lane.is_wide() || self.value.bytes.capacity() > tuning::USUAL_AREA
    }

    /// Gives it back.
    fn let_go(&mut self) {
        self.spare = None;
        self.value.bytes.shrink_to(tuning::USUAL_AREA);
        self.lane.narrow();
    }

    /// Runs a parcel, which is in its slot or in a block.
    fn run(&mut self, number: u64, len: usize, block: Option<&[u8]>) -> io::Result<()> {
        let Self { mailbox, lane, value, numbers, spare, .. } = self;
        let parcel = block.unwrap_or_else(|| lane.parcel(number, len));
        let lent = forked::lend(parcel);
        let unreadable = || io::Error::other("a parcel that cannot be read");
        let mut opened = ParcelReader::read(parcel).ok_or_else(unreadable)?;
        opened.write_out(numbers).ok_or_else(unreadable)?;
        let handles = mailbox.handles(&opened)?;
        let mut run = Run { control: mailbox.control, lane, value, spare, number, opened, handles };
        let whole = if run.opened.merge == 0 { run.map()? } else { run.merge()? };
        // Before the end: from then on the parent uses the memory of the parcel and its handles again.
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
