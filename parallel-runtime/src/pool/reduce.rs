//! Map and reduce: chunks are merged where they are mapped; the parts are merged in rounds until one is left.
//!
//! Only neighbours are merged, so `merge` must be associative and need not be commutative.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::Terms;
use super::feeder::{Arrival, Chunk, Feeder, Outbox, Plan};
use super::map::decode;
use crate::callable::Accepts;
use crate::error::Result;
use crate::registry::Entry;

/// Runs a map and merges its values; `None` for no items.
pub(crate) fn map_reduce<I: Iterator, H: Accepts<I::Item>>(
    plan: Plan,
    items: I,
    merge: &'static Entry,
) -> Result<Option<H::Output>> {
    let mut feeder = Feeder::<I, H>::new(Plan { merge: Some(merge), ..plan.clone() }, items);
    let mut parts = Parts::new();
    loop {
        feeder.feed(usize::MAX)?;
        if feeder.is_done() {
            break;
        }
        gather(feeder.collect(), &mut parts)?;
    }
    while parts.len() > 1 {
        parts = merge_round(&plan, merge, &parts)?;
    }
    parts.values().next().map(|part| decode::<H>((part, &[]), 0)).transpose()
}

/// Merged values, by the index of the first item that went into each.
type Parts = BTreeMap<usize, Vec<u8>>;

fn gather(arrivals: Vec<Arrival>, parts: &mut Parts) -> Result<()> {
    for arrival in arrivals {
        match arrival {
            Arrival::Values { first, values } => {
                parts.insert(first, values.into_payload().bytes);
            }
            Arrival::Failed { error, .. } => return Err(error),
        }
    }
    Ok(())
}

/// Merges neighbours, each worker a run of them; with few parts, one worker all.
fn merge_round(plan: &Plan, merge: &'static Entry, parts: &Parts) -> Result<Parts> {
    let workers = plan.pool.settings.workers;
    let groups = if parts.len() <= 2 * workers { 1 } else { workers };
    let terms = Arc::new(Terms { indexed: false, ..(*plan.terms).clone() });
    let mut outbox = Outbox::new(Arc::clone(&plan.pool), terms);
    let parts: Vec<(&usize, &Vec<u8>)> = parts.iter().collect();
    for group in parts.chunks(parts.len().div_ceil(groups)) {
        let mut chunk = Chunk::new(*group[0].0);
        for (_, part) in group {
            chunk.push_bytes(part);
        }
        outbox.send(None, Some(merge), chunk)?;
    }
    let mut merged = Parts::new();
    while !outbox.is_empty() {
        gather(outbox.collect().0, &mut merged)?;
    }
    Ok(merged)
}
