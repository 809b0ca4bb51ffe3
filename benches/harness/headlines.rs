//! What the main README shows: a few rows, each beside the peers that a reader would use instead.
//!
//! The chart is drawn as that of all rows is: ours is the line at 1, and each peer's bar goes from there to what the peer
//! needs, on a logarithmic axis. The table holds the same medians.

use std::fmt::Write;

use crate::OURS;
use crate::chart::{self, Axis, line, text};
use crate::markdown::escaped;
use crate::report::{Cell, PeerReport, Report, RowReport};
use crate::row::Headline;
use crate::table::{digits, quantity};

const WIDTH: f64 = 820.0;
/// Where the bars begin and end; names are on the left of them, numbers on the right.
const BARS: (f64, f64) = (140.0, 630.0);
/// Where the columns of numbers end.
const TIMES: f64 = 722.0;
const MULTIPLES: f64 = 796.0;
const HEAD: f64 = 92.0;
const TITLE: f64 = 26.0;
const LINE: f64 = 17.0;
const GAP: f64 = 10.0;
const BAR: f64 = 9.0;
const FOOT: f64 = 56.0;

/// The rows that have a headline.
fn rows(report: &Report) -> Vec<(&RowReport, &Headline)> {
    report.rows.iter().filter_map(|row| Some((row, row.headline.as_ref()?))).collect()
}

/// The peer of this name in a row, if it takes part there.
fn peer<'a>(row: &'a RowReport, name: &str) -> Option<&'a PeerReport> {
    row.peers.iter().find(|peer| peer.name == name)
}

/// What the peer needs, as a multiple of what ours needs; `None` where one of them was not measured.
fn multiple(peer: &PeerReport) -> Option<f64> {
    peer.ratio.filter(|ratio| ratio.median > 0.0).map(|ratio| 1.0 / ratio.median)
}

/// Why there is no number, in words for a reader.
fn reason(peer: Option<&PeerReport>) -> &str {
    match peer.map(|peer| &peer.cell) {
        Some(Cell::Missing { reason }) => reason.strip_prefix("skipped: ").unwrap_or(reason),
        Some(Cell::Measured(_)) => "nothing to compare with",
        None => "has no such thing",
    }
}

/// Draws the rows, a bar for each peer.
pub(crate) fn chart(report: &Report) -> String {
    let rows = rows(report);
    let shown = rows.iter().flat_map(|(row, headline)| headline.against.iter().filter_map(|name| peer(row, name)));
    let axis = Axis::over(BARS, shown.filter_map(multiple).collect());
    let height = |headline: &Headline| TITLE + LINE * (headline.against.len() + 1) as f64 + GAP;
    let bottom = HEAD + rows.iter().map(|(_, headline)| height(headline)).sum::<f64>();
    let mut svg = chart::begin((WIDTH, bottom + FOOT), "What each peer needs as a multiple of what ours needs");
    text(&mut svg, (16.0, 28.0), "title", &format!("What others need, as a multiple of what {OURS} needs"));
    for (place, (class, meaning)) in [("reached", "needs more"), ("missed", "needs less")].into_iter().enumerate() {
        let x = 16.0 + 92.0 * place as f64;
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"43\" width=\"10\" height=\"10\" rx=\"2\"/>");
        text(&mut svg, (x + 15.0, 52.0), "small", meaning);
    }
    text(&mut svg, (TIMES, HEAD - 12.0), "small end", "median");
    text(&mut svg, (MULTIPLES, HEAD - 12.0), "small end", "multiple");
    axis.draw(&mut svg, HEAD, bottom);
    let mut top = HEAD;
    for (row, headline) in rows {
        draw(&mut svg, &axis, top, row, headline);
        top += height(headline);
    }
    text(&mut svg, (16.0, bottom + 40.0), "small", &report.line());
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, axis: &Axis, top: f64, row: &RowReport, headline: &Headline) {
    // Above the lines of the axis, which would cross the words.
    let _ =
        writeln!(svg, "<rect class=\"band\" x=\"1\" y=\"{top:.1}\" width=\"{}\" height=\"{}\"/>", WIDTH - 2.0, 20.0);
    text(svg, (16.0, top + 14.0), "strong", &headline.work);
    let mut middle = top + TITLE + LINE / 2.0;
    text(svg, (BARS.0 - 10.0, middle + 4.0), "strong end", OURS);
    let _ = writeln!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"4.5\"/>", axis.at(1.0));
    if let Some(median) = row.ours.median() {
        text(svg, (TIMES, middle + 4.0), "strong end", &quantity(median, row.unit));
    }
    for name in &headline.against {
        middle += LINE;
        text(svg, (BARS.0 - 10.0, middle + 4.0), "end", name);
        let peer = peer(row, name);
        let (one, measured) = (axis.at(1.0), peer.and_then(|peer| Some((peer.cell.median()?, multiple(peer)?))));
        let Some((median, multiple)) = measured else {
            text(svg, (one + 8.0, middle + 4.0), "small", reason(peer));
            continue;
        };
        let (class, end) = (if multiple < 1.0 { "missed" } else { "reached" }, axis.at(multiple));
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
            one.min(end),
            middle - BAR / 2.0,
            // Where both need the same there is still something to see.
            (one - end).abs().max(1.5),
        );
        text(svg, (TIMES, middle + 4.0), "end", &quantity(median, row.unit));
        text(svg, (MULTIPLES, middle + 4.0), "end", &format!("{}×", digits(multiple)));
    }
    line(svg, "one", axis.at(1.0), top + 20.0, top + TITLE);
}

