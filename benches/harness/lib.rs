//! A harness that measures rivals side by side.
//!
//! A [`Row`] is one kind of work, a [`Contender`] one way to do it. Every row runs in a process of its own, in which the
//! contenders take turns, round by round, so that what disturbs the machine disturbs all of them. Ratios are taken
//! within a round. A contender that panics, ends the process or hangs costs its own cell of the table and no other.
//!
//! Limits: Linux only, and the figures of one run say nothing about another machine.

mod chart;
mod contender;
mod drive;
mod event;
mod headlines;
mod machine;
mod markdown;
mod measure;
mod options;
mod render;
mod report;
mod row;
mod statistics;
mod table;

use std::process::ExitCode;

pub use contender::Contender;
pub use row::{Row, Unit};

/// The name of the contender to which all others are compared.
pub const OURS: &str = "parallel";

/// Runs the rows that the command line selects; in a process that was started for one row, measures that row.
///
/// A run of all rows writes `results/NAME.json`, with a chart and a table beside it; a run of the rows that the main README
/// shows `results/headlines.json`, likewise; a run of some `results/NAME.partial.json`.
///
/// Call it from `main`, after whatever the contenders need to start processes of their own.
pub fn run(name: &str, rows: Vec<Row>) -> ExitCode {
    if let Some(order) = event::Order::of_this_process() {
        return measure::main(&rows, &order);
    }
    match options::Options::parse(std::env::args().skip(1)) {
        Ok(options) => drive::main(name, &rows, &options),
        Err(refusal) => {
            eprintln!("{refusal}");
            ExitCode::from(2)
        }
    }
}
