//! A payload: bytes, and the handles that travel beside them.

use super::handles::Handle;

/// The bytes of arguments or of a result, and the handles that they name by their places.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) handles: Vec<Handle>,
}
