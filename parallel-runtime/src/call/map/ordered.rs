//! Maps: items go out in chunks, outcomes come back in any order and are put in order where that is wanted.

use std::collections::BTreeMap;

use super::feeder::{Feeder, MapPlan};
use super::outbox::Outcomes;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::rows::Rows;
use crate::run::callable::{Accepts, Callable};
use crate::tuning::RESERVED_RESULTS;
use crate::wire::given::{self, Given};
use crate::wire::handles::Handle;
use crate::wire::outcome::decode_result;
use crate::wire::plain;

/// Puts what comes back into the order of the items.
pub(crate) struct Reorder {
    next: usize,
    held: BTreeMap<usize, Outcomes>,
}

impl Reorder {
    pub(crate) fn new() -> Self {
        Self { next: 0, held: BTreeMap::new() }
    }

    pub(crate) fn push(&mut self, outcomes: Outcomes) {
        let at = match &outcomes {
            Outcomes::Values { first, .. } => *first,
            Outcomes::Failed { index, .. } => *index,
        };
        self.held.insert(at, outcomes);
    }

    /// Whether the next outcomes in order are there.
    pub(crate) fn has_next(&self) -> bool {
        self.held.contains_key(&self.next)
    }

    /// The next outcomes in order, if they are there.
    pub(crate) fn pop(&mut self) -> Option<Outcomes> {
        let outcomes = self.held.remove(&self.next)?;
        self.next += match &outcomes {
            Outcomes::Values { values, .. } => values.len(),
            Outcomes::Failed { .. } => 1,
        };
        Some(outcomes)
    }
}

/// Decodes the value of the item at `index`.
#[inline]
pub(crate) fn decode<H: Callable>((bytes, handles): (&[u8], &[Handle]), index: usize) -> Result<H::Output> {
    decode_result::<H>(bytes, handles).map_err(|error| {
        Error::new(ErrorKind::Decode(error)).in_function(H::entry().name()).at_index(index).after_attempts(1)
    })
}

/// Runs a map to its end, in order; the first failure ends it.
pub(crate) fn map<I: Iterator, H: Accepts<I::Item>>(plan: MapPlan, items: I) -> Result<Vec<H::Output>> {
    let feeder = Feeder::<I, H>::new(plan, items);
    match plain::rows::<H::Output>(feeder.forecast()) {
        Some(rows) => map_numbers(feeder, rows),
        None => map_values(feeder),
    }
}

/// Runs a map of values that are numbers.
fn map_numbers<I: Iterator, H: Accepts<I::Item>>(
    mut feeder: Feeder<I, H>,
    rows: Box<dyn Rows>,
) -> Result<Vec<H::Output>> {
    feeder.place_in(rows);
    // Values that come back as entries, because an item near them failed.
    let mut others = Vec::new();
    loop {
        feeder.feed()?;
        if feeder.is_done() {
            break;
        }
        for outcomes in feeder.collect(None) {
            match outcomes {
                Outcomes::Failed { error, .. } => return Err(error),
                Outcomes::Values { first, values } => others.push((first, values)),
            }
        }
    }
    let taken = feeder.taken();
    let mut outputs = feeder.placed().and_then(|rows| plain::into_vec(rows, taken)).unwrap_or_default();
    for (first, values) in others {
        for (index, value) in (first..).zip(values.iter()) {
            outputs[index] = decode::<H>(value, index)?;
        }
    }
    Ok(outputs)
}

/// Runs a map of any values.
fn map_values<I: Iterator, H: Accepts<I::Item>>(feeder: Feeder<I, H>) -> Result<Vec<H::Output>> {
    let mut outputs = Given::new(Vec::with_capacity(feeder.expected().min(RESERVED_RESULTS)));
    for_each_value(feeder, |_, value| {
        outputs.push(value);
        Ok::<(), Error>(())
    })?;
    Ok(outputs.into_inner())
}

