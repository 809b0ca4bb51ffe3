//! Processes: how they start, talk and end. One thread, the [`reactor`], starts and watches all of them.

pub(crate) mod caller;
pub(crate) mod control;
pub(crate) mod launch;
mod leaving;
mod manners;
pub(crate) mod peer;
pub(crate) mod reactor;
pub(crate) mod spares;
pub(crate) mod token;
pub(crate) mod transfer;
mod turns;
pub(crate) mod zygote;

/// What a zygote says.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_answer(data: &[u8]) {
    drop(zygote::Answer::from_bytes(data));
}
