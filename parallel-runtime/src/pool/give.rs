//! Giving: a parcel that the state has assigned to a worker goes into its lane.

use std::time::Instant;

use super::core::Core;
use super::driver::Driver;
use super::owner;
use super::state::{Event, GiveRefusal};
use crate::process::peer::PeerError;
use crate::sys::socket::MAX_DESCRIPTORS;
use crate::tuning;

/// Posts a parcel that the state has assigned to a worker.
pub(super) fn give_parcel(driver: &Driver, core: &mut Core, index: usize, parcel: u64, now: Instant) {
    let is_same = owner::is_same(driver, core, now);
    // More than make a throng need not be counted.
    let others = core.busy(driver.cores * tuning::THRONG + 1).saturating_sub(1);
    let Core { state, lines, head, .. } = core;
    let (Some(worker), Some(line)) = (state.worker(index), lines[index].as_mut()) else { return };
    let Some(held) = worker.held(parcel) else { return };
    // A thread that an earlier task has left running may have written over the lane while the worker was idle.
    if line.lane.is_spoilt(worker.held.iter().map(|held| held.number).filter(|&number| number < parcel)) {
        core.handle(Event::NotGiven { worker: index, parcel, why: GiveRefusal::Spoilt }, now);
        return;
    }
    line.lane.tell_crowd(others, driver.cores);
    let given = if is_same { line.post(parcel, &held.batch, head, now).map_err(Some) } else { Err(None) };
    core.owing |= given.is_err();
    let Err(error) = given else {
        if let Some(at) = line.lets_go_at() {
            driver.arm(core, at);
        }
        return;
    };
    // Handles travel in several messages: where a later one fails, the worker has some and cannot be told to drop them.
    let partly = held.batch.handles.len() > MAX_DESCRIPTORS;
    let why = match error.as_ref().map(PeerError::of) {
        None => GiveRefusal::OwnerDoubted,
        Some(PeerError::Gone) => GiveRefusal::CutOff,
        Some(PeerError::Full) if !partly => GiveRefusal::Full,
        Some(PeerError::Full | PeerError::Here) => GiveRefusal::Here { partly },
    };
    if let (GiveRefusal::Here { .. }, Some(error)) = (why, error) {
        let bytes = held.batch.bytes.len();
        core.not_given = format!("{bytes} bytes of arguments could not be handed to a worker: {error}");
    }
    core.handle(Event::NotGiven { worker: index, parcel, why }, now);
}
