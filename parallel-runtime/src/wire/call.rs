//! One call on the wire: its arguments on the way out, and the run of the function on the way back.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::borrowed::Borrowed;
use super::codec::CodecError;
use super::handles::{self, Handle};
use super::parameter::{ArgumentCodec, Owned, Parameter, ResultCodec, Returns};
use super::parcel::Items;
use super::payload::Payload;
use super::plain::{self, Plain};
use crate::memory::given::{self, Given, Keeping};
use crate::memory::reply::{ReplyWriter, RowWriter};
use crate::panic::{self, PanicReport};

/// For so many numbers memory is taken before it is known that they come.
const AT_A_TIME: usize = 16 << 10;

/// One call's arguments, in the order of the parameters; in a map, those of several calls one after the other.
#[derive(Debug, Default)]
pub struct Arguments(Payload);

impl Arguments {
    pub(crate) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.bytes.truncate(len);
    }

    /// Takes memory for so many more bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.0.bytes.reserve_exact(bytes);
    }

    /// Appends an argument that is bytes already.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.0.bytes.extend_from_slice(bytes);
    }

    /// Appends numbers of so many bytes each as they stand, at most `most`; returns how many there were.
    pub(crate) fn push_numbers<T>(
        &mut self,
        width: usize,
        most: usize,
        numbers: &mut impl Iterator<Item = T>,
    ) -> usize {
        let bytes = &mut self.0.bytes;
        let mut taken = 0;
        while taken < most {
            let before = bytes.len();
            let places = (most - taken).min(AT_A_TIME);
            bytes.resize(before + places * width, 0);
            let mut filled = 0;
            // A place first: no number is taken that has none.
            for (place, number) in bytes[before..].chunks_exact_mut(width).zip(&mut *numbers) {
                if let Some(Plain::Number(number)) = plain::as_plain(&number) {
                    place[..number.len()].copy_from_slice(number);
                }
                filled += 1;
            }
            taken += filled;
            if filled < places {
                bytes.truncate(before + filled * width);
                break;
            }
        }
        taken
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.0
    }

    /// Appends the argument for the parameter `INDEX` of `F`.
    ///
    /// # Errors
    ///
    /// What the type's `Serialize` says when it refuses, or that it panicked.
    #[inline]
    pub fn push<F: Parameter<INDEX>, const INDEX: usize>(&mut self, value: &F::Type) -> Result<(), CodecError> {
        let Payload { bytes, handles } = &mut self.0;
        if plain::encode_bulk(value, bytes, handles).is_some() || plain::encode(value, bytes).is_some() {
            return Ok(());
        }
        let before = bytes.len();
        match panic::catch(|| handles::gathering(handles, || F::codec().encode(value, bytes))) {
            Ok(encoded) => encoded.map_err(|error| error.of_argument(F::NAME)),
            Err(report) => {
                self.0.bytes.truncate(before);
                Err(CodecError::of_panic::<F::Type>("Serialize", &report).of_argument(F::NAME))
            }
        }
    }
}

/// The arguments of one call as the worker reads them.
#[derive(Debug)]
pub struct Parameters<'a> {
    bytes: &'a [u8],
    handles: &'a [Handle],
    /// Whether one of those that were taken is deep.
    deep: bool,
}

impl<'a> Parameters<'a> {
    /// Takes the next argument, that for the parameter `INDEX` of `F`, by value.
    ///
    /// # Errors
    ///
    /// What the type's `Deserialize` says when it refuses.
    #[inline]
    pub fn take<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Given<Owned<F, INDEX>>, CodecError> {
        if let Some((value, used)) = plain::decode(self.bytes) {
            self.bytes = &self.bytes[used..];
            return Ok(Given::new(value));
        }
        let before = given::met();
        let (value, used) = take_through_codec::<F, INDEX>(self.bytes, self.handles)?;
        self.deep |= given::met() != before;
        self.bytes = &self.bytes[used..];
        Ok(Given::since(value, before))
    }

    /// Takes the next argument, that for the parameter `INDEX` of `F`, which the function is to borrow.
    ///
    /// # Errors
    ///
    /// What the owned type's `Deserialize` says when it refuses.
    #[inline]
    pub fn take_borrowed<F: Parameter<INDEX>, const INDEX: usize>(&mut self) -> Result<Owner<'a, F::Type>, CodecError> {
        if let Some((view, used)) = plain::view(self.bytes) {
            self.bytes = &self.bytes[used..];
            return Ok(Owner(Held::Here(view)));
        }
        self.take::<F, INDEX>().map(|owned| Owner(Held::Owned(owned)))
    }
}

