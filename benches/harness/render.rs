//! Charts and tables of whole runs, as files, and in the documents that show them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::report::Report;
use crate::row::Row;
use crate::{chart, headlines, markdown};

/// The folder of the results.
pub(crate) fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// The results of a whole run, by what they hold.
pub(crate) enum Shown<'a> {
    /// Every row of the bench of this name, beside its main peer: for the benches' own README.
    All(&'a str),
    /// The rows that the main README shows, beside what a reader would use instead.
    Headlines,
}

impl Shown<'_> {
    /// What the files are called, and the place in the document.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::All(name) => name,
            Self::Headlines => "headlines",
        }
    }

    /// The document that shows them, and where the results lie as seen from it.
    fn document(&self) -> (PathBuf, &'static str) {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        match self {
            Self::All(_) => (benches.join("README.md"), "results"),
            Self::Headlines => (benches.join("../README.md"), "benches/results"),
        }
    }

    fn caption(&self) -> &'static str {
        match self {
            Self::All(_) => "Ours beside each row's main peer",
            Self::Headlines => "Ours beside rayon, procspawn, multiprocessing and loky",
        }
    }

    fn chart(&self, report: &Report) -> String {
        match self {
            Self::All(_) => chart::draw(report),
            Self::Headlines => headlines::chart(report),
        }
    }

    fn table(&self, report: &Report) -> String {
        match self {
            Self::All(_) => markdown::table(report),
            Self::Headlines => headlines::table(report),
        }
    }

    /// Writes chart and table beside the results.
    pub(crate) fn write_beside(&self, report: &Report) -> io::Result<()> {
        for (ending, content) in [("svg", self.chart(report)), ("md", self.table(report))] {
            let path = results().join(format!("{}.{ending}", self.name()));
            fs::write(&path, content)?;
            println!("written to {}", path.display());
        }
        Ok(())
    }

    /// Makes chart and table of the last such run anew, and shows them in the document if that has a place for them.
    fn render(&self) -> io::Result<()> {
        let name = self.name();
        let path = results().join(format!("{name}.json"));
        if !path.exists() {
            println!("nothing to draw: there is no {}", path.display());
            return Ok(());
        }
        let report = Report::read(&path)?;
        self.write_beside(&report)?;
        let (document, folder) = self.document();
        let shown = format!("![{}]({folder}/{name}.svg)\n\n{}", self.caption(), self.table(&report));
        if let Some(filled) = fill(&fs::read_to_string(&document)?, name, &shown) {
            fs::write(&document, filled)?;
            println!("shown in {}", document.display());
        }
        Ok(())
    }
}

/// Makes the charts and tables of the last whole runs of a bench anew, in the documents too.
pub(crate) fn again(name: &str, rows: &[Row]) -> io::Result<()> {
    Shown::All(name).render()?;
    if rows.iter().any(|row| row.headline.is_some()) { Shown::Headlines.render() } else { Ok(()) }
}

/// Puts `content` between the two marks of this name, in place of what is there; `None` where a mark is missing.
fn fill(document: &str, name: &str, content: &str) -> Option<String> {
    let begin = format!("<!-- results of {name}: begin -->\n");
    let end = format!("<!-- results of {name}: end -->");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let empty = "a\n<!-- results of x: begin -->\n<!-- results of x: end -->\nz\n";
        let once = fill(empty, "x", "table 1\n").unwrap();
        assert_eq!(once, "a\n<!-- results of x: begin -->\n\ntable 1\n\n<!-- results of x: end -->\nz\n");
        let twice = fill(&once, "x", "table 2").unwrap();
        assert_eq!(twice, once.replace("table 1", "table 2"));
    }

    #[test]
    fn a_document_without_both_marks_stays_as_it_is() {
        assert_eq!(fill("a", "x", "table"), None);
        assert_eq!(fill("<!-- results of x: begin -->\n", "x", "table"), None);
        assert_eq!(fill("<!-- results of y: begin -->\n<!-- results of y: end -->", "x", "table"), None);
    }

    #[test]
    fn the_documents_have_places_for_the_results() {
        for shown in [Shown::All("latest"), Shown::Headlines] {
            let document = fs::read_to_string(shown.document().0).unwrap();
            assert!(fill(&document, shown.name(), "table").is_some(), "no place for {}", shown.name());
        }
    }
}
