//! The table that a person reads: a line for each peer of a row.

use crate::report::{AimReport, Cell, RowReport};
use crate::row::Unit;

const WORK: usize = 46;
const VALUE: usize = 10;
const PEER: usize = 38;
const RATIO: usize = 7;

/// The names of the columns.
pub(crate) fn head() -> String {
    let titles = line("work", "ours", "peer", "ratio", "aim");
    let rule = "-".repeat(titles.chars().count() + 12);
    format!("{titles}\n{rule}")
}

/// One row, one line for each peer, and one for an aim or a failure of ours that no peer shows.
pub(crate) fn row(report: &RowReport) -> String {
    let ours = match &report.ours {
        Cell::Measured(spread) => quantity(spread.median, report.unit),
        Cell::Missing { .. } => "-".to_string(),
    };
    let mut lines = Vec::new();
    let mut first = Some((report.work.as_str(), ours.as_str()));
    let mut push = |peer: &str, ratio: &str, aim: &str| {
        let (work, ours) = first.take().unwrap_or_default();
        lines.push(line(work, ours, peer, ratio, aim));
    };
    if let Cell::Missing { reason } = &report.ours {
        push(&format!("ours {reason}"), "", "");
    }
    if let Some(aim) = &report.aim {
        push("", "", &judgement(aim, |value| quantity(value, report.unit)));
    }
    for peer in &report.peers {
        let cell = match &peer.cell {
            Cell::Measured(spread) => format!("{:>VALUE$}  {}", quantity(spread.median, report.unit), peer.name),
            Cell::Missing { reason } => format!("{:>VALUE$}  {} ({reason})", "-", peer.name),
        };
        let ratio = peer.ratio.map_or_else(String::new, |ratio| quotient(ratio.median));
        let aim = peer.aim.as_ref().map_or_else(String::new, |aim| judgement(aim, digits));
        push(&cell, &ratio, &aim);
    }
    if report.peers.is_empty() && lines.is_empty() {
        lines.push(line(&report.work, &ours, "", "", ""));
    }
    lines.join("\n")
}

fn line(work: &str, ours: &str, peer: &str, ratio: &str, aim: &str) -> String {
    let text = format!("{work:<WORK$} {ours:>VALUE$}  {peer:<PEER$} {ratio:>RATIO$}  {aim}");
    text.trim_end().to_string()
}

fn judgement(aim: &AimReport, show: impl Fn(f64) -> String) -> String {
    let word = match aim.reached {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "not measured",
    };
    format!("≤ {} {word}", show(aim.at_most))
}

pub(crate) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => scaled(value, &[("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)]),
        Unit::Bytes => scaled(value, &[("MB", 1e6), ("kB", 1e3), ("B", 1.0)]),
        Unit::Count => digits(value),
    }
}

/// Shows the value in the largest unit that it fills, or in the last one.
fn scaled(value: f64, units: &[(&str, f64)]) -> String {
    let fits = units.iter().find(|(_, size)| value >= *size).or(units.last());
    fits.map_or_else(String::new, |(name, size)| format!("{} {name}", digits(value / size)))
}

/// One digit more than an aim has, so that an aim just missed shows.
pub(crate) fn quotient(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.3}") } else { digits(ratio) }
}

/// Three digits that count.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// Three digits that count, without zeros that say nothing: for what somebody chose.
pub(crate) fn plain(value: f64) -> String {
    let text = digits(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_the_largest_unit_that_they_fill() {
        assert_eq!(quantity(1.5, Unit::Seconds), "1.50 s");
        assert_eq!(quantity(0.000_082, Unit::Seconds), "82.0 µs");
        assert_eq!(quantity(1_700_000.0, Unit::Bytes), "1.70 MB");
        assert_eq!(quantity(12.0, Unit::Bytes), "12.0 B");
        assert_eq!(quantity(0.0, Unit::Count), "0");
    }

    #[test]
    fn chosen_numbers_have_no_digits_that_nobody_chose() {
        assert_eq!([60.0, 1.05, 0.05, 1000.0, 0.0001, 0.0].map(plain), ["60", "1.05", "0.05", "1000", "0.0001", "0"]);
    }
}
