//! Map and reduce: chunks are merged where they are mapped, and what comes back is merged with its neighbours, in workers too,
//! while the rest is still being mapped. So few values are here at a time, whatever the number of items.
//!
//! Only neighbours are merged, so `merge` must be associative and need not be commutative.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feeder::{Feeder, MapPlan};
use super::ordered::decode;
use super::outbox::{Chunk, Outbox, Outcomes};
use crate::engine::batch::Terms;
use crate::engine::values::Values;
use crate::error::{Error, ErrorKind, Result};
use crate::run::callable::Accepts;
use crate::run::registry::Entry;
use crate::tuning::{CHILDREN, SLOTS};
use crate::wire::codec::CodecError;
use crate::wire::fallible::{self, Reply};

/// Why a reduction gives no value.
pub(crate) enum ReduceError<R> {
    /// A call failed.
    Failed(Error),
    /// The function returned this for the item at `index`, which cannot be merged.
    Returned { index: usize, result: R },
}

impl<R> From<Error> for ReduceError<R> {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs a map and merges its values; `None` for no items.
pub(crate) fn map_reduce<I: Iterator, H: Accepts<I::Item>>(
    plan: MapPlan,
    items: I,
    merge: &'static Entry,
) -> Result<Option<H::Output>> {
    match merged::<I, H>(plan, items, merge) {
        Ok(value) => value.map(|value| decode::<H>((&value, &[]), 0)).transpose(),
        Err(ReduceError::Failed(error)) => Err(error),
        // Plain values never end it early.
        Err(ReduceError::Returned { index, result }) => decode::<H>((&result, &[]), index).map(Some),
    }
}

/// Runs a map of a function that returns `Result`s, and merges the values in them; the first `Err` ends it, and is returned as
/// it is.
pub(crate) fn try_map_reduce<I: Iterator, H: Accepts<I::Item>>(
    plan: MapPlan,
    items: I,
    merge: &'static Entry,
) -> std::result::Result<Option<H::Output>, ReduceError<H::Output>> {
    let terms = Arc::new(Terms { fallible: true, ..(*plan.terms).clone() });
    match merged::<I, H>(MapPlan { terms, ..plan }, items, merge) {
        Ok(value) => Ok(value.map(|value| decode::<H>((&fallible::wrap(&value), &[]), 0)).transpose()?),
        Err(ReduceError::Failed(error)) => Err(error.into()),
        Err(ReduceError::Returned { index, result }) => {
            Err(ReduceError::Returned { index, result: decode::<H>((&result, &[]), index)? })
        }
    }
}

fn merged<I: Iterator, H: Accepts<I::Item>>(
    plan: MapPlan,
    items: I,
    merge: &'static Entry,
) -> std::result::Result<Option<Vec<u8>>, ReduceError<Vec<u8>>> {
    let merges_at_once = SLOTS * plan.engine.shape().workers;
    let terms = Arc::new(Terms { indexed: false, ..(*plan.terms).clone() });
    let mut feeder = Feeder::<I, H>::new(MapPlan { merge: Some(merge), ..plan.clone() }, items);
    let mut tree = Tree::default();
    loop {
        // Values that wait for their neighbours' merges take memory; items that were not taken do not.
        if tree.merging.len() < merges_at_once {
            feeder.feed()?;
            for (first, len) in feeder.chunks_sent() {
                tree.sent(first, len);
            }
        }
        if feeder.is_done() {
            break;
        }
        for outcomes in feeder.collect(None) {
            let (first, values) = match outcomes {
                Outcomes::Values { first, values } => (first, values),
                Outcomes::Failed { error, .. } => return Err(error.into()),
            };
            let items = values.items();
            let value = value_of(&terms, merge, first, values)?;
            if tree.is_merging(first) {
                feeder.has_merged(items);
            }
            if let Some(parts) = tree.arrived(first, items, value) {
                feeder.send_merge(&terms, merge, chunk_of(&parts))?;
            }
        }
    }
    let mut parts = tree.into_rest();
    while parts.len() > 1 {
        parts = merge_round(&plan, &terms, merge, &parts)?;
    }
    Ok(parts.into_values().next())
}

/// The value that has come back for items from `first` on.
fn value_of(
    terms: &Terms,
    merge: &Entry,
    first: usize,
    values: Values,
) -> std::result::Result<Vec<u8>, ReduceError<Vec<u8>>> {
    let bytes = values.into_payload().bytes;
    if !terms.fallible {
        return Ok(bytes);
    }
    match fallible::read(bytes) {
        Some(Reply::Merged(value)) => Ok(value),
        Some(Reply::Stopped { result, item }) => Err(ReduceError::Returned { index: first + item, result }),
        None => {
            let error = CodecError::new::<Reply>("a reply that cannot be read");
            Err(Error::new(ErrorKind::Decode(error)).in_function(merge.name()).into())
        }
    }
}

/// Merged values, by the index of the first item that went into each.
type PartValues = BTreeMap<usize, Vec<u8>>;

fn chunk_of(parts: &PartValues) -> Chunk {
    let mut chunk = Chunk::new(parts.keys().next().copied().unwrap_or(0));
    for part in parts.values() {
        chunk.push_bytes(part);
    }
    chunk
}

/// Merges neighbours, each worker a run of them; with few parts, one worker all.
fn merge_round(
    plan: &MapPlan,
    terms: &Arc<Terms>,
    merge: &'static Entry,
    parts: &PartValues,
) -> std::result::Result<PartValues, ReduceError<Vec<u8>>> {
    let workers = plan.engine.shape().workers;
    let groups = if parts.len() <= 2 * workers { 1 } else { workers };
    let mut outbox = Outbox::new(Arc::clone(&plan.engine), Arc::clone(terms));
    let mut runs = parts.iter();
    for _ in 0..groups {
        let mut chunk = None;
        for (first, part) in runs.by_ref().take(parts.len().div_ceil(groups)) {
            chunk.get_or_insert_with(|| Chunk::new(*first)).push_bytes(part);
        }
        if let Some(chunk) = chunk {
            outbox.send(terms, None, Some(merge), chunk)?;
        }
    }
    let mut merged = PartValues::new();
    while !outbox.is_empty() {
        for outcomes in outbox.collect(None).0 {
            match outcomes {
                Outcomes::Values { first, values } => merged.insert(first, value_of(terms, merge, first, values)?),
                Outcomes::Failed { error, .. } => return Err(error.into()),
            };
        }
    }
    Ok(merged)
}

/// Which values are merged with which: a tree over the chunks in the order in which they were sent. A node's value is made as
/// soon as those of its children are there, so besides what is under way no more than a few values wait on each level, also
/// behind an item that takes as long as all the others.
#[derive(Default)]
struct Tree {
    /// How many chunks were sent.
    chunks: usize,
    /// Those that have not come back whole, by their first items.
    under_way: BTreeMap<usize, Leaf>,
    /// The nodes with at least one child's value.
    nodes: BTreeMap<NodeId, Node>,
    /// The nodes that are being merged, by their first items.
    merging: BTreeMap<usize, NodeId>,
}

/// A node: its level above the chunks, and its number on that level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NodeId {
    level: u32,
    number: usize,
}

