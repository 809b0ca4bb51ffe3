//! The loop over a parcel's items: arguments are decoded, the function runs, its value is encoded.
//!
//! There is one loop for all functions, over a call that is compiled for each; functions of numbers have a loop for their rows
//! beside it.

use std::slice::ChunksExact;

use crate::lane::reply::{ReplyWriter, RowWriter};
use crate::panic;
use crate::wire::arguments::Parameters;
use crate::wire::codec::CodecError;
use crate::wire::given::{self, Given, Keeping};
use crate::wire::handles::{self, Handle};
use crate::wire::outcome::CallFailure;
use crate::wire::parameter::{ResultCodec, Returns};
use crate::wire::parcel::Items;
use crate::wire::payload::Payload;
use crate::wire::plain;

/// Takes each item's outcome in the process that runs it.
pub(crate) trait Finish {
    /// Ends the item with the value in `value`, or with a failure; false: no further item is to be run.
    fn finish(
        &mut self,
        reply: Option<&mut ReplyWriter<'_>>,
        value: &mut Payload,
        failure: Option<CallFailure>,
    ) -> bool;
}

/// Calls of one function in the process that runs them, one after the other.
pub struct ItemLoop<'a> {
    items: Items<'a>,
    handles: &'a [Handle],
    /// The value of the item that runs, where it does not go straight into the reply.
    value: &'a mut Payload,
    /// Whether the values are wanted.
    wanted: bool,
    /// Whether a large value may travel in memory of its own.
    bulk: bool,
    /// `None` while a row of it is open.
    reply: Option<ReplyWriter<'a>>,
    /// The row that is open. A panic leaves it here too: a `Drop` on the unwinding's way would cost the panic a fifth of its time.
    row: Option<RowWriter<'a>>,
    finish: &'a mut dyn Finish,
}

impl std::fmt::Debug for ItemLoop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ItemLoop").field("items", &self.items).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl<'a> ItemLoop<'a> {
    pub(crate) fn new(
        items: Items<'a>,
        handles: &'a [Handle],
        value: &'a mut Payload,
        wanted: bool,
        reply: Option<ReplyWriter<'a>>,
        finish: &'a mut dyn Finish,
    ) -> Self {
        Self { items, handles, value, wanted, bulk: true, reply, row: None, finish }
    }

    /// Keeps all values in the bytes, none in memory of its own: they are read in this process.
    pub(crate) fn without_bulk(self) -> Self {
        Self { bulk: false, ..self }
    }

    /// How many items have a reply.
    pub(crate) fn done(&self) -> u32 {
        self.reply.as_ref().map_or(0, ReplyWriter::done)
    }

    /// Lets every item fail for the same reason.
    pub(crate) fn fail_all(&mut self, failure: &CallFailure) {
        while self.next().is_some() && self.end(Some(failure.clone())) {}
    }

    /// Decodes the arguments of each item, runs the function and encodes its result; each step's error or panic is its own
    /// failure of that item, and the next follows.
    pub(super) fn run<H: Returns, F>(&mut self, decode: impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>)
    where
        F: FnOnce() -> H::Output,
    {
        self.run_all(plain::short_width::<H::Output>(), &|item| item.run::<H, F>(&decode), None);
    }

    /// The same of a function that has numbers as arguments and result. Its items are shorter than what the loop over all kinds
    /// of items costs, so it has a loop of its own, which has only its counter to keep.
    pub(super) fn run_numbers<H: Returns, F>(&mut self, decode: impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>)
    where
        F: FnOnce() -> H::Output,
    {
        let run_row = |row: &RowWriter<'a>, mut items: ChunksExact<'a, u8>| {
            let mut index = 0;
            while row.begin(index, false) {
                let function = match decode_all(&mut Parameters::new(items.next()?, &[]), &decode) {
                    Ok(function) => function,
                    Err(failure) => return Some(failure),
                };
                let written = plain::write_short(&call_apart(function), row, index);
                debug_assert!(written.is_some(), "the values of a row are short");
                index += 1;
                panic::tell_caught();
            }
            None
        };
        self.run_all(plain::short_width::<H::Output>(), &|item| item.run::<H, F>(&decode), Some(&run_row));
    }

    /// Runs all items by `run`, those of a row by `run_row`. `width`: that of the values, where they make a row.
    fn run_all(&mut self, width: Option<usize>, run: RunItem<'_, 'a>, run_row: Option<RunRow<'_, 'a>>) {
        // One `catch` serves many items: the panic of one leaves it, and the items behind it get another.
        while let Err(report) = panic::catch(|| self.run_items(width, run, run_row)) {
            self.close_row();
            if !self.end(Some(CallFailure::Panicked(report))) {
                return;
            }
        }
    }

    fn run_items(&mut self, width: Option<usize>, run: RunItem<'_, 'a>, run_row: Option<RunRow<'_, 'a>>) {
        let width = if self.wanted { width } else { Some(0) };
        // A value that is not wanted is never encoded, so its depth stays unknown.
        let _keeping = (!self.wanted).then(Keeping::new);
        loop {
            let reply = width.and_then(|width| Some((width, self.reply.take()?)));
            let failure = match reply {
                Some((width, reply)) => self.run_row(reply, width, run, run_row),
                None => self.run_others(run),
            };
            self.close_row();
            let Some(failure) = failure else { return };
            if !self.end(Some(failure)) {
                return;
            }
        }
    }

    /// Runs items until one fails; `None`: all are done. Their values make a row, or are dropped.
    fn run_row(
        &mut self,
        reply: ReplyWriter<'a>,
        width: usize,
        run: RunItem<'_, 'a>,
        run_row: Option<RunRow<'_, 'a>>,
    ) -> Option<CallFailure> {
        let timed = reply.is_timed();
        let row = self.row.insert(reply.row(width, self.items.len()));
        if let (Some(run_row), Some(items), true) = (run_row, self.items.even(), self.wanted && !timed) {
            return run_row(row, items);
        }
        let (mut index, mut items) = (0, self.items.clone());
        while row.begin(index, timed) {
            let parameters = Parameters::new(items.next()?, self.handles);
            let mut item = Item { parameters, value: &mut *self.value, wanted: self.wanted, bulk: false };
            if let Err(failure) = run(&mut item) {
                return Some(failure);
            }
            if self.wanted {
                row.write_bytes(index, &self.value.bytes);
            }
            index += 1;
            panic::tell_caught();
        }
        None
    }

    /// Runs items until one fails or no other is to follow; `None`: all are done.
    fn run_others(&mut self, run: RunItem<'_, 'a>) -> Option<CallFailure> {
        while let Some(item) = self.next() {
            let parameters = Parameters::new(item, self.handles);
            let mut item = Item { parameters, value: &mut *self.value, wanted: self.wanted, bulk: self.bulk };
            if let Err(failure) = run(&mut item) {
                return Some(failure);
            }
            let goes_on = self.end(None);
            panic::tell_caught();
            if !goes_on {
                return None;
            }
        }
        None
    }

    /// Begins the next item; `None` when there is none, or no room for its reply, or the limit forbids it.
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(reply) = &self.reply {
            // An item that is not there is not begun.
            if self.items.len() == 0 || !reply.begin() {
                return None;
            }
        }
        self.items.next()
    }

    /// Closes the row that is open, if one is: the call goes on behind what was begun of it.
    #[inline]
    fn close_row(&mut self) {
        let Some(row) = self.row.take() else { return };
        let (reply, begun) = row.into_reply();
        self.items.skip_items(begun);
        self.reply = Some(reply);
    }

    fn end(&mut self, failure: Option<CallFailure>) -> bool {
        self.finish.finish(self.reply.as_mut(), self.value, failure)
    }
}

