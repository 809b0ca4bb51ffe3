//! Retiring: a worker that was started as another user than the program is by now runs no further task, lest a task have more
//! rights than its caller.
//!
//! Whoever is about to hand something out looks whose the program is. Where that differs from what it was as workers were last
//! started, nothing is handed out until the reactor has looked: new workers are whose its thread is.

use super::core::{Core, Shared};
use super::state::life::{Killed, Stage, Stop};
use crate::config;
use crate::process::reactor;
use crate::sys::owner::{self, Known, Owner};

/// What posters compare with, where it may change at all.
fn watched(owner: Owner) -> Option<Known> {
    let may_change = owner.if_it_may_change()?;
    owner::watch(reactor::call_all);
    Some(Known::new(may_change))
}

impl Shared {
    /// Whether workers, started now, would be whose they were when they were last started; if not, what waits stays where it is
    /// until the reactor has seen to that.
    pub(super) fn is_same_owner(&self, core: &mut Core) -> bool {
        let Some(known) = &mut core.owner else { return true };
        if !core.owner_in_doubt && known.holds() {
            return true;
        }
        self.doubt_owner(core);
        false
    }

    /// A worker takes a seat whose owner is this: whose the program was when it was started.
    pub(super) fn has_seated(&self, core: &mut Core, owner: Owner) {
        match &core.owner {
            None => core.owner = watched(owner),
            Some(known) if known.is(owner) => {}
            // It, or all the others, are no longer the program's.
            Some(_) => self.doubt_owner(core),
        }
    }

    /// Has the reactor look whose the program is; until then nothing is handed out.
    fn doubt_owner(&self, core: &mut Core) {
        if !std::mem::replace(&mut core.owner_in_doubt, true) {
            let pool = self.me.clone();
            self.reactor.run(move |_| {
                if let Some(pool) = pool.upgrade() {
                    pool.look_for_owner();
                }
            });
        }
    }

    /// Finds out whose new workers are, and retires those that are another's. On the reactor's thread.
    fn look_for_owner(&self) {
        let owner = Owner::own();
        let mut core = self.enter();
        core.owner = watched(owner);
        core.owner_in_doubt = false;
        for index in 0..core.seats.len() {
            if core.seats[index].as_ref().is_some_and(|seat| seat.child.owner() != owner && seat.life.stage() != Stage::Leaving) {
                self.retire(&mut core, index);
            }
        }
        self.pump(&mut core);
    }

    /// Lets a worker finish the items that it is on, and no others.
    fn retire(&self, core: &mut Core, index: usize) {
        let Core { seats, queue, .. } = core;
        let Some(seat) = seats[index].as_mut() else { return };
        if !seat.life.retire() {
            // Its initializer has run for nothing, or not at all.
            seat.kill(Killed::Retired);
            return;
        }
        for at in (0..seat.in_hand.len()).rev() {
            if let Some(batch) = seat.take_back(at) {
                queue.push_front(batch);
                continue;
            }
            let Some(hand) = seat.in_hand.get(at) else { continue };
            let number = hand.number;
            if hand.batch.merge.is_some() {
                // Half a merge is nothing: all of it is done elsewhere.
                seat.lane.cancel(number);
                continue;
            }
            let started = seat.lane.progress(number).started.saturating_sub(hand.delivered);
            match seat.take_from(at, started) {
                Some(rest) if rest.len() > 0 => queue.push_front(rest),
                Some(_) => {}
                // It has come further meanwhile, or this cannot be told: it ends after the item that it is on.
                None => seat.lane.cancel(number),
            }
        }
        if seat.in_hand.is_empty() {
            self.stop(core, index, config::STOP_GRACE, Stop::Dismissed);
        }
    }
}