struct Leaf {
    number: usize,
    /// How many of its items have not come back. It may come back in parts.
    missing: usize,
}

#[derive(Default)]
struct Node {
    /// How many of its children are whole.
    whole: usize,
    parts: PartValues,
}

impl Tree {
    /// A chunk of `len` items was sent, the first of which is number `first`.
    fn sent(&mut self, first: usize, len: usize) {
        self.under_way.insert(first, Leaf { number: self.chunks, missing: len });
        self.chunks += 1;
    }

    /// Whether what comes back with this first item has been merged here.
    fn is_merging(&self, first: usize) -> bool {
        self.merging.contains_key(&first)
    }

    /// A value has come back, of `items` chunk's items or node's children. Returns those that are to be merged now.
    fn arrived(&mut self, first: usize, items: usize, value: Vec<u8>) -> Option<PartValues> {
        if let Some(NodeId { level, number }) = self.merging.remove(&first) {
            return self.place(level, number, true, PartValues::from([(first, value)]));
        }
        let (&chunk, leaf) = self.under_way.range_mut(..=first).next_back()?;
        leaf.missing = leaf.missing.saturating_sub(items);
        let (number, is_whole) = (leaf.number, leaf.missing == 0);
        if is_whole {
            self.under_way.remove(&chunk);
        }
        self.place(0, number, is_whole, PartValues::from([(first, value)]))
    }