/// Runs a map to its end, and has each value taken, in order; the first failure, of an item or in taking a value, ends it.
pub(crate) fn each<I: Iterator, H: Accepts<I::Item>, E: From<Error>>(
    plan: MapPlan,
    items: I,
    take: impl FnMut(usize, H::Output) -> Result<(), E>,
) -> Result<(), E> {
    for_each_value(Feeder::<I, H>::new(plan, items), take)
}

fn for_each_value<I: Iterator, H: Accepts<I::Item>, E: From<Error>>(
    mut feeder: Feeder<I, H>,
    mut take: impl FnMut(usize, H::Output) -> Result<(), E>,
) -> Result<(), E> {
    let mut order = Reorder::new();
    loop {
        feeder.feed()?;
        if feeder.is_done() {
            return Ok(());
        }
        for outcomes in feeder.collect(None) {
            match outcomes {
                Outcomes::Failed { error, .. } => return Err(error.into()),
                values @ Outcomes::Values { .. } => order.push(values),
            }
        }
        while let Some(Outcomes::Values { first, values }) = order.pop() {
            for (index, value) in (first..).zip(values.iter()) {
                take(index, decode::<H>(value, index)?)?;
            }
        }
    }
}

/// Runs a map to its end; every item has its own outcome, in order.
pub(crate) fn map_results<I: Iterator, H: Accepts<I::Item>>(plan: Result<MapPlan>, items: I) -> Vec<Result<H::Output>> {
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return refuse_all(items, &error, 0).collect(),
    };
    let mut feeder = Feeder::<I, H>::new(plan, items);
    let mut order = Reorder::new();
    let mut outcomes: Given<Vec<(usize, Result<H::Output>)>> =
        Given::new(Vec::with_capacity(feeder.expected().min(RESERVED_RESULTS)));
    let mut refusal = None;
    while !feeder.is_done() {
        if refusal.is_none() {
            refusal = feeder.feed().err();
        } else if feeder.is_idle() {
            break;
        }
        for arrived in feeder.collect(None) {
            order.push(arrived);
        }
        while let Some(next) = order.pop() {
            decode_outcomes::<H>(next, &mut *outcomes);
        }
    }
    let mut outcomes: Given<Vec<_>> =
        Given::new(outcomes.into_inner().into_iter().map(|(_, outcome)| outcome).collect());
    if let Some(error) = refusal {
        // The pool has ended: the rest of the items cannot even be sent.
        let taken = outcomes.len();
        outcomes.extend(refuse_all(feeder.into_rest(), &error, taken));
    }
    outcomes.into_inner()
}

/// The outcomes of items that are not sent, the first of which is number `first`. They are not encoded, so their depth stays
/// unknown.
fn refuse_all<I: Iterator, T>(items: I, error: &Error, first: usize) -> impl Iterator<Item = Result<T>> {
    items.enumerate().map(move |(at, item)| {
        if plain::may_be_deep::<I::Item>() {
            given::drop_apart(item);
        }
        Err(error.duplicate().at_index(first + at))
    })
}

/// Runs a map to its end and drops what comes back; the first failure ends it.
pub(crate) fn for_each<I: Iterator, H: Accepts<I::Item>>(plan: MapPlan, items: I) -> Result<()> {
    let mut feeder = Feeder::<I, H>::new(plan, items);
    loop {
        feeder.feed()?;
        if feeder.is_done() {
            return Ok(());
        }
        for outcomes in feeder.collect(None) {
            if let Outcomes::Failed { error, .. } = outcomes {
                return Err(error);
            }
        }
    }
}

/// Decodes what arrived, item by item.
fn decode_outcomes<H: Callable>(outcomes: Outcomes, ready: &mut impl Extend<(usize, Result<H::Output>)>) {
    match outcomes {
        Outcomes::Failed { index, error } => ready.extend([(index, Err(error))]),
        Outcomes::Values { first, values } => {
            ready.extend(values.iter().enumerate().map(|(at, value)| (first + at, decode::<H>(value, first + at))));
        }
    }
}
