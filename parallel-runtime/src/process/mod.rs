//! Processes: how they start, talk and end. One thread, the [`reactor`], starts and watches all of them.

pub(crate) mod caller;
pub(crate) mod control;
pub(crate) mod idle_rows;
mod leaving;
pub(crate) mod peer;
pub(crate) mod reactor;
pub(crate) mod start;
pub(crate) mod token;
pub(crate) mod transfer;
mod turns;