// Out of the way of plain arguments, whose loops are to stay small, and with nothing of theirs that would be kept in memory.
#[inline(never)]
fn take_through_codec<F: Parameter<INDEX>, const INDEX: usize>(
    bytes: &[u8],
    handles: &[Handle],
) -> Result<(Owned<F, INDEX>, usize), CodecError> {
    if let Some(found) = plain::decode_bulk(bytes, handles) {
        return Ok(found);
    }
    match panic::catch(|| handles::providing(handles, || F::codec().decode(bytes))) {
        Ok(decoded) => decoded.map_err(|error| error.of_argument(F::NAME)),
        Err(report) => Err(CodecError::of_panic::<Owned<F, INDEX>>("Deserialize", &report).of_argument(F::NAME)),
    }
}

/// Holds a borrowed argument while the function runs.
pub struct Owner<'a, B: Borrowed + ?Sized>(Held<'a, B>);

impl<B: Borrowed + ?Sized> std::fmt::Debug for Owner<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

enum Held<'a, B: Borrowed + ?Sized> {
    /// In its owned form.
    Owned(Given<B::Owned>),
    /// Where it arrived.
    Here(&'a B),
}

impl<B: Borrowed + ?Sized> Owner<'_, B> {
    /// Borrows it as the parameter says.
    #[inline]
    pub fn get(&self) -> &B {
        match &self.0 {
            Held::Owned(owned) => (**owned).borrow(),
            Held::Here(view) => view,
        }
    }
}

/// Why a call that reached its worker gave no value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum CallFailure {
    Panicked(PanicReport),
    Decode(CodecError),
    Encode(CodecError),
    /// The worker's program has no function of this key.
    UnknownFunction {
        key: u64,
    },
}

/// What a report may hold of a panic's backtrace, in bytes: a message has an end.
const LONGEST_BACKTRACE: usize = 24 << 10;
/// What it may hold of any other text.
const LONGEST_TEXT: usize = 4 << 10;

impl CallFailure {
    /// Cuts what is too long for one message.
    pub(crate) fn fitting(mut self) -> Self {
        match &mut self {
            Self::Panicked(report) => report.cut(LONGEST_TEXT, LONGEST_BACKTRACE),
            Self::Decode(error) | Self::Encode(error) => error.cut(LONGEST_TEXT),
            Self::UnknownFunction { .. } => {}
        }
        self
    }
}

/// What becomes of each item's outcome in the process that runs it.
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
pub struct Call<'a> {
    items: Items<'a>,
    handles: &'a [Handle],
    /// The value of the item that runs, where it does not go straight into the reply.
    value: &'a mut Payload,
    /// Whether anybody wants the values.
    wanted: bool,
    /// Whether a large value may travel in memory of its own.
    bulk: bool,
    /// `None` while a row of it is open.
    reply: Option<ReplyWriter<'a>>,
    /// The row that is open. Also a panic leaves it here: a `Drop` on the unwinding's way would take it a fifth of its time.
    row: Option<RowWriter<'a>>,
    finish: &'a mut dyn Finish,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("items", &self.items).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
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

    /// Keeps the bytes of all values together, for who works on them here.
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
        // One frame that catches serves many items: it is left where one of them panics.
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
        // What nobody wants is never encoded, and so nobody learns how deep it is.
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

    /// Runs items whose values make a row, or are dropped, until one fails; `None`: all are done. In a frame of its own, where
    /// the few words of the loop are registers. `PLAIN`: nobody wants to know more of the items than their values.
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

    /// Runs items whose values are encoded first, until one fails or no other is to follow; `None`: all are done.
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

    /// Begins the next item; `None` when there is none, or no room for its reply, or nobody wants it.
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
    let mut parameters = Parameters { bytes: item, handles, deep: false };
    let function = decode(&mut parameters).map_err(|error| CallFailure::Decode(error.seen_by_worker()))?;
    if parameters.bytes.is_empty() {
        return Ok(Decoded { function, deep: parameters.deep });
    }
    let left = parameters.bytes.len();
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

/// Decodes a call's result in the calling process.
#[inline]
pub(crate) fn decode_result<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    match plain::decode(bytes) {
        Some((value, used)) if used == bytes.len() => Ok(value),
        _ => decode_through_codec::<H>(bytes, handles),
    }
}

#[inline(never)]
fn decode_through_codec<H: Returns>(bytes: &[u8], handles: &[Handle]) -> Result<H::Output, CodecError> {
    if let Some((value, used)) = plain::decode_bulk(bytes, handles)
        && used == bytes.len()
    {
        return Ok(value);
    }
    if handles.iter().any(|handle| matches!(handle, Handle::Arrived(arrived) if !arrived.is_here())) {
        let text = "it is in memory of the process that this one was forked from; join there";
        return Err(CodecError::of_bytes(text.to_string()));
    }
    match panic::catch(|| handles::providing(handles, || H::codec().decode_whole(bytes))) {
        Ok(decoded) => decoded,
        Err(report) => Err(CodecError::of_panic::<H::Output>("Deserialize", &report)),
    }
}
