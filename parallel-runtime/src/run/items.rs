//! The loop over a parcel's items: arguments are decoded, the function runs, its value is encoded.

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
    pub fn run<H: Returns, F>(&mut self, decode: impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>)
    where
        F: FnOnce() -> H::Output,
    {
        // One `catch` serves many items: the panic of one leaves it, and the items behind it get another.
        while let Err(report) = panic::catch(|| self.run_items::<H, F>(&decode)) {
            self.close_row();
            if !self.end(Some(CallFailure::Panicked(report))) {
                return;
            }
        }
    }

    fn run_items<H: Returns, F>(&mut self, decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>)
    where
        F: FnOnce() -> H::Output,
    {
        let short = !self.wanted || plain::is_short::<H::Output>();
        // A value that is not wanted is never encoded, so its depth stays unknown.
        let _keeping = (!self.wanted && plain::may_be_deep::<H::Output>()).then(Keeping::new);
        loop {
            let reply = if short { self.reply.take() } else { None };
            let failure = match reply {
                Some(reply) => match self.items.even() {
                    Some(even) if self.wanted && !reply.is_timed() => self.run_row::<H, F, true>(reply, even, decode),
                    _ => self.run_row::<H, F, false>(reply, self.items.clone(), decode),
                },
                None => self.run_others::<H, F>(decode),
            };
            self.close_row();
            let Some(failure) = failure else { return };
            if !self.end(Some(failure)) {
                return;
            }
        }
    }

    /// Runs items until one fails; `None`: all are done. Their values make a row, or are dropped. In a frame of its own, where
    /// the few words of the loop are registers. `PLAIN`: the values are wanted, and the items' times are not.
    #[inline(never)]
    fn run_row<H: Returns, F, const PLAIN: bool>(
        &mut self,
        reply: ReplyWriter<'a>,
        items: impl Iterator<Item = &'a [u8]> + Clone,
        decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
    ) -> Option<CallFailure>
    where
        F: FnOnce() -> H::Output,
    {
        let (handles, wanted, timed) = (self.handles, PLAIN || self.wanted, !PLAIN && reply.is_timed());
        let row = reply.row(if wanted { size_of::<H::Output>() } else { 0 }, self.items.len());
        let row = self.row.insert(row);
        let (mut index, mut items) = (0, items.clone());
        while row.begin(index, timed) {
            let decoded = match decode_one(items.next()?, handles, decode) {
                Ok(decoded) => decoded,
                Err(failure) => return Some(failure),
            };
            let value = decoded.call();
            if wanted {
                let written = plain::write_short(&value, row, index);
                debug_assert!(written.is_some(), "the values of a row are short");
            } else if plain::may_be_deep::<H::Output>() {
                given::drop_apart(value);
            } else {
                drop(value);
            }
            index += 1;
            panic::tell_caught();
        }
        None
    }

    /// Runs items, and encodes their values, until one fails or no other is to follow; `None`: all are done.
    fn run_others<H: Returns, F>(
        &mut self,
        decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
    ) -> Option<CallFailure>
    where
        F: FnOnce() -> H::Output,
    {
        while let Some(item) = self.next() {
            let decoded = match decode_one(item, self.handles, decode) {
                Ok(decoded) => decoded,
                Err(failure) => return Some(failure),
            };
            if let Err(failure) = self.encode::<H>(decoded.call()) {
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

    fn encode<H: Returns>(&mut self, value: H::Output) -> Result<(), CallFailure> {
        let value = Given::new(value);
        let Payload { bytes, handles } = &mut *self.value;
        bytes.clear();
        handles.clear();
        let bulky = self.wanted && self.bulk && plain::encode_bulk(&*value, bytes, handles).is_some();
        let encoded = if bulky || !self.wanted || plain::encode(&*value, bytes).is_some() {
            Ok(Ok(()))
        } else {
            panic::catch(|| handles::gathering(handles, || H::codec().encode(&*value, bytes)))
        };
        // The value belongs to the function: a panic in its `Drop` is the function's panic.
        drop(value);
        let error = match encoded {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(report) => CodecError::of_panic::<H::Output>("Serialize", &report),
        };
        Err(CallFailure::Encode(error.seen_by_worker()))
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

/// Calls the function outside of the loop over the items: inside, it would share registers with it, and its own loops took
/// twice the time.
#[inline(never)]
fn call_apart<F: FnOnce() -> T, T>(function: F) -> T {
    function()
}

/// A function with the arguments of one item.
struct Decoded<F> {
    function: F,
    /// One of the arguments is deep. What the function does with it, and to drop it, may take as much stack as it took to
    /// decode it.
    deep: bool,
}

impl<F: FnOnce() -> T, T> Decoded<F> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as `decode_one`")]
    fn call(self) -> T {
        if self.deep { given::apart(self.function) } else { call_apart(self.function) }
    }
}

/// Decodes the arguments of one item, all of them.
#[inline(always)]
#[allow(clippy::inline_always, reason = "called in two places, and half the time of a short item where it is not")]
fn decode_one<'a, F>(
    item: &'a [u8],
    handles: &'a [Handle],
    decode: &impl Fn(&mut Parameters<'a>) -> Result<F, CodecError>,
) -> Result<Decoded<F>, CallFailure> {
    let mut parameters = Parameters::new(item, handles);
    let function = decode(&mut parameters).map_err(|error| CallFailure::Decode(error.seen_by_worker()))?;
    let left = parameters.left();
    if left == 0 {
        return Ok(Decoded { function, deep: parameters.are_deep() });
    }
    drop(function);
    Err(left_over(left))
}

#[cold]
fn left_over(bytes: usize) -> CallFailure {
    let error = CodecError::of_bytes(format!(
        "{bytes} bytes were left over after the last argument: a `Deserialize` reads less than its `Serialize` wrote"
    ));
    CallFailure::Decode(error.seen_by_worker())
}