    /// Puts values of a child where they belong: of the chunk of this number, which is level 0, or of a node.
    fn place(&mut self, level: u32, number: usize, is_whole: bool, parts: PartValues) -> Option<PartValues> {
        let parent = NodeId { level: level + 1, number: number / CHILDREN };
        let node = self.nodes.entry(parent).or_default();
        node.parts.extend(parts);
        node.whole += usize::from(is_whole);
        if node.whole < CHILDREN {
            return None;
        }
        let Node { parts, .. } = self.nodes.remove(&parent)?;
        self.merging.insert(*parts.keys().next()?, parent);
        Some(parts)
    }

    /// What is there, once all chunks have come back and nothing is being merged.
    fn into_rest(self) -> PartValues {
        self.nodes.into_values().flat_map(|node| node.parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends chunks of items, lets them come back in any order, and merges what is to be merged by joining the numbers. Returns
    /// how many values were here at most, those under way aside.
    fn run(seed: u64, chunks: usize, at_once: usize) -> usize {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut tree = Tree::default();
        let (mut first, mut sent, mut most) = (0, 0, 0);
        let mut under_way: Vec<(usize, usize, Vec<u8>)> = Vec::new();
        let text =
            |from: usize, to: usize| (from..to).flat_map(|item| format!("{item} ").into_bytes()).collect::<Vec<u8>>();
        // One that comes back last of all.
        let slow = random.usize(..chunks);
        let mut kept = None;
        loop {
            while sent < chunks && under_way.len() < at_once {
                let len = random.usize(1..5);
                tree.sent(first, len);
                let cut = random.usize(..len);
                for (from, to) in [(first, first + cut), (first + cut, first + len)] {
                    let part = (from, to - from, text(from, to));
                    match to > from {
                        true if sent == slow && kept.is_none() => kept = Some(part),
                        true => under_way.push(part),
                        false => {}
                    }
                }
                (first, sent) = (first + len, sent + 1);
            }
            let arrived = match under_way.is_empty() {
                false => under_way.swap_remove(random.usize(..under_way.len())),
                true => match kept.take() {
                    Some(part) => part,
                    None => break,
                },
            };
            let (at, items, value) = arrived;
            if let Some(parts) = tree.arrived(at, items, value) {
                let whole = parts.values().flatten().copied().collect();
                under_way.push((*parts.keys().next().unwrap(), parts.len(), whole));
            }
            most = most.max(tree.nodes.values().map(|node| node.parts.len()).sum());
        }
        let rest: Vec<u8> = tree.into_rest().into_values().flatten().collect();
        assert_eq!(String::from_utf8(rest), String::from_utf8(text(0, first)), "seed {seed}");
        most
    }

    #[test]
    fn neighbours_are_merged_in_order_and_few_values_wait() {
        for seed in 0..60 {
            let (chunks, at_once) = (1 + seed as usize * 17, 1 + seed as usize % 12);
            let levels = chunks.ilog(CHILDREN) as usize + 1;
            // On each level the children of one node wait for the slow one, and of others for what is under way; a chunk may come
            // in two parts.
            let expected = 2 * (CHILDREN - 1) * levels + 2 * CHILDREN * at_once;
            let most = run(seed, chunks, at_once);
            assert!(most <= expected, "seed {seed}: {most} values of {chunks} chunks, {at_once} at once");
        }
    }
}
