//! Where in a run of bytes each item ends.
//!
//! Items of one length, which numbers are, cost nothing: only their length and their count are kept.

use std::ops::Range;

/// The ends of items that stand one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ItemEnds {
    /// The length of each, as long as all have the same.
    width: usize,
    count: usize,
    /// The end of each, once two lengths have differed; empty before.
    uneven: Vec<usize>,
}

impl ItemEnds {
    /// The only item, of `len` bytes.
    pub(crate) fn one(len: usize) -> Self {
        Self::even(len, 1)
    }

    /// `count` items of `width` bytes each.
    pub(crate) fn even(width: usize, count: usize) -> Self {
        Self { width, count, uneven: Vec::new() }
    }

    /// Adds an item that ends at `end`, which is not before the end of the last.
    #[inline]
    pub(crate) fn push(&mut self, end: usize) {
        if self.count == 0 {
            self.width = end;
        } else if !self.uneven.is_empty() || end - self.last() != self.width {
            self.push_uneven(end);
        }
        self.count += 1;
    }

    #[cold]
    fn push_uneven(&mut self, end: usize) {
        if self.uneven.is_empty() {
            self.uneven.extend((1..=self.count).map(|items| items * self.width));
        }
        self.uneven.push(end);
    }

    /// Takes memory for so many more items of different lengths.
    pub(crate) fn reserve(&mut self, items: usize) {
        self.uneven.reserve_exact(items);
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The length of each item, where all have the same.
    pub(crate) fn width(&self) -> Option<usize> {
        self.uneven.is_empty().then_some(self.width)
    }

    /// Where the last item ends; 0 where there is none.
    #[inline]
    pub(crate) fn last(&self) -> usize {
        self.before(self.count)
    }

    /// Where the first `items` items end.
    #[inline]
    pub(crate) fn before(&self, items: usize) -> usize {
        match items {
            0 => 0,
            _ if self.uneven.is_empty() => items * self.width,
            _ => self.uneven[items - 1],
        }
    }

    /// The range of each item, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).map(|item| self.range(item))
    }

    /// The range of one item.
    #[inline]
    pub(crate) fn range(&self, item: usize) -> Range<usize> {
        self.before(item)..self.before(item + 1)
    }

    /// Cuts off the items from `at` on; their ends are counted from where the first of them starts.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        let cut = self.before(at);
        let count = self.count - at;
        self.count = at;
        if self.uneven.is_empty() {
            return Self::even(self.width, count);
        }
        let uneven = self.uneven.split_off(at).into_iter().map(|end| end - cut).collect();
        if at == 0 {
            *self = Self::default();
        }
        Self { width: 0, count, uneven }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[usize]) -> ItemEnds {
        let (mut ends, mut at) = (ItemEnds::default(), 0);
        for len in lengths {
            at += len;
            ends.push(at);
        }
        ends
    }

    #[test]
    fn items_of_one_length_need_no_table() {
        assert_eq!(of(&[8; 1000]), ItemEnds::even(8, 1000));
        assert_eq!(of(&[0; 3]), ItemEnds::even(0, 3));
        assert_eq!(of(&[8, 8]).width(), Some(8));
        assert_eq!(of(&[8, 0]).width(), None);
    }

    #[test]
    fn the_ends_are_those_that_were_pushed_and_stay_so_when_they_are_cut() {
        for lengths in [&[3, 0, 5, 5][..], &[4, 4, 4, 4], &[4, 4, 4, 1], &[0, 0, 1, 0]] {
            for at in 0..=lengths.len() {
                let mut head = of(lengths);
                let tail = head.split_off(at);
                let found: Vec<usize> = head.ranges().chain(tail.ranges()).map(|range| range.len()).collect();
                assert_eq!((found.as_slice(), head.len(), tail.len()), (lengths, at, lengths.len() - at));
                assert_eq!(head.last() + tail.last(), lengths.iter().sum::<usize>());
            }
        }
    }
}
