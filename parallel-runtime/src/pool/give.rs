//! Giving: a parcel that the state has put into a worker's hands goes into its lane.

use std::time::Instant;

use super::core::Core;
use super::driver::Driver;
use super::owner;
use super::state::{Event, Refusal};
use crate::process::peer::PeerError;
use crate::sys::socket::MAX_DESCRIPTORS;
use crate::tuning;

/// Gives a worker a parcel that the state has put into its hands.
pub(super) fn give(driver: &Driver, core: &mut Core, index: usize, parcel: u64, now: Instant) {
    let is_same = owner::is_same(driver, core, now);
    let others = core.busy().saturating_sub(1);
    let Core { state, lines, head, .. } = core;
    let (Some(worker), Some(line)) = (state.worker(index), lines[index].as_mut()) else { return };
    let Some(held) = worker.held(parcel) else { return };
    // What an earlier task has left running may have written over it while the worker had nothing.
    if line.lane.is_spoilt(worker.held.iter().map(|held| held.number).filter(|&number| number < parcel)) {
        core.tell(Event::NotGiven { worker: index, parcel, why: Refusal::Spoilt }, now);
        return;
    }
    line.lane.tell_crowd(others, driver.cores);
    let given = if is_same { line.give(parcel, &held.batch, head, now).map_err(Some) } else { Err(None) };
    let Err(error) = given else {
        if line.block.is_some() {
            driver.arm(core, now + tuning::SPARE_BLOCK);
        }
        return;
    };
    // A worker that has a part of a call's handles cannot be told to drop them where no more can be sent.
    let partly = held.batch.handles.len() > MAX_DESCRIPTORS;
    let why = match error.as_ref().map(PeerError::of) {
        None => Refusal::OwnerDoubted,
        Some(PeerError::Gone) => Refusal::CutOff,
        Some(PeerError::Full) if !partly => Refusal::Full,
        Some(PeerError::Full | PeerError::Here) => Refusal::Here { partly },
    };
    if let (Refusal::Here { .. }, Some(error)) = (why, error) {
        let bytes = held.batch.bytes.len();
        core.not_given = format!("{bytes} bytes of arguments could not be handed to a worker: {error}");
    }
    core.tell(Event::NotGiven { worker: index, parcel, why }, now);
}
