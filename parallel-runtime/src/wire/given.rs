//! Values that are ours to drop, of which some are nested more deeply than a stack is long.
//!
//! Encoding and decoding find out how deep a value is, and count it here where it is deep or its depth stays unknown. A
//! [`Given`] drops its value on a larger stack if any such value was counted since it was made. Where that was another value,
//! it costs some microseconds, and nothing else.

use std::cell::Cell;
use std::io;
use std::mem::{ManuallyDrop, needs_drop};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::sys::stack::{self, Stack};
use crate::tuning;

/// How many deep values this process has met, and values of unknown depth.
static MET: AtomicU64 = AtomicU64::new(0);

/// How many deep values have been met.
#[inline]
pub(crate) fn met() -> u64 {
    // Relaxed is enough: handing the value to another thread orders what this one has counted before.
    MET.load(Relaxed)
}

/// Notes that a value is deep, or that its depth will not be known.
#[cold]
pub(crate) fn meet() {
    MET.fetch_add(1, Relaxed);
}

/// A value that is ours to drop.
#[derive(Debug)]
pub struct Given<T> {
    value: ManuallyDrop<T>,
    met: u64,
}

impl<T> Given<T> {
    /// Takes a value that has not been encoded yet.
    #[inline(always)]
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), met: if needs_drop::<T>() { met() } else { 0 } }
    }

    /// Takes a value that was decoded since so many deep ones had been met.
    #[inline]
    pub(crate) fn since(value: T, met: u64) -> Self {
        Self { value: ManuallyDrop::new(value), met }
    }

    /// Gives the value away.
    #[inline(always)]
    pub fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped from here on.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Given<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Given<T> {
    #[inline]
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        // SAFETY: nothing comes after `drop`.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        if met() == self.met { drop(value) } else { drop_apart(value) }
    }
}

/// Drops a value, however deep it is, on a larger stack.
#[inline(never)]
pub(crate) fn drop_apart<T>(value: T) {
    let mut value = Some(value);
    // Where there is no room for a stack, the value's own memory is not given back: to drop it here might end the process.
    if on_larger(tuning::STACK_TO_DROP, tuning::LEAST_TO_DROP, &mut || drop(value.take())).is_err() {
        std::mem::forget(value);
    }
}

thread_local! {
    /// A larger stack for the next use, while this thread has many.
    static SPARE: Cell<Option<Stack>> = const { Cell::new(None) };
    /// Whether this thread keeps a stack from one use to the next.
    static KEEPS: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a larger stack from one use to the next, as long as it lives.
#[derive(Debug)]
pub(crate) struct Keeping(());

impl Keeping {
    pub(crate) fn new() -> Self {
        KEEPS.set(true);
        Self(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        KEEPS.set(false);
        SPARE.set(None);
    }
}

/// Runs `body` with about `wanted` bytes of stack, `least` at least: here, where there are half as many as wanted, else on a
/// larger stack.
///
/// # Errors
///
/// When there is no memory for one; `body` has not run then.
pub(crate) fn on_larger(wanted: usize, least: usize, body: &mut dyn FnMut()) -> io::Result<()> {
    let here = stack::bounds().map_or(0, |bounds| stack::here() - bounds.start);
    if here >= wanted / 2 {
        body();
        return Ok(());
    }
    let mut larger = match SPARE.take().filter(|spare| spare.len() >= wanted) {
        Some(spare) => spare,
        None => Stack::new(wanted)?,
    };
    if larger.len() < least {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    larger.run(body);
    if KEEPS.get() {
        SPARE.set(Some(larger));
    }
    Ok(())
}

/// Runs `body` here; if it has a deep value, on a larger stack, where there is memory for one.
pub(crate) fn run<T>(deep: bool, body: impl FnOnce() -> T) -> T {
    let (mut body, mut value) = (Some(body), None);
    run_any(deep, &mut || value = body.take().map(|body| body()));
    value.unwrap_or_else(|| unreachable!("what has run gave its value"))
}

fn run_any(deep: bool, body: &mut dyn FnMut()) {
    if !deep || on_larger(tuning::LARGER_STACK, tuning::LEAST_TO_DROP, &mut *body).is_err() {
        body();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of links that are dropped one inside the other.
    struct Link(#[allow(dead_code, reason = "it is there to be dropped")] Option<Box<Link>>);

    fn chain(links: usize) -> Link {
        (0..links).fold(Link(None), |chain, _| Link(Some(Box::new(chain))))
    }

    #[test]
    fn what_was_met_on_the_way_is_dropped_on_a_larger_stack() {
        let dropped = std::thread::Builder::new().stack_size(128 << 10).spawn(|| {
            let given = Given::new(chain(100_000));
            meet();
            drop(given);
            let kept = Keeping::new();
            for _ in 0..3 {
                drop_apart(chain(10_000));
            }
            drop(kept);
            assert!(SPARE.take().is_none());
        });
        dropped.unwrap().join().unwrap();
    }

    #[test]
    fn a_value_that_was_given_away_is_not_dropped() {
        let text = Given::new("kept".to_string());
        meet();
        assert_eq!(text.into_inner(), "kept");
    }
}
