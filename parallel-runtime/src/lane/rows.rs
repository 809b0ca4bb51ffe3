//! Results of a number type, put where they belong as their bytes arrive, in any order.

use std::any::Any;
use std::collections::BTreeMap;
use std::mem::{ManuallyDrop, MaybeUninit};

use bytemuck::Pod;

use crate::sys::bytes::SharedBytes;
use crate::sys::memory::prefer_huge_pages;

/// Numbers of some type, to be filled in.
pub(crate) trait Rows: Send {
    /// Fills in the numbers from index `first` on; false, and nothing is done, when they are not of this width.
    fn put(&mut self, first: usize, width: usize, values: SharedBytes<'_>) -> bool;
    /// The same value, for a caller that knows its type.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Numbers of type `T`, to be filled in. To clear the memory first would take as long as to fill it.
pub(crate) struct RowsOf<T> {
    places: Vec<MaybeUninit<T>>,
    /// Which places are filled: all before this one,
    front: usize,
    /// and these behind it, in order.
    beyond: BTreeMap<usize, usize>,
}

impl<T: Pod + Send> RowsOf<T> {
    /// Makes room for so many numbers; more may come.
    pub(crate) fn new(expected: usize) -> Self {
        let mut places = Vec::new();
        // `expected` is a forecast only: where so much memory is not to be had, `put` reserves what really comes.
        if places.try_reserve_exact(expected).is_ok() {
            prefer_huge_pages(places.spare_capacity_mut());
            // SAFETY: there is room for so many places, and a place needs no value.
            unsafe { places.set_len(expected) };
        }
        Self { places, front: 0, beyond: BTreeMap::new() }
    }

    /// The first `len` numbers; 0 where none came.
    pub(crate) fn into_vec(mut self, len: usize) -> Vec<T> {
        self.places.resize(len, MaybeUninit::zeroed());
        let mut from = self.front;
        for (start, end) in self.beyond.into_iter().chain([(len, len)]) {
            if let Some(gap) = self.places.get_mut(from..start.min(len)) {
                gap.fill(MaybeUninit::zeroed());
            }
            from = from.max(end);
        }
        let mut places = ManuallyDrop::new(self.places);
        // SAFETY: the parts of a vector that `ManuallyDrop` keeps from being freed. Each of its places up to its length is
        // filled: before `front` and in `beyond` by `put`, in between by the loop, behind the former length by `resize`;
        // and a `T` has the layout of its place.
        unsafe { Vec::from_raw_parts(places.as_mut_ptr().cast::<T>(), places.len(), places.capacity()) }
    }

    /// Notes that the places from `first` to `end` are filled.
    fn note(&mut self, first: usize, end: usize) {
        if first > self.front {
            let known = self.beyond.entry(first).or_default();
            *known = end.max(*known);
            return;
        }
        self.front = self.front.max(end);
        while let Some(next) = self.beyond.first_entry().filter(|next| *next.key() <= self.front) {
            self.front = self.front.max(next.remove());
        }
    }
}

impl<T: Pod + Send> Rows for RowsOf<T> {
    fn put(&mut self, first: usize, width: usize, values: SharedBytes<'_>) -> bool {
        if width != size_of::<T>() {
            return false;
        }
        let end = first + values.len() / width;
        if end > self.places.len() {
            let len = end.max(2 * self.places.len());
            self.places.reserve(len - self.places.len());
            // SAFETY: there is room for so many places, and a place needs no value.
            unsafe { self.places.set_len(len) };
        }
        values.copy_into(&mut self.places[first..end]);
        self.note(first, end);
        true
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_their_places_whatever_the_order_and_the_forecast() {
        for expected in [0, 3, 5, 100, usize::MAX] {
            let mut rows = RowsOf::<u16>::new(expected);
            assert!(rows.put(3, 2, SharedBytes::of(bytemuck::bytes_of_mut(&mut [4_u16, 5]))));
            assert!(!rows.put(0, 4, SharedBytes::of(&mut [0; 8])));
            assert!(rows.put(0, 2, SharedBytes::of(bytemuck::bytes_of_mut(&mut [1_u16, 2, 3]))));
            assert_eq!(rows.into_vec(5), [1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn what_never_came_is_zero() {
        for len in 0..12 {
            let mut rows = RowsOf::<u8>::new(8);
            for first in [5, 0, 8] {
                assert!(rows.put(first, 1, SharedBytes::of(&mut [1, 2])));
            }
            assert_eq!(rows.into_vec(len), [1, 2, 0, 0, 0, 1, 2, 0, 1, 2, 0, 0][..len]);
        }
    }
}
