//! Messages on their way into a pipe and out of it.
//!
//! A number is copied as it is, from the sender's value into the ring and from the ring into the receiver's buffer. Other
//! messages are encoded into a buffer and decoded from one, which each thread keeps for its next message.

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::tuning::SPARE_BUFFER;
use crate::wire::handles::{Handle, Handles};
use crate::wire::message;
use crate::wire::payload::Payload;
use crate::wire::plain::{self, LARGEST_NUMBER, PlainBytes};

/// A message as it is sent: bytes, in two parts, and handles.
#[derive(Debug)]
pub(super) struct EncodedMessage<'a> {
    pub(super) head: &'a [u8],
    pub(super) bytes: &'a [u8],
    pub(super) handles: &'a [Handle],
}

/// Encodes the message, and passes it to `send`.
#[inline]
pub(super) fn encoded<T: Serialize, R>(message: &T, send: impl FnOnce(&EncodedMessage<'_>) -> Result<R>) -> Result<R> {
    match plain::as_plain(message) {
        Some(PlainBytes::Number(bytes)) => send(&EncodedMessage { head: &[], bytes, handles: &[] }),
        Some(PlainBytes::Row(len, bytes)) => send(&EncodedMessage { head: &len, bytes, handles: &[] }),
        None => {
            let Payload { bytes, handles } =
                message::encode(message, spare()).map_err(|error| Error::new(ErrorKind::Encode(error)))?;
            let sent = send(&EncodedMessage { head: &[], bytes: &bytes, handles: &handles });
            keep(bytes);
            sent
        }
    }
}

/// Where a receiver puts the message that it takes out.
#[derive(Debug)]
pub(super) struct ReceiveBuffer {
    number: [u8; LARGEST_NUMBER],
    /// The size of the number that is wanted, in bytes; 0: the message is no number.
    size: usize,
    /// Whether the message is in `number`; if not, it is in `payload`.
    pub(super) is_number: bool,
    pub(super) payload: Payload,
}

impl ReceiveBuffer {
    #[inline]
    pub(super) fn of<T>() -> Self {
        let size = plain::size_of_number::<T>().unwrap_or(0);
        let bytes = if size > 0 { Vec::new() } else { spare() };
        let payload = Payload { bytes, handles: Handles::new() };
        Self { number: [0; LARGEST_NUMBER], size, is_number: false, payload }
    }

    /// Where a number goes, and where the bytes of any other message go.
    #[inline]
    pub(super) fn places(&mut self) -> (&mut [u8], &mut Vec<u8>) {
        (&mut self.number[..self.size], &mut self.payload.bytes)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(self) -> Result<T> {
        if self.is_number
            && let Some((number, _)) = plain::decode(&self.number[..self.size])
        {
            return Ok(number);
        }
        let decoded = message::decode(&self.payload).map_err(|error| Error::new(ErrorKind::Decode(error)));
        keep(self.payload.bytes);
        decoded
    }

    /// No message came: keeps the buffer for the next.
    pub(super) fn give_up(self) {
        keep(self.payload.bytes);
    }
}

thread_local! {
    /// A buffer for this thread's next message.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer: the one that this thread has kept, if any.
fn spare() -> Vec<u8> {
    // While the thread ends, the kept buffer is gone.
    BUFFER.try_with(Cell::take).unwrap_or_default()
}

fn keep(mut bytes: Vec<u8>) {
    if (1..=SPARE_BUFFER).contains(&bytes.capacity()) {
        bytes.clear();
        let _ = BUFFER.try_with(|buffer| buffer.set(bytes));
    }
}
