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
.ground{fill:#ffffff;stroke:#d1d9e0}.title{font-size:16px;font-weight:600}.strong{font-weight:600}.small{font-size:10.5px;fill:#59636e}\
.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#d1d9e0}.one{stroke:#59636e}.aim{stroke:#1f2328;stroke-width:2}\
.reached{fill:#1a7f37}.missed{fill:#bc4c00}.none{fill:#6e7781}.band{fill:#f6f8fa}.dot{fill:#1f2328}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.ground{fill:#0d1117;stroke:#3d444d}.small{fill:#9198a1}\
.grid{stroke:#3d444d}.one{stroke:#9198a1}.aim{stroke:#f0f6fc}.reached{fill:#3fb950}.missed{fill:#f0883e}.none{fill:#8b949e}.band{fill:#151b23}.dot{fill:#f0f6fc}}";

/// Draws every row that has a peer.
pub(crate) fn draw(report: &Report) -> String {
    let bars: Vec<Comparison<'_>> = report.rows.iter().filter_map(|row| row.comparison()).collect();
    let axis = Axis::over(BARS, shown(&bars));
    let bottom = HEAD + ROW * bars.len() as f64;
    let mut svg = begin((WIDTH, bottom + FOOT), "What is needed as a multiple of what each peer needs");
    let title = format!("What {OURS} needs, as a multiple of what the peer needs");
    text(&mut svg, (16.0, 28.0), "title", &title);
    legend(&mut svg);
    axis.draw(&mut svg, HEAD, bottom);
    for (place, bar) in bars.iter().enumerate() {
        draw_bar(&mut svg, &axis, HEAD + ROW * place as f64, bar);
    }
    text(&mut svg, (16.0, bottom + 40.0), "small", &report.line());
    svg.push_str("</svg>\n");
    svg
}

/// The head of a picture of this size: its style, and a ground of its own.
pub(crate) fn begin((width, height): (f64, f64), label: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        width - 1.0,
        height - 1.0,
    )
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

/// The multiples that the axis has room for: every bar and every aim.
fn shown(bars: &[Comparison<'_>]) -> Vec<f64> {
    bars.iter().flat_map(|bar| [Some(bar.ratio), bar.aim.map(|(at_most, _)| at_most)]).flatten().collect()
}

pub(crate) fn text(svg: &mut String, (x, y): (f64, f64), class: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>");
}

pub(crate) fn line(svg: &mut String, class: &str, x: f64, from: f64, to: f64) {
    let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\"/>");
}

/// A logarithmic axis of whole powers of ten.
pub(crate) struct Axis {
    /// Where it begins and ends in the picture.
    ends: (f64, f64),
    first: i32,
    last: i32,
}

impl Axis {
    /// Smaller multiples, nothing at all for one, are drawn as this one.
    const LEAST: f64 = 1e-4;
    const MOST: f64 = 1e6;

    /// Room for all of these multiples, for a tenth and for ten.
    pub(crate) fn over(ends: (f64, f64), multiples: Vec<f64>) -> Self {
        let powers = multiples.into_iter().map(|multiple| Self::bounded(multiple).log10());
        let (least, most) =
            powers.fold((-1.0_f64, 1.0_f64), |(least, most), power| (least.min(power), most.max(power)));
        Self { ends, first: least.floor() as i32, last: most.ceil() as i32 }
    }

    fn bounded(multiple: f64) -> f64 {
        multiple.clamp(Self::LEAST, Self::MOST)
    }

    pub(crate) fn at(&self, multiple: f64) -> f64 {
        let share = (Self::bounded(multiple).log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// Draws a line for each power of ten, and its multiple above and below.
    pub(crate) fn draw(&self, svg: &mut String, top: f64, bottom: f64) {
        for power in self.first..=self.last {
            let (x, class) = (self.at(10_f64.powi(power)), if power == 0 { "one" } else { "grid" });
            line(svg, class, x, top - 6.0, bottom);
            for y in [top - 12.0, bottom + 16.0] {
                text(svg, (x, y), "small middle", &format!("{}×", plain(10_f64.powi(power))));
            }
        }
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
        let axis = Axis::over(BARS, shown(&comparisons));
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
        let axis = Axis { ends: BARS, first: -4, last: 6 };
        assert_eq!((axis.at(0.0), axis.at(1e99)), BARS);
    }
}