/// The table, below a line that says where and when; reasons for empty cells stand below it.
pub(crate) fn table(report: &Report) -> String {
    let rows = rows(report);
    let mut names: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(|(_, headline)| &headline.against) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut reasons: Vec<&str> = Vec::new();
    let lines: Vec<String> = rows.iter().map(|(row, headline)| cells(row, headline, &names, &mut reasons)).collect();
    let mut table = format!(
        "{}. Medians; the multiples of the chart are taken round by round.\n\n| work | {OURS} | {} |\n|---|{}\n{}\n",
        escaped(&report.line()),
        names.join(" | "),
        "---:|".repeat(names.len() + 1),
        lines.join("\n"),
    );
    let notes: Vec<String> =
        reasons.iter().enumerate().map(|(place, reason)| format!("({}) {}", place + 1, escaped(reason))).collect();
    if !notes.is_empty() {
        let _ = writeln!(table, "\n{}", notes.join("; "));
    }
    table
}

fn cells<'a>(row: &'a RowReport, headline: &Headline, names: &[&str], reasons: &mut Vec<&'a str>) -> String {
    let mut cells = vec![
        escaped(&headline.work),
        row.ours.median().map_or_else(|| "-".to_string(), |median| quantity(median, row.unit)),
    ];
    for name in names {
        let peer = peer(row, name);
        cells.push(match peer.and_then(|peer| peer.cell.median()) {
            Some(median) => quantity(median, row.unit),
            None => format!("({})", number_of(reason(peer), reasons)),
        });
    }
    format!("| {} |", cells.join(" | "))
}

/// The number of the reason among those of the table, from 1 on; a new one is added.
fn number_of<'a>(reason: &'a str, reasons: &mut Vec<&'a str>) -> usize {
    let place = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    place + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_table_has_only_rows_with_a_headline_and_says_why_a_cell_is_empty() {
        let table = table(&sample());
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| work | parallel | rayon | loky |",
                "|---|---:|---:|---:|",
                "| a map | 1.00 s | 2.00 s | (1) |",
                "",
                "(1) not \\<here\\>"
            ]
        );
    }

    #[test]
    fn a_bar_goes_from_ours_to_what_the_peer_needs() {
        let svg = chart(&sample());
        let axis = Axis::over(BARS, vec![2.0]);
        let bar = format!("x=\"{:.1}\"", axis.at(1.0));
        let width = format!("width=\"{:.1}\" height=\"{BAR}\"", axis.at(2.0) - axis.at(1.0));
        let bars: Vec<&str> = svg.lines().filter(|line| line.contains(&format!("height=\"{BAR}\""))).collect();
        assert_eq!(bars.len(), 1, "{svg}");
        assert!(bars[0].contains("reached") && bars[0].contains(&bar) && bars[0].contains(&width), "{}", bars[0]);
    }

    #[test]
    fn names_numbers_reasons_machine_and_date_are_in_the_picture() {
        let svg = chart(&sample());
        for text in
            [">a map<", ">loky<", ">not &lt;here&gt;<", ">2.00×<", ">2.00 s<", ">1.00 s<", "a quick CPU", "2026-"]
        {
            assert!(svg.contains(text), "no `{text}` in {svg}");
        }
        assert!(!svg.contains("slow") && !svg.contains("serial"));
    }
}
