//! The chart: a bar for each row, from the peer's need, which is 1, to ours, on a logarithmic axis.
//!
//! The picture is self-contained and has a ground of its own, so that it can be read on a light and on a dark page, and
//! wherever scripts and foreign fonts are not allowed.

use std::fmt::Write;

use crate::OURS;
use crate::report::{Comparison, Report};
use crate::table::{plain, quotient};

const WIDTH: f64 = 940.0;
/// Where the bars begin and end; names are on the left of them, numbers on the right.
const BARS: (f64, f64) = (370.0, 800.0);
const HEAD: f64 = 84.0;
const ROW: f64 = 32.0;
const BAR: f64 = 8.0;
/// Each bar ends in a dot, which shows its colour where there is hardly a bar.
const DOT: f64 = 5.5;
const FOOT: f64 = 56.0;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;fill:#1f2328}\
.ground{fill:#ffffff;stroke:#d1d9e0}.title{font-size:16px;font-weight:600}.small{font-size:10.5px;fill:#59636e}\
.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#d1d9e0}.one{stroke:#59636e}.aim{stroke:#1f2328;stroke-width:2}\
.reached{fill:#1a7f37}.missed{fill:#bc4c00}.none{fill:#6e7781}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.ground{fill:#0d1117;stroke:#3d444d}.small{fill:#9198a1}\
.grid{stroke:#3d444d}.one{stroke:#9198a1}.aim{stroke:#f0f6fc}.reached{fill:#3fb950}.missed{fill:#f0883e}.none{fill:#8b949e}}";

/// Draws every row that has a peer.
pub(crate) fn draw(report: &Report) -> String {
    let bars: Vec<Comparison<'_>> = report.rows.iter().filter_map(|row| row.comparison()).collect();
    let axis = Axis::over(&bars);
    let bottom = HEAD + ROW * bars.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"What is needed as a multiple of what each peer needs\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        WIDTH - 1.0,
        bottom + FOOT - 1.0,
        height = bottom + FOOT,
    );
    let title = format!("What {OURS} needs, as a multiple of what the peer needs");
    text(&mut svg, (16.0, 28.0), "title", &title);
    legend(&mut svg);
    for power in axis.first..=axis.last {
        let (x, class) = (axis.at(10_f64.powi(power)), if power == 0 { "one" } else { "grid" });
        line(&mut svg, class, x, HEAD - 6.0, bottom);
        for y in [HEAD - 12.0, bottom + 16.0] {
            text(&mut svg, (x, y), "small middle", &format!("{}×", plain(10_f64.powi(power))));
        }
    }
    for (place, bar) in bars.iter().enumerate() {
        draw_bar(&mut svg, &axis, HEAD + ROW * place as f64, bar);
    }
    text(&mut svg, (16.0, bottom + 40.0), "small", &report.line());
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let entries = [("reached", "aim reached"), ("missed", "aim missed"), ("none", "no aim")];
    for (place, (class, meaning)) in entries.into_iter().enumerate() {
        let x = 16.0 + 92.0 * place as f64;
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"41\" width=\"10\" height=\"10\" rx=\"2\"/>");
        text(svg, (x + 15.0, 50.0), "small", meaning);
    }
    line(svg, "aim", 297.0, 39.0, 53.0);
    text(svg, (304.0, 50.0), "small", "the aim; left of 1×, less is needed than by the peer");
}

fn draw_bar(svg: &mut String, axis: &Axis, top: f64, bar: &Comparison<'_>) {
    let middle = top + ROW / 2.0;
    let class = match bar.aim {
        Some((_, true)) => "reached",
        Some((_, false)) => "missed",
        None => "none",
    };
    text(svg, (BARS.0 - 12.0, middle - 2.0), "end", &bar.row.work);
    text(svg, (BARS.0 - 12.0, middle + 11.0), "small end", &format!("against {}", bar.peer.name));
    let (one, end) = (axis.at(1.0), axis.at(bar.ratio));
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" />",
        one.min(end),
        middle - BAR / 2.0,
        (one - end).abs(),
    );
    let _ = writeln!(svg, "<circle class=\"{class}\" cx=\"{end:.1}\" cy=\"{middle:.1}\" r=\"{DOT}\"/>");
    text(svg, (BARS.1 + 12.0, middle - 2.0), "", &format!("{}×", quotient(bar.ratio)));
    if let Some((at_most, reached)) = bar.aim {
        line(svg, "aim", axis.at(at_most), middle - 9.0, middle + 9.0);
        let word = if reached { "reached" } else { "missed" };
        text(svg, (BARS.1 + 12.0, middle + 11.0), "small", &format!("aim {}×, {word}", plain(at_most)));
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>");
}

fn line(svg: &mut String, class: &str, x: f64, from: f64, to: f64) {
    let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\"/>");
}

