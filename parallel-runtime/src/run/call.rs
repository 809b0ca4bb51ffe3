//! One call of a function in the process that runs it, with arguments and value as bytes.

use super::items::{Finish, ItemLoop};
use super::registry::Entry;
use crate::lane::reply::ReplyWriter;
use crate::wire::codec::CodecError;
use crate::wire::handles::Handle;
use crate::wire::outcome::CallFailure;
use crate::wire::parcel::Items;
use crate::wire::payload::Payload;

/// Runs one call; returns its failure, if it gave no value. `leaves`: the value is to be sent, not read in this process.
pub(crate) fn call_one(
    entry: &Entry,
    arguments: &[u8],
    handles: &[Handle],
    value: &mut Payload,
    leaves: bool,
) -> Option<CallFailure> {
    /// Keeps the failure; the value is where it belongs.
    struct Keep(Option<CallFailure>);

    impl Finish for Keep {
        fn finish(&mut self, _: Option<&mut ReplyWriter<'_>>, _: &mut Payload, failure: Option<CallFailure>) -> bool {
            self.0 = failure;
            false
        }
    }

    let mut kept = Keep(None);
    let call = ItemLoop::new(Items::one(arguments), handles, value, true, None, &mut kept);
    entry.call(&mut if leaves { call } else { call.without_bulk() });
    kept.0
}

/// The bytes of a value that is to be merged with others in this process.
pub(crate) fn value_from(entry: &Entry, arguments: &[u8], handles: &[Handle]) -> Result<Vec<u8>, CallFailure> {
    let mut value = Payload::default();
    if let Some(failure) = call_one(entry, arguments, handles, &mut value, false) {
        return Err(failure);
    }
    if !value.handles.is_empty() {
        let error = CodecError::new::<Payload>("values that are merged cannot hold shared state");
        return Err(CallFailure::Encode(error.seen_by_worker()));
    }
    Ok(value.bytes)
}
