//! What the driver tells the process of a row, and what that process tells back: one line of JSON each.

use std::env;

use serde::{Deserialize, Serialize};

const VARIABLE: &str = "PARALLEL_BENCH_ROW";

/// The order to measure one row, carried by an environment variable.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) row: String,
    pub(crate) quick: bool,
    /// Contenders to leave out, because they ended or hung an earlier process.
    pub(crate) without: Vec<String>,
}

impl Order {
    pub(crate) fn of_this_process() -> Option<Self> {
        let order = env::var(VARIABLE).ok()?;
        Some(serde_json::from_str(&order).expect("only the driver sets this variable"))
    }

    pub(crate) fn as_variable(&self) -> (&'static str, String) {
        (VARIABLE, serde_json::to_string(self).expect("strings and a flag always have a JSON form"))
    }
}

/// What happens in the process of a row.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// It is this contender's turn; what goes wrong from now on is its doing.
    Turn { contender: String },
    /// One sample, in the row's unit.
    Sample { contender: String, round: usize, value: f64 },
    /// This contender takes no further part.
    Failed { contender: String, reason: String },
    /// Everything is measured.
    Done,
}
