//! Processes: how they start, talk and end. One thread, the [`reactor`], starts and watches all of them.

mod alarms;
pub(crate) mod caller;
mod child;
pub(crate) mod control;
pub(crate) mod idle_rows;
mod leaving;
pub(crate) mod peer;
pub(crate) mod reactor;
mod shown;
pub(crate) mod start;
pub(crate) mod token;
pub(crate) mod transfer;
mod turns;
