//! The words of a lane and of a bell: which side may change which word, and what the change means. They stand on
//! [`platform`] alone, so that `tests/models` tries them in every order.

pub(crate) mod bell;
pub(crate) mod door;
pub(crate) mod limit;
pub(crate) mod platform;
pub(crate) mod slot;
