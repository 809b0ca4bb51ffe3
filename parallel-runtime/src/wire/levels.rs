//! How deeply a value is nested, and what is done where a stack would not hold it.
//!
//! serde recurses once for each value inside a value, in users' code, so a deep value can be longer than the stack. Each value
//! that has values inside is [`enter`]ed on the way in: its level is counted, and the address of the stack's end compared with
//! a limit. The first limit is near, so that a value of the usual kind never asks where its stack ends. Whoever passes it asks,
//! once; whoever finds too little left gives up, and all is done anew on a larger stack of our own: the same value gives the
//! same bytes again, and the same bytes the same value. What is too deep for that is an error.

use std::cell::Cell;

use crate::config::{DEEP, NEAR, RESERVE};
use crate::memory::given;
use crate::sys::stack;

/// How far the value that this thread encodes or decodes has gone down.
struct Watch {
    /// Where the stack was at its start.
    start: Cell<usize>,
    /// Down to this address nothing needs to be asked; 0 where nothing is encoded or decoded.
    limit: Cell<usize>,
    /// How many values, one inside the other, are being read or written.
    levels: Cell<usize>,
    passed: Cell<Passed>,
}

/// What was found out on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Nothing,
    /// The value is deep: what else recurses into it may need more than is left here.
    Deep,
    /// At this level there was too little left of the stack.
    GaveUp { levels: usize },
}

thread_local! {
    static WATCH: Watch = const {
        Watch { start: Cell::new(0), limit: Cell::new(0), levels: Cell::new(0), passed: Cell::new(Passed::Nothing) }
    };
}

/// What this thread was at before, so that a value inside a value's own code leaves it as it was, also by a panic.
struct Restore {
    start: usize,
    limit: usize,
    levels: usize,
    passed: Passed,
}

impl Restore {
    #[inline]
    fn begin() -> Self {
        let here = stack::here();
        WATCH.with(|watch| Self {
            start: watch.start.replace(here),
            limit: watch.limit.replace(here.saturating_sub(NEAR)),
            levels: watch.levels.replace(0),
            passed: watch.passed.replace(Passed::Nothing),
        })
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        WATCH.with(|watch| {
            watch.start.set(self.start);
            watch.limit.set(self.limit);
            watch.levels.set(self.levels);
            watch.passed.set(self.passed);
        });
        // How deep the value is was not found out.
        if std::thread::panicking() {
            given::meet();
        }
    }
}

/// Enters a value that has values inside; an error: there is too little stack for them.
#[inline(always)]
pub(super) fn enter() -> Result<(), TooDeep> {
    let here = stack::here();
    let near = WATCH.with(|watch| {
        watch.levels.set(watch.levels.get().wrapping_add(1));
        here < watch.limit.get()
    });
    if near { pass(here) } else { Ok(()) }
}

/// Leaves a value that was entered.
#[inline(always)]
pub(super) fn leave() {
    WATCH.with(|watch| watch.levels.set(watch.levels.get().wrapping_sub(1)));
}

/// There is too little stack for what is inside. Nobody reads it: all is done anew, or another error says so.
#[derive(Debug)]
pub(super) struct TooDeep;

impl std::fmt::Display for TooDeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is nested too deeply")
    }
}

#[cold]
#[inline(never)]
fn pass(here: usize) -> Result<(), TooDeep> {
    WATCH.with(|watch| {
        let lowest = stack::bounds().map(|bounds| bounds.start + RESERVE.min(bounds.len() / 4));
        // Where nobody knows how long the stack is, it is as short as can be.
        let Some(lowest) = lowest.filter(|&lowest| here >= lowest) else {
            if !matches!(watch.passed.get(), Passed::GaveUp { .. }) {
                watch.passed.set(Passed::GaveUp { levels: watch.levels.get() });
            }
            return Err(TooDeep);
        };
        let deep = watch.start.get().saturating_sub(DEEP);
        if here < deep && watch.passed.get() == Passed::Nothing {
            watch.passed.set(Passed::Deep);
        }
        watch.limit.set(if here < deep { lowest } else { lowest.max(deep) });
        Ok(())
    })
}

/// Encodes or decodes a value by `step`, here or, where it does not fit, on a stack of about `wanted` bytes; `refuse` makes an
/// error of the words that say why it fits nowhere.
#[inline]
pub(super) fn measured<T, E>(
    wanted: usize,
    mut step: impl FnMut() -> Result<T, E>,
    refuse: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let (outcome, passed) = watched(&mut step);
    match passed {
        Passed::Nothing => outcome,
        Passed::Deep => {
            given::meet();
            outcome
        }
        Passed::GaveUp { levels } => {
            drop(outcome);
            given::meet();
            on_larger(wanted, levels, &mut step).unwrap_or_else(|text| Err(refuse(text)))
        }
    }
}

#[inline]
fn watched<T, E>(step: &mut impl FnMut() -> Result<T, E>) -> (Result<T, E>, Passed) {
    let restore = Restore::begin();
    let outcome = step();
    let passed = WATCH.with(|watch| watch.passed.get());
    drop(restore);
    (outcome, passed)
}

#[cold]
fn on_larger<T, E>(wanted: usize, levels: usize, step: &mut impl FnMut() -> Result<T, E>) -> Result<Result<T, E>, String> {
    let attempt = || match watched(step) {
        // Whatever became of it, some of it was not read or written.
        (outcome, Passed::GaveUp { levels }) => {
            drop(outcome);
            let len = stack::bounds().map_or(0, |bounds| bounds.len());
            Err(format!("it is nested more than {levels} levels deep, and {} MiB of stack hold no more", len >> 20))
        }
        (outcome, _) => Ok(outcome),
    };
    given::on_larger(wanted, attempt).unwrap_or_else(|error| {
        Err(format!("it is nested more than {levels} levels deep, and a larger stack could not be made: {error}"))
    })
}
