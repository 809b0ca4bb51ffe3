//! Medians, and ratios taken within a round.

use serde::{Deserialize, Serialize};

/// The samples of one contender: round and value.
pub(crate) type Samples = Vec<(usize, f64)>;

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) samples: usize,
}

/// Returns the spread of the values, or `None` for none.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Some(Spread { median, min, max, samples: sorted.len() })
}

/// Divides round by round. Rounds in which one of both has no sample do not count; nor does a divisor of zero.
pub(crate) fn ratio(ours: &Samples, theirs: &Samples) -> Option<Spread> {
    let pairs = ours.iter().filter_map(|(round, our)| {
        let (_, their) = theirs.iter().find(|(other, _)| other == round)?;
        (*their != 0.0).then_some(our / their)
    });
    spread(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let odd = spread([9.0, 1.0, 4.0].into_iter()).unwrap();
        assert_eq!(odd, Spread { median: 4.0, min: 1.0, max: 9.0, samples: 3 });
        assert_eq!(spread([9.0, 1.0, 4.0, 2.0].into_iter()).unwrap().median, 3.0);
        assert_eq!(spread(std::iter::empty()), None);
    }

    #[test]
    fn a_ratio_compares_only_rounds_that_both_took_part_in() {
        let ours = vec![(0, 2.0), (1, 30.0), (2, 8.0)];
        let theirs = vec![(2, 2.0), (0, 1.0), (3, 1.0)];
        assert_eq!(ratio(&ours, &theirs), Some(Spread { median: 3.0, min: 2.0, max: 4.0, samples: 2 }));
    }

    #[test]
    fn there_is_no_ratio_to_zero() {
        assert_eq!(ratio(&vec![(0, 2.0)], &vec![(0, 0.0)]), None);
    }
}
