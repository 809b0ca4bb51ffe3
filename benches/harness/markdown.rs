//! The table that a document shows: a line for each row that has a peer.

use crate::report::{Cell, Comparison, PeerReport, Report};
use crate::row::Unit;
use crate::table::{plain, quantity, quotient};

/// The table, below a line that says where and when.
pub(crate) fn table(report: &Report) -> String {
    let lines = report.rows.iter().filter_map(|row| row.comparison()).map(|comparison| line(&comparison));
    let lines: Vec<String> = lines.collect();
    format!(
        "{}. Medians; a ratio is ours divided by the peer's, taken round by round.\n\n\
         | work | ours | peer | ratio | aim | others |\n|---|---:|---|---:|---|---|\n{}\n",
        escaped(&report.line()),
        lines.join("\n")
    )
}

fn line(comparison: &Comparison<'_>) -> String {
    let row = comparison.row;
    let ours = row.ours.median().map_or_else(|| "-".to_string(), |median| quantity(median, row.unit));
    let others: Vec<String> = row
        .peers
        .iter()
        .filter(|peer| !std::ptr::eq(*peer, comparison.peer))
        .filter_map(|peer| named(peer, row.unit))
        .collect();
    let aim = comparison.aim.map_or_else(String::new, |(at_most, reached)| {
        format!("≤ {} {}", plain(at_most), if reached { "reached" } else { "**missed**" })
    });
    let cells = [
        escaped(&row.work),
        ours,
        named(comparison.peer, row.unit).unwrap_or_default(),
        quotient(comparison.ratio),
        aim,
        others.join("; "),
    ];
    format!("| {} |", cells.join(" | "))
}

/// A peer and what it needs, if it was measured.
fn named(peer: &PeerReport, unit: Unit) -> Option<String> {
    match &peer.cell {
        Cell::Measured(spread) => Some(format!("{} {}", escaped(&peer.name), quantity(spread.median, unit))),
        Cell::Missing { .. } => None,
    }
}

/// Text as Markdown shows it, in a cell of a table too.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if "\\`*_[]<>|&#".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_row_with_a_peer_is_a_line_with_everything_measured() {
        let table = table(&sample());
        let lines: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
        assert_eq!(
            lines,
            [
                "| Vec\\<u8\\> \\& more | 1.00 s | rayon 2.00 s | 0.500 | ≤ 1.1 reached | serial 4.00 s |",
                "| slow | 90.0 ms | futex, spinning 1.00 ms | 90.0 | ≤ 60 **missed** | procspawn 100 ms |",
                "| memory | 2.00 MB | a process that waits 1.00 MB | 2.000 | ≤ 1 **missed** |  |",
                "| no aim | 1.00 s | rayon 1.00 s | 1.000 |  |  |",
            ]
        );
    }
}
