//! What the state stands on: the runtime's own as well.

#[path = "../../../parallel-runtime/src/engine/call_id.rs"]
pub(crate) mod call_id;
