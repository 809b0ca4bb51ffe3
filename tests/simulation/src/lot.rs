//! A batch of the simulation: items are numbers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use crate::engine::call_id::{CallId, History, Place};
use crate::state::load::Load;

/// What all parts of one submission share.
#[derive(Debug)]
pub(crate) struct Order {
    /// A map or a reduction, whose outcomes are wanted together; otherwise a call.
    pub(crate) wanted: Cell<bool>,
    pub(crate) merged: bool,
    pub(crate) fixed: bool,
    pub(crate) watched: bool,
    pub(crate) needs_idle_worker: bool,
    pub(crate) short: bool,
    pub(crate) pace: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    /// Where batches of it wait.
    pub(crate) places: RefCell<BTreeSet<Place>>,
}

/// Some items of one submission, or calls that travel together.
#[derive(Debug, Clone)]
pub(crate) struct Lot {
    pub(crate) items: Vec<usize>,
    /// The calls that they are; empty for a map's.
    pub(crate) calls: Vec<CallId>,
    pub(crate) orders: Vec<Rc<Order>>,
    pub(crate) forbids_retries: bool,
    pub(crate) history: History,
}

impl Lot {
    fn order(&self) -> &Order {
        &self.orders[0]
    }
}

impl Load for Lot {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn split(mut self, at: usize) -> (Self, Self) {
        let at = at.min(self.items.len());
        let rest = Self {
            items: self.items.split_off(at),
            calls: self.calls.split_off(at.min(self.calls.len())),
            orders: self.orders.clone(),
            forbids_retries: self.forbids_retries,
            history: if at == 0 { self.history } else { History::default() },
        };
        (self, rest)
    }

    fn join(mut self, others: Vec<Self>) -> Self {
        for call in others {
            self.items.extend(call.items);
            self.calls.extend(call.calls);
            self.orders.extend(call.orders);
        }
        self
    }

    fn cost(&self) -> usize {
        self.items.len()
    }

    fn is_wanted(&self) -> bool {
        self.orders.iter().any(|order| order.wanted.get())
    }

    fn is_watched(&self) -> bool {
        self.orders.iter().any(|order| order.watched)
    }

    fn waits(&self, place: Place, is_there: bool) {
        for order in &self.orders {
            let places = &mut *order.places.borrow_mut();
            let is_news = if is_there { places.insert(place) } else { places.remove(&place) };
            assert!(is_news, "{place:?} is told of twice");
        }
    }

    fn is_merged(&self) -> bool {
        self.order().merged
    }

    fn is_divisible(&self) -> bool {
        !self.order().merged && !self.order().fixed
    }

    fn needs_idle_worker(&self) -> bool {
        self.order().needs_idle_worker
    }

    fn pace(&self) -> Option<Duration> {
        self.order().pace
    }

    fn is_short(&self) -> bool {
        self.order().short && self.calls.is_empty()
    }

    fn timeout(&self) -> Option<Duration> {
        self.order().timeout
    }

    fn retries(&self) -> u32 {
        if self.forbids_retries { 0 } else { self.order().retries }
    }

    fn forbid_retries(&mut self) {
        self.forbids_retries = true;
    }

    fn history(&self) -> History {
        self.history
    }

    fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    fn is_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    fn position(&self, call: CallId) -> Option<usize> {
        self.calls.iter().position(|&its| its == call)
    }

    fn is_sociable(&self) -> bool {
        self.calls.len() == 1
            && self.orders.len() == 1
            && self.history == History::default()
            && !self.needs_idle_worker()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.timeout() == other.timeout() && self.retries() == other.retries()
    }
}
