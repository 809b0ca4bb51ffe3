//! The seats of a pool. Those of its workers that are idle, and those that have something to look at, are at hand: what a call costs
//! does not depend on how many others do nothing.

use std::ops::{Deref, DerefMut};

use super::load::Load;
use super::worker::Worker;

/// The workers by their seats.
#[derive(Debug)]
pub(crate) struct Seats<B> {
    all: Vec<Option<Worker<B>>>,
    idle: Indices,
    engaged: Indices,
}

impl<B> Seats<B> {
    pub(crate) fn new(seats: usize) -> Self {
        let all = std::iter::repeat_with(|| None).take(seats).collect();
        Self { all, idle: Indices::new(seats), engaged: Indices::new(seats) }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// All seats in order, those without a worker as well.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&Worker<B>>> {
        self.all.iter().map(Option::as_ref)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Worker<B>> {
        self.all[index].as_ref()
    }

    /// The first worker that takes a parcel and has none.
    pub(crate) fn first_idle(&self) -> Option<usize> {
        self.idle.from(0)
    }

    /// The workers that [have something](Worker::is_engaged), with their seats.
    pub(crate) fn engaged(&self) -> impl Iterator<Item = (usize, &Worker<B>)> {
        let next = |&index: &usize| self.engaged.from(index + 1);
        std::iter::successors(self.engaged.from(0), next).filter_map(|index| Some((index, self.all[index].as_ref()?)))
    }

    /// The seat of the first such worker from this seat on.
    pub(crate) fn engaged_from(&self, index: usize) -> Option<usize> {
        self.engaged.from(index)
    }
}

impl<B: Load> Seats<B> {
    /// A worker to be changed.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<Change<'_, B>> {
        self.all[index].is_some().then_some(Change { seats: self, index })
    }

    /// Puts a worker into a seat, or nobody; returns who sat there.
    pub(crate) fn replace(&mut self, index: usize, worker: Option<Worker<B>>) -> Option<Worker<B>> {
        let former = std::mem::replace(&mut self.all[index], worker);
        self.sort_in(index);
        former
    }

    fn sort_in(&mut self, index: usize) {
        let worker = self.all[index].as_ref();
        self.idle.set(index, worker.is_some_and(Worker::is_idle));
        self.engaged.set(index, worker.is_some_and(Worker::is_engaged));
    }
}

/// A worker that is being changed; afterwards it is sorted in again.
pub(crate) struct Change<'a, B: Load> {
    seats: &'a mut Seats<B>,
    index: usize,
}

const SITS: &str = "`get_mut` has seen the worker there, and nobody else has had the seats since";

impl<B: Load> Deref for Change<'_, B> {
    type Target = Worker<B>;

    fn deref(&self) -> &Worker<B> {
        self.seats.all[self.index].as_ref().expect(SITS)
    }
}

impl<B: Load> DerefMut for Change<'_, B> {
    fn deref_mut(&mut self) -> &mut Worker<B> {
        self.seats.all[self.index].as_mut().expect(SITS)
    }
}

impl<B: Load> Drop for Change<'_, B> {
    fn drop(&mut self) {
        self.seats.sort_in(self.index);
    }
}

/// A set of small numbers, one bit for each.
#[derive(Debug)]
struct Indices(Vec<u64>);

impl Indices {
    fn new(end: usize) -> Self {
        Self(vec![0; end.div_ceil(64)])
    }

    fn set(&mut self, index: usize, is_in: bool) {
        let bit = 1 << (index % 64);
        let word = &mut self.0[index / 64];
        *word = if is_in { *word | bit } else { *word & !bit };
    }

    /// The first member from this number on.
    fn from(&self, index: usize) -> Option<usize> {
        let (at, bit) = (index / 64, index % 64);
        let first = self.0.get(at)? >> bit << bit;
        let later = self.0.iter().enumerate().skip(at + 1).map(|(at, &word)| (at, word));
        let mut words = std::iter::once((at, first)).chain(later);
        let (at, word) = words.find(|&(_, word)| word != 0)?;
        Some(at * 64 + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_order_wherever_the_search_begins() {
        let mut set = Indices::new(200);
        assert_eq!(set.from(0), None);
        for member in [3, 63, 64, 199] {
            set.set(member, true);
        }
        let from =
            [(0, Some(3)), (3, Some(3)), (4, Some(63)), (64, Some(64)), (65, Some(199)), (200, None), (999, None)];
        for (index, member) in from {
            assert_eq!(set.from(index), member, "from {index}");
        }
        set.set(64, false);
        assert_eq!(set.from(64), Some(199));
    }
}
