//! Chart and table of a run, as files, and in the document that shows them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::report::Report;
use crate::{chart, markdown};

/// The folder of the results.
pub(crate) fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// Makes chart and table of the last run of all rows anew, and shows them in README.md where it has a place for them.
pub(crate) fn again(name: &str) -> io::Result<()> {
    let path = results().join(format!("{name}.json"));
    if !path.exists() {
        println!("nothing to draw: there is no {}", path.display());
        return Ok(());
    }
    let report = Report::read(&path)?;
    beside(&report, name)?;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(&readme)?;
    let shown =
        format!("![Ours beside each row's main peer](benches/results/{name}.svg)\n\n{}", markdown::table(&report));
    if let Some(filled) = fill(&text, name, &shown) {
        fs::write(&readme, filled)?;
        println!("shown in README.md");
    }
    Ok(())
}

/// Writes chart and table beside the results.
pub(crate) fn beside(report: &Report, name: &str) -> io::Result<()> {
    for (ending, content) in [("svg", chart::draw(report)), ("md", markdown::table(report))] {
        let path = results().join(format!("{name}.{ending}"));
        fs::write(&path, content)?;
        println!("written to {}", path.display());
    }
    Ok(())
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
    fn the_readme_has_a_place_for_the_results() {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
        assert!(fill(&readme, "latest", "table").is_some());
    }
}
