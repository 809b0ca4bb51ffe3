//! How a pool ends that nobody waits for: what is pending fails, workers that are busy are killed, and idle ones get a little time
//! to end as programs do, with their `atexit` handlers.

use std::time::{Duration, Instant};

use super::core::{Core, Phase, Shared};
use super::seat::Seat;
use super::state::life::Stop;
use crate::config;
use crate::ending;
use crate::error::{Error, ErrorKind};
use crate::process::reactor;

impl Shared {
    /// Ends a pool that its owner has dropped, and waits until the workers are gone.
    pub(super) fn end(&self) {
        if reactor::check_not_forked().is_err() {
            // The workers are the parent's.
            return;
        }
        let grace = ending::grace();
        self.dismiss(grace);
        self.wait_until_gone(grace + config::KILL_GRACE);
    }

    /// Lets what is pending fail, and the workers end: those that are busy at once, the others within `grace`.
    pub(super) fn dismiss(&self, grace: Duration) {
        let mut core = self.enter();
        // A worker whose parcel was not taken in yet is idle.
        self.take_in(&mut core);
        let initialized = self.settings.initializer.is_none();
        for index in 0..core.seats.len() {
            let Some(seat) = &core.seats[index] else { continue };
            if seat.is_busy(initialized) {
                seat.child.end();
            } else {
                // What it has started in its group does not outlive it either.
                seat.child.end_group();
                self.stop(&mut core, index, grace, Stop::Dismissed);
            }
        }
        self.give_up(&mut core);
    }

    /// Lets what is pending fail, and refuses what would follow.
    pub(super) fn give_up(&self, core: &mut Core) {
        if matches!(core.phase, Phase::Open | Phase::Joining) {
            core.phase = Phase::Terminated;
        }
        let mut pending: Vec<_> = std::mem::take(&mut core.queue).into();
        pending.extend(core.seats.iter_mut().flatten().flat_map(|seat| seat.in_hand.drain(..)).map(|hand| hand.batch));
        for batch in pending {
            self.fail_all(core, &batch, || Error::new(ErrorKind::Terminated));
        }
    }

    /// Waits until the workers are gone, at most so long.
    pub(super) fn wait_until_gone(&self, limit: Duration) {
        self.wait_until(Instant::now().checked_add(limit), |core| core.seated().next().is_none().then_some(()));
    }
}

impl Seat {
    /// Whether it is at something of its user's: a parcel, or an initializer, which a worker of some pools runs until it is ready.
    fn is_busy(&self, initialized: bool) -> bool {
        !self.in_hand.is_empty() || !(self.life.has_reported_in() || initialized)
    }
}
