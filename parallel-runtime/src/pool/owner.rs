//! Whose the program is: a worker that was started as another user than the program is by now runs no further task, lest a
//! task have more rights than its caller.
//!
//! Before something is handed out, the driver looks whose the program is. Where that differs from what it was as workers were
//! last started, nothing is handed out until the reactor has looked: new workers are whose its thread is.

use std::time::Instant;

use super::core::Core;
use super::driver::Driver;
use super::state::Event;
use super::state::life::Stage;
use crate::process::reactor;
use crate::sys::owner::{self, Known, Owner};

/// Whose workers are that are started now.
#[derive(Default)]
pub(crate) struct Ownership {
    /// `None` where that cannot change.
    known: Option<Known>,
    /// The program was found to be another's, and the reactor has yet to look into it.
    in_doubt: bool,
}

/// What is compared with before something is handed out, where it may change at all.
fn watched(owner: Owner) -> Option<Known> {
    let may_change = owner.if_it_may_change()?;
    owner::watch(reactor::call_all);
    Some(Known::new(may_change))
}

/// Whether workers, started now, would be whose they were when they were last started; if not, what waits stays where it is
/// until the reactor has seen to that.
pub(super) fn is_same(driver: &Driver, core: &mut Core, now: Instant) -> bool {
    let Some(known) = &mut core.ownership.known else { return true };
    if !core.ownership.in_doubt && known.holds() {
        return true;
    }
    doubt(driver, core, now);
    false
}

/// A worker takes a seat whose owner is this: whose the program was when it was started.
pub(super) fn has_seated(driver: &Driver, core: &mut Core, owner: Owner, now: Instant) {
    match &core.ownership.known {
        None => core.ownership.known = watched(owner),
        Some(known) if known.is(owner) => {}
        // It, or all the others, are no longer the program's.
        Some(_) => doubt(driver, core, now),
    }
}

/// Has the reactor look whose the program is; until then nothing is handed out.
fn doubt(driver: &Driver, core: &mut Core, now: Instant) {
    core.tell(Event::OwnerDoubted(true), now);
    if !std::mem::replace(&mut core.ownership.in_doubt, true) {
        let driver_of = driver.me.clone();
        driver.reactor.run(move |_| {
            if let Some(driver) = driver_of.upgrade() {
                look(&driver);
            }
        });
    }
}

/// Finds out whose new workers are, and retires those that are another's. On the reactor's thread.
fn look(driver: &Driver) {
    let owner = Owner::own();
    let mut entered = driver.enter();
    let core = &mut *entered;
    let now = Instant::now();
    core.ownership.known = watched(owner);
    core.ownership.in_doubt = false;
    core.tell(Event::OwnerDoubted(false), now);
    for index in 0..core.lines.len() {
        let is_foreign = core.lines[index].as_ref().is_some_and(|line| line.child.owner() != owner);
        if is_foreign && core.state.worker(index).is_some_and(|worker| worker.life.stage() != Stage::Leaving) {
            core.tell(Event::Foreign { worker: index }, now);
        }
    }
    driver.pump(core);
}
