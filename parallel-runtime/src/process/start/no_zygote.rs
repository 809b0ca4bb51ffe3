//! In place of the zygote, where that is left out: every process is an execution of the program.

use std::sync::Arc;

use super::exec::Exec;
use super::{Numbers, Start};
use crate::process::control::Control;
use crate::sys::socket::Socket;
use crate::sys::wait::Poller;

pub(super) fn way(_: &Arc<Exec>, _: Numbers, _: &Arc<Poller>) -> Option<Box<dyn Start>> {
    None
}

/// Never called: only a program with zygotes starts one.
pub(crate) fn serve(program: Socket, _: fn(&Control)) -> Control {
    Control::new(program)
}
