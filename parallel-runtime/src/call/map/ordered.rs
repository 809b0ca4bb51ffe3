//! Maps: items go out in chunks, outcomes come back in any order and are put in order where that is wanted.

use std::collections::BTreeMap;

use super::feeder::{Arrival, Feeder, Plan};
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
    held: BTreeMap<usize, Arrival>,
}

impl Reorder {
    pub(crate) fn new() -> Self {
        Self { next: 0, held: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, arrival: Arrival) {
        let at = match &arrival {
            Arrival::Values { first, .. } => *first,
            Arrival::Failed { index, .. } => *index,
        };
        self.held.insert(at, arrival);
    }

    /// The next arrival in order, if it is there.
    pub(crate) fn take(&mut self) -> Option<Arrival> {
        let arrival = self.held.remove(&self.next)?;
        self.next += match &arrival {
            Arrival::Values { values, .. } => values.len(),
            Arrival::Failed { .. } => 1,
        };
        Some(arrival)
    }
}

/// Decodes the value of the item at `index`.
pub(crate) fn decode<H: Callable>((bytes, handles): (&[u8], &[Handle]), index: usize) -> Result<H::Output> {
    decode_result::<H>(bytes, handles).map_err(|error| {
        Error::new(ErrorKind::Decode(error)).in_function(H::entry().name()).at_index(index).after_attempts(1)
    })
}

/// Runs a map to its end, in order; the first failure ends it.
pub(crate) fn map<I: Iterator, H: Accepts<I::Item>>(plan: Plan, items: I) -> Result<Vec<H::Output>> {
    let feeder = Feeder::<I, H>::new(plan, items);
    match plain::rows::<H::Output>(feeder.forecast()) {
        Some(rows) => map_numbers(feeder, rows),
        None => map_values(feeder),
    }
}

/// Runs a map whose values are numbers.
fn map_numbers<I: Iterator, H: Accepts<I::Item>>(
    mut feeder: Feeder<I, H>,
    rows: Box<dyn Rows>,
) -> Result<Vec<H::Output>> {
    feeder.place_in(rows);
    // What comes back in another form, because something near it failed.
    let mut others = Vec::new();
    loop {
        feeder.feed(usize::MAX)?;
        if feeder.is_done() {
            break;
        }
        for arrival in feeder.collect() {
            match arrival {
                Arrival::Failed { error, .. } => return Err(error),
                Arrival::Values { first, values } => others.push((first, values)),
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

/// Runs a map whose values are anything.
fn map_values<I: Iterator, H: Accepts<I::Item>>(feeder: Feeder<I, H>) -> Result<Vec<H::Output>> {
    let mut outputs = Given::new(Vec::with_capacity(feeder.expected().min(RESERVED_RESULTS)));
    take_values(feeder, |_, value| {
        outputs.push(value);
        Ok::<(), Error>(())
    })?;
    Ok(outputs.into_inner())
}

/// Runs a map to its end, and has each value taken, in order; the first failure, of an item or in taking a value, ends it.
pub(crate) fn each<I: Iterator, H: Accepts<I::Item>, E: From<Error>>(
    plan: Plan,
    items: I,
    take: impl FnMut(usize, H::Output) -> Result<(), E>,
) -> Result<(), E> {
    take_values(Feeder::<I, H>::new(plan, items), take)
}

fn take_values<I: Iterator, H: Accepts<I::Item>, E: From<Error>>(
    mut feeder: Feeder<I, H>,
    mut take: impl FnMut(usize, H::Output) -> Result<(), E>,
) -> Result<(), E> {
    let mut order = Reorder::new();
    loop {
        feeder.feed(usize::MAX)?;
        if feeder.is_done() {
            return Ok(());
        }
        for arrival in feeder.collect() {
            match arrival {
                Arrival::Failed { error, .. } => return Err(error.into()),
                values @ Arrival::Values { .. } => order.put(values),
            }
        }
        while let Some(Arrival::Values { first, values }) = order.take() {
            for (index, value) in (first..).zip(values.iter()) {
                take(index, decode::<H>(value, index)?)?;
            }
        }
    }
}

/// Runs a map to its end; every item has its own outcome, in order.
pub(crate) fn map_results<I: Iterator, H: Accepts<I::Item>>(plan: Result<Plan>, items: I) -> Vec<Result<H::Output>> {
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
            refusal = feeder.feed(usize::MAX).err();
        } else if feeder.is_idle() {
            break;
        }
        for arrival in feeder.collect() {
            order.put(arrival);
        }
        while let Some(arrival) = order.take() {
            unpack::<H>(arrival, &mut *outcomes);
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

/// The outcomes of items that are not sent, the first of which is number `first`. Nobody learns how deep they are.
fn refuse_all<I: Iterator, T>(items: I, error: &Error, first: usize) -> impl Iterator<Item = Result<T>> {
    items.enumerate().map(move |(at, item)| {
        if plain::may_be_deep::<I::Item>() {
            given::drop_apart(item);
        }
        Err(error.duplicate().at_index(first + at))
    })
}

/// Runs a map to its end and drops what comes back; the first failure ends it.
pub(crate) fn for_each<I: Iterator, H: Accepts<I::Item>>(plan: Plan, items: I) -> Result<()> {
    let mut feeder = Feeder::<I, H>::new(plan, items);
    loop {
        feeder.feed(usize::MAX)?;
        if feeder.is_done() {
            return Ok(());
        }
        for arrival in feeder.collect() {
            if let Arrival::Failed { error, .. } = arrival {
                return Err(error);
            }
        }
    }
}

/// Decodes what arrived, item by item.
pub(crate) fn unpack<H: Callable>(arrival: Arrival, ready: &mut impl Extend<(usize, Result<H::Output>)>) {
    match arrival {
        Arrival::Failed { index, error } => ready.extend([(index, Err(error))]),
        Arrival::Values { first, values } => {
            ready.extend(values.iter().enumerate().map(|(at, value)| (first + at, decode::<H>(value, first + at))));
        }
    }
}
