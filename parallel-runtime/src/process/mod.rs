//! Processes: how they start, talk and end. One thread, the [`reactor`], starts and watches all of them.

pub(crate) mod bootstrap;
pub(crate) mod control;
pub(crate) mod launch;
mod leaving;
mod manners;
pub(crate) mod reactor;
pub(crate) mod spares;
pub(crate) mod transfer;
pub(crate) mod zygote;
