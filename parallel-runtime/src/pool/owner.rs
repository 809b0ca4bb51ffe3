//! The program's user (its owner): a worker that was started as another user than the program is by now runs no further task,
//! lest a task have more rights than its caller.
//!
//! Before something is handed out, the driver checks the owner. Where that differs from the owner at the latest start of a
//! worker, nothing is handed out until the reactor has checked its own: new workers have the owner of the reactor's thread.

use std::time::Instant;

use super::core::Core;
use super::driver::Driver;
use super::state::Event;
use super::state::life::Stage;
use crate::process::reactor;
use crate::sys::owner::{self, KnownOwner, Owner};

/// The owner of workers that are started now.
#[derive(Default)]
pub(crate) struct Ownership {
    /// `None` where the owner cannot change.
    known: Option<KnownOwner>,
    /// The owner was found changed, and the reactor has yet to check it.
    in_doubt: bool,
}

/// The owner to compare with before something is handed out, where it may change at all.
fn watched(owner: Owner) -> Option<KnownOwner> {
    let may_change = owner.if_it_may_change()?;
    owner::watch(reactor::call_all);
    Some(KnownOwner::new(may_change))
}

/// Whether the owner is the same as at the latest start of a worker; if not, batches wait until the reactor has checked it.
pub(super) fn is_same(driver: &Driver, core: &mut Core, now: Instant) -> bool {
    let Some(known) = &mut core.ownership.known else { return true };
    if !core.ownership.in_doubt && known.holds() {
        return true;
    }
    doubt(driver, core, now);
    false
}

/// A worker takes a seat; `owner`: the program's when the worker was started.
pub(super) fn has_seated(driver: &Driver, core: &mut Core, owner: Owner, now: Instant) {
    match &core.ownership.known {
        None => core.ownership.known = watched(owner),
        Some(known) if known.is(owner) => {}
        // Either this worker or all others have a former owner.
        Some(_) => doubt(driver, core, now),
    }
}

/// Has the reactor check the owner; until then nothing is handed out.
fn doubt(driver: &Driver, core: &mut Core, now: Instant) {
    core.handle(Event::OwnerDoubted(true), now);
    if !std::mem::replace(&mut core.ownership.in_doubt, true) {
        let driver_of = driver.me.clone();
        driver.reactor.run(move |_| {
            if let Some(driver) = driver_of.upgrade() {
                check_owner(&driver);
            }
        });
    }
}

/// Notes the owner of new workers, and retires workers of another one. On the reactor's thread.
fn check_owner(driver: &Driver) {
    let owner = Owner::own();
    let mut entered = driver.enter();
    let core = &mut *entered;
    let now = Instant::now();
    core.ownership.known = watched(owner);
    core.ownership.in_doubt = false;
    core.handle(Event::OwnerDoubted(false), now);
    for index in 0..core.lines.len() {
        let is_foreign = core.lines[index].as_ref().is_some_and(|line| line.child.owner() != owner);
        if is_foreign && core.state.worker(index).is_some_and(|worker| worker.life.stage() != Stage::Leaving) {
            core.handle(Event::Foreign { worker: index }, now);
        }
    }
    driver.pump(core);
}