/// A logarithmic axis of whole powers of ten.
struct Axis {
    first: i32,
    last: i32,
}

impl Axis {
    /// Smaller ratios, nothing at all for one, are drawn as this one.
    const LEAST: f64 = 1e-4;
    const MOST: f64 = 1e6;

    /// Room for every bar and every aim.
    fn over(bars: &[Comparison<'_>]) -> Self {
        let shown = bars.iter().flat_map(|bar| [Some(bar.ratio), bar.aim.map(|(at_most, _)| at_most)]).flatten();
        let powers = || shown.clone().map(|ratio| Self::bounded(ratio).log10());
        let first = powers().fold(0.0, f64::min).floor() as i32;
        let last = powers().fold(0.0, f64::max).ceil() as i32;
        Self { first: first.min(-1), last: last.max(1) }
    }

    fn bounded(ratio: f64) -> f64 {
        ratio.clamp(Self::LEAST, Self::MOST)
    }

    fn at(&self, ratio: f64) -> f64 {
        let share = (Self::bounded(ratio).log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        BARS.0 + share * (BARS.1 - BARS.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// The attributes of the bars: class, x and width.
    fn bars(svg: &str) -> Vec<(String, f64, f64)> {
        let attribute =
            |line: &str, name: &str| line.split(&format!(" {name}=\"")).nth(1)?.split('"').next().map(String::from);
        let bars = svg.lines().filter(|line| line.contains(&format!("height=\"{BAR}\"")));
        bars.map(|line| {
            let number = |name| attribute(line, name).unwrap().parse().unwrap();
            (attribute(line, "class").unwrap(), number("x"), number("width"))
        })
        .collect()
    }

    #[test]
    fn bars_go_from_the_peer_to_ours_and_say_whether_the_aim_is_reached() {
        let report = sample();
        let svg = draw(&report);
        let comparisons: Vec<_> = report.rows.iter().filter_map(|row| row.comparison()).collect();
        let axis = Axis::over(&comparisons);
        let (half, ninety, two) = (axis.at(0.5), axis.at(90.0), axis.at(2.0));
        let one = axis.at(1.0);
        let expected = [
            ("reached", half, one - half),
            ("missed", one, ninety - one),
            ("missed", one, two - one),
            ("none", one, 0.0),
        ];
        let drawn = bars(&svg);
        assert_eq!(drawn.len(), expected.len(), "{svg}");
        for ((class, x, width), (expected_class, expected_x, expected_width)) in drawn.into_iter().zip(expected) {
            assert_eq!(class, expected_class);
            assert!((x - expected_x).abs() < 0.1 && (width - expected_width).abs() < 0.1, "{class} {x} {width}");
        }
        assert!(BARS.0 <= half && ninety <= BARS.1);
    }

    #[test]
    fn names_numbers_aims_machine_and_date_are_in_the_picture() {
        let svg = draw(&sample());
        for text in ["Vec&lt;u8&gt; &amp; more", "against rayon", ">0.500×<", "aim 60×, missed", "a quick CPU", "2026-"]
        {
            assert!(svg.contains(text), "no `{text}` in {svg}");
        }
        assert!(!svg.contains("alone"), "a row without a peer");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn the_axis_has_room_for_what_is_nothing_and_for_what_is_huge() {
        let axis = Axis { first: -4, last: 6 };
        assert_eq!((axis.at(0.0), axis.at(1e99)), BARS);
    }
}