/// Runs one item of a function.
type RunItem<'r, 'a> = &'r dyn Fn(&mut Item<'_, 'a>) -> Result<(), CallFailure>;
/// Runs the items of a row, until one fails.
type RunRow<'r, 'a> = &'r dyn Fn(&RowWriter<'a>, ChunksExact<'a, u8>) -> Option<CallFailure>;

/// One item that runs.
struct Item<'v, 'a> {
    parameters: Parameters<'a>,
    /// Where its value goes.
    value: &'v mut Payload,
    wanted: bool,
    bulk: bool,
}

impl<'a> Item<'_, 'a> {
    /// Decodes the arguments, runs the function and encodes its value. This is what is compiled for each function.
    fn run<H: Returns, F>(
        &mut self,
        decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
    ) -> Result<(), CallFailure>
    where
        F: FnOnce() -> H::Output,
    {
        let function = decode_all(&mut self.parameters, decode)?;
        // What the function does with a deep argument, and to drop it, may take as much stack as it took to decode it.
        let value = given::run(self.parameters.are_deep(), function);
        self.encode(value, H::codec())
    }

    // Compiled for the type and its codec, not for each function.
    #[inline(never)]
    fn encode<T>(&mut self, value: T, codec: impl ResultCodec<T>) -> Result<(), CallFailure> {
        if !self.wanted {
            if plain::may_be_deep::<T>() {
                given::drop_apart(value);
            }
            return Ok(());
        }
        let value = Given::new(value);
        let Payload { bytes, handles } = &mut *self.value;
        bytes.clear();
        handles.clear();
        let bulky = self.bulk && plain::encode_bulk(&*value, bytes, handles).is_some();
        let encoded = if bulky || plain::encode(&*value, bytes).is_some() {
            Ok(Ok(()))
        } else {
            panic::catch(|| handles::gathering(handles, || codec.encode(&*value, bytes)))
        };
        // The value belongs to the function: a panic in its `Drop` is the function's panic.
        drop(value);
        let error = match encoded {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(report) => CodecError::of_panic::<T>("Serialize", &report),
        };
        Err(CallFailure::Encode(error.seen_by_worker()))
    }
}

/// Calls the function outside of the loop over a row: inside, it would share registers with it, and its own loops took
/// twice the time.
#[inline(never)]
fn call_apart<F: FnOnce() -> T, T>(function: F) -> T {
    function()
}

/// Decodes the arguments of one item, all of them.
#[inline(always)]
#[allow(clippy::inline_always, reason = "called in two places, and half the time of a short item where it is not")]
fn decode_all<'a, F>(
    parameters: &mut Parameters<'a>,
    decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
) -> Result<F, CallFailure> {
    let function = decode(parameters).map_err(not_decoded)?;
    match parameters.left() {
        0 => Ok(function),
        left => Err(left_over(left)),
    }
}

#[cold]
fn not_decoded(error: CodecError) -> CallFailure {
    CallFailure::Decode(error.seen_by_worker())
}

#[cold]
fn left_over(bytes: usize) -> CallFailure {
    not_decoded(CodecError::of_bytes(format!(
        "{bytes} bytes were left over after the last argument: a `Deserialize` reads less than its `Serialize` wrote"
    )))
}
