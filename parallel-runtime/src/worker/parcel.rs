//! A parcel that a worker runs: item by item, or merged into one value.

use std::io;

use super::outlet::Outlet;
use crate::current;
use crate::lane::worker::WorkerLane;
use crate::process::control::{Control, SpareBlock};
use crate::run::call::value_from;
use crate::run::items::ItemLoop;
use crate::run::registry::{self, Entry};
use crate::sys::forked;
use crate::wire::fallible;
use crate::wire::handles::{Handle, Handles};
use crate::wire::outcome::CallFailure;
use crate::wire::parcel::{self, ParcelReader};
use crate::wire::payload::Payload;

/// A parcel that runs.
pub(super) struct Run<'a> {
    pub(super) control: &'a Control,
    pub(super) lane: &'a WorkerLane,
    pub(super) value: &'a mut Payload,
    pub(super) spare: &'a mut Option<SpareBlock>,
    pub(super) number: u64,
    pub(super) opened: ParcelReader<'a>,
    pub(super) handles: Handles,
}

impl Run<'_> {
    /// Runs the items one by one; false when it had to stop before the last.
    pub(super) fn map(&mut self) -> io::Result<bool> {
        let opened = &self.opened;
        let entry = registry::find(opened.function);
        let reply = self.lane.reply(self.number, opened.flags & parcel::TIMED != 0);
        let wanted = opened.flags & parcel::DISCARD == 0;
        let mut outlet =
            Outlet { control: self.control, lane: self.lane, spare: self.spare, parcel: self.number, broken: None };
        let mut call = ItemLoop::new(opened.items(), &self.handles, self.value, wanted, Some(reply), &mut outlet);
        match entry {
            Some(entry) => {
                current::set_call(entry.name(), opened.name);
                entry.call(&mut call);
            }
            None => call.fail_all(&CallFailure::UnknownFunction { key: opened.function }),
        }
        let whole = call.done() as usize == opened.count();
        outlet.broken.map_or(Ok(whole), Err)
    }

    /// Runs the items, if there is a function for them, and merges their values into one.
    ///
    /// Runs of values are merged as a binary counter is: two of equal length become one of double length, so that each
    /// value takes part in few merges, however large the merged ones grow.
    pub(super) fn merge(&mut self) -> io::Result<bool> {
        let Self { lane, number, opened, handles, .. } = self;
        let timed = opened.flags & parcel::TIMED != 0;
        let fallible = opened.flags & parcel::FALLIBLE != 0;
        let count = u32::try_from(opened.count()).unwrap_or(u32::MAX / 2);
        let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
        for (done, item) in (0_u32..).zip(opened.items()) {
            if lane.is_cancelled(*number) {
                return Ok(false);
            }
            lane.begin_merged(*number, done, timed);
            let value = value_of(opened, item, handles);
            if forked::is_forked() {
                return Ok(false);
            }
            let mut value = match value {
                Ok(value) => value,
                Err(failure) => return self.finish_merged(count, done + 1, Err(failure)),
            };
            // Values that were merged before (`function` 0) are in no `Ok` any more.
            if fallible && opened.function != 0 {
                value = match fallible::unwrap(value) {
                    Ok(value) => value,
                    Err(result) => return self.finish_merged(count, count, Ok(fallible::stopped(result, done))),
                };
            }
            runs.push((1, value));
            while let [.., (before, _), (last, _)] = runs[..] {
                if before > last && done + 1 < count {
                    break;
                }
                // Beyond the items: what is under way is a merge.
                lane.begin_merged(*number, count + done, timed);
                if let Err(failure) = merge_last(opened, &mut runs, handles) {
                    return self.finish_merged(count, count + done + 1, Err(failure));
                }
            }
        }
        let value = runs.pop().map(|(_, value)| value).unwrap_or_default();
        self.finish_merged(count, count, Ok(if fallible { fallible::merged(value) } else { value }))
    }

    /// Replies with one entry for all items; where it is a failure, what was `started` last names the item, or the merge.
    fn finish_merged(&mut self, count: u32, started: u32, merged: Result<Vec<u8>, CallFailure>) -> io::Result<bool> {
        let mut reply = self.lane.reply(self.number, false).for_all(started);
        let mut outlet =
            Outlet { control: self.control, lane: self.lane, spare: self.spare, parcel: self.number, broken: None };
        let (value, failure) = match merged {
            Ok(value) => (value, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        self.value.handles.clear();
        self.value.bytes = value;
        outlet.put(&mut reply, count - 1, self.value, failure);
        outlet.broken.map_or(Ok(true), Err)
    }
}

/// The value of an item of a parcel that is to be merged; it may be one already.
fn value_of(opened: &ParcelReader<'_>, item: &[u8], handles: &[Handle]) -> Result<Vec<u8>, CallFailure> {
    if opened.function == 0 {
        return Ok(item.to_vec());
    }
    let entry = find(opened.function)?;
    current::set_call(entry.name(), opened.name);
    value_from(entry, item, handles)
}

/// Merges the last two runs: their values, one after the other, are the arguments of the merge.
fn merge_last(
    opened: &ParcelReader<'_>,
    runs: &mut Vec<(u32, Vec<u8>)>,
    handles: &[Handle],
) -> Result<(), CallFailure> {
    let entry = find(opened.merge)?;
    if let (Some((last, value)), Some((before, mut arguments))) = (runs.pop(), runs.pop()) {
        arguments.extend_from_slice(&value);
        current::set_call(entry.name(), opened.name);
        runs.push((before + last, value_from(entry, &arguments, handles)?));
    }
    Ok(())
}

pub(super) fn find(function: u64) -> Result<&'static Entry, CallFailure> {
    registry::find(function).ok_or(CallFailure::UnknownFunction { key: function })
}
