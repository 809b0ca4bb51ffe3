//! Consecutive numbers as items: only the first of them travels.
//!
//! A map of a range is the usual map, and its items say no more than where they start.

use std::any::TypeId;
use std::ops::{Range, RangeInclusive};

use super::plain::for_each_number;

/// Whether an iterator gives consecutive integers.
pub(crate) fn counts<I>() -> bool {
    fn find<I>() -> Option<()> {
        let iterator = typeid::of::<I>();
        // A range of other numbers than integers is no iterator.
        for_each_number!(Integer => {
            let counts = iterator == TypeId::of::<Range<Integer>>() || iterator == TypeId::of::<RangeInclusive<Integer>>();
            counts.then_some(())
        });
        None
    }
    find::<I>().is_some()
}

/// The number that comes `ahead` numbers after the first.
pub(crate) fn later(first: &[u8], ahead: usize) -> Vec<u8> {
    let mut number = first.to_vec();
    write(first, ahead, &mut number);
    number
}

/// Fills `numbers` with numbers, from the one that comes `ahead` numbers after the first; false, and nothing is done, where
/// that is no number.
pub(crate) fn write(first: &[u8], ahead: usize, numbers: &mut [u8]) -> bool {
    // Two's complement: signed numbers count up as unsigned ones do.
    macro_rules! count_up {
        ($($unsigned:ty)*) => {
            $(if let Ok(first) = first.try_into() {
                let first = <$unsigned>::from_le_bytes(first);
                for (at, place) in (ahead..).zip(numbers.chunks_exact_mut(size_of::<$unsigned>())) {
                    #[allow(clippy::cast_possible_truncation, reason = "counts beyond a type's numbers wrap as they do")]
                    place.copy_from_slice(&first.wrapping_add(at as $unsigned).to_le_bytes());
                }
                return true;
            })*
        };
    }
    count_up!(u8 u16 u32 u64 u128);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_of_integers_count_up() {
        assert!(counts::<Range<u64>>());
        assert!(counts::<RangeInclusive<i16>>());
        assert!(!counts::<std::iter::Rev<Range<u64>>>());
        assert!(!counts::<Range<char>>());
        assert!(!counts::<std::vec::IntoIter<u64>>());
    }

    #[test]
    fn what_is_written_is_what_the_range_gives() {
        for ahead in [0, 1, 7] {
            let (mut signed, mut wide) = ([0; 10], [0; 80]);
            assert!(write(&(-3_i16).to_le_bytes(), ahead, &mut signed));
            assert_eq!(signed[..], (-3_i16..).skip(ahead).take(5).flat_map(i16::to_le_bytes).collect::<Vec<_>>());
            let first = u128::from(u64::MAX) - 2;
            assert!(write(&first.to_le_bytes(), ahead, &mut wide));
            assert_eq!(wide[..], (first..).skip(ahead).take(5).flat_map(u128::to_le_bytes).collect::<Vec<_>>());
            assert_eq!(later(&first.to_le_bytes(), ahead), (first + ahead as u128).to_le_bytes());
        }
        assert!(!write(b"abc", 0, &mut [0; 9]), "no number has three bytes");
    }
}
