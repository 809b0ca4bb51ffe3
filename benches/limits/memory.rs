//! Memory: one copy, into pages that the system must first give, and into pages that were used before.

use parallel_benches::Contender;

pub(crate) const FRESH: &str = "clone";
pub(crate) const USED: &str = "memcpy, used memory";

/// Clones the data: one memcpy into a new `Vec`, whose pages are fresh once it is large.
pub(crate) fn clone<T: Copy + PartialEq + 'static>(data: impl FnOnce() -> Vec<T> + 'static) -> Contender {
    Contender::timed(
        FRESH,
        1,
        || {
            let data = data();
            move || data.clone()
        },
        |copy| !copy.is_empty(),
    )
}

/// Copies the data over an earlier copy.
pub(crate) fn copy_into_used<T: Copy + PartialEq + 'static>(data: impl FnOnce() -> Vec<T> + 'static) -> Contender {
    Contender::timed(
        USED,
        1,
        || {
            let data = data();
            let mut used = data.clone();
            move || {
                used.copy_from_slice(&data);
                std::hint::black_box(used.last().copied())
            }
        },
        Option::is_some,
    )
}
