//! A payload: bytes, and the handles that travel beside them.

use super::handles::{Handle, Handles};

/// The bytes of arguments or of a result, and the handles that they name by their places.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) handles: Handles,
}

impl Payload {
    /// What of it must stay as long as the call, once it was sent; `None` when nothing must.
    pub(crate) fn kept(&self) -> Option<Self> {
        let kept = self.handles.iter().filter(|handle| matches!(handle, Handle::Kept(_)));
        let handles: Handles = kept.cloned().collect();
        (!handles.is_empty()).then(|| Self { bytes: Vec::new(), handles })
    }
}
