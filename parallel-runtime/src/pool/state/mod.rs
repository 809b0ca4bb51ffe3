//! What a pool decides, apart from what it does: no descriptor, no clock, no lock, nobody called.

pub(crate) mod blame;
pub(crate) mod life;
