//! Results of a number type, put where they belong as their bytes arrive, in any order.

use std::any::Any;

use bytemuck::Pod;

use super::layout::SharedBytes;
use crate::sys::memory::prefer_huge_pages;

/// Numbers of some type, to be filled in.
pub(crate) trait Rows: Send {
    /// Fills in the numbers from index `first` on; false, and nothing is done, when they are not of this width.
    fn put(&mut self, first: usize, width: usize, values: SharedBytes<'_>) -> bool;
    /// The same thing, for the one who knows the type.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Numbers of type `T`, to be filled in; zeros before.
pub(crate) struct RowsOf<T>(Vec<T>);

impl<T: Pod + Send> RowsOf<T> {
    /// Makes room for so many numbers; more may come.
    pub(crate) fn new(expected: usize) -> Self {
        // Only a forecast: where there is not so much memory, what really comes decides. Zeros from the kernel cost nothing
        // until they are touched.
        let mut values = bytemuck::allocation::try_zeroed_vec(expected).unwrap_or_default();
        prefer_huge_pages(&mut values);
        Self(values)
    }

    /// The first `len` numbers.
    pub(crate) fn into_vec(mut self, len: usize) -> Vec<T> {
        self.0.resize(len, T::zeroed());
        self.0
    }
}

impl<T: Pod + Send> Rows for RowsOf<T> {
    fn put(&mut self, first: usize, width: usize, values: SharedBytes<'_>) -> bool {
        if width != size_of::<T>() {
            return false;
        }
        let end = first + values.len() / width;
        if end > self.0.len() {
            self.0.resize(end.max(2 * self.0.len()), T::zeroed());
        }
        values.copy_to(bytemuck::cast_slice_mut(&mut self.0[first..end]));
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
            assert!(rows.put(3, 2, SharedBytes::of(bytemuck::bytes_of(&[4_u16, 5]))));
            assert!(!rows.put(0, 4, SharedBytes::of(&[0; 8])));
            assert!(rows.put(0, 2, SharedBytes::of(bytemuck::bytes_of(&[1_u16, 2, 3]))));
            assert_eq!(rows.into_vec(5), [1, 2, 3, 4, 5]);
        }
    }
}
