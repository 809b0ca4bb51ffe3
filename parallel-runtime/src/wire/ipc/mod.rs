//! ipc-channel's own senders, receivers and shared memory as arguments.
//!
//! They travel only through ipc-channel, and its ends cannot be handed to a process as descriptors. So the argument waits in
//! a channel of this process, and what stands in the call's bytes is the name of a one-shot server. The worker connects to
//! that and hands over a sender; a thread of this process answers with the receiver of the channel in which the argument
//! waits. The server is kept by the call: when the call is over, it ends, asked for or not.
//!
//! An argument is recognized by the name of its type, so it must be one of ipc-channel's types itself, not something that
//! holds one.

#[cfg(feature = "ipc-channel")]
mod channel;

use super::codec::CodecError;

#[cfg(feature = "ipc-channel")]
pub(super) use channel::{decode, encode};

/// Whether `T` is one of ipc-channel's types that hold a channel or memory.
pub(crate) fn is_carried<T: ?Sized>() -> bool {
    std::any::type_name::<T>().starts_with("ipc_channel::ipc::Ipc")
}

/// Why one of these types is not a result.
pub(crate) fn refuse_result<T: ?Sized>() -> CodecError {
    CodecError::new::<T>(
        "ipc-channel's own types can be arguments, not results; return a `parallel::channel::Sender` or `Receiver`, or pass \
         an `IpcSender` in and send through it",
    )
}

/// Refuses an argument: without the feature there is no ipc-channel to carry it.
#[cfg(not(feature = "ipc-channel"))]
pub(super) fn encode<T: ?Sized>(_: &T, _: &mut Vec<u8>) -> Result<(), CodecError> {
    Err(CodecError::new::<T>("ipc-channel's types can be arguments where `parallel` has its feature `ipc-channel`"))
}

/// Never finds one: none was sent.
#[cfg(not(feature = "ipc-channel"))]
pub(super) fn decode<T>(_: &[u8]) -> Result<(T, usize), CodecError> {
    Err(CodecError::new::<T>("ipc-channel's types can be arguments where `parallel` has its feature `ipc-channel`"))
}
