//! The documents and the examples know of each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The targets of a text's links, written in place or defined apart.
fn all_links(text: &str) -> impl Iterator<Item = &str> {
    let in_place = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    in_place.chain(definitions(text).map(|(_, target)| target))
}

/// The links of a text that are defined on lines of their own: name and target.
fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("[`")?.split_once("`]: "))
}

/// The targets of a text's links that are files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    all_links(text).filter(|target| !target.starts_with("http") && !target.starts_with('#'))
}

/// The anchors of a document's headings, as both GitHub and rustdoc make them.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let headings = document.lines().filter_map(|line| {
        in_code ^= line.starts_with("```");
        line.strip_prefix('#').filter(|_| !in_code)
    });
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}

fn examples() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("examples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".rs")).collect()
}

#[test]
fn every_example_is_a_stop_of_the_tour() {
    let tour = read("examples/README.md");
    let stops: BTreeSet<String> = links(&tour).filter(|link| !link.contains('/')).map(String::from).collect();
    assert_eq!(stops, examples());
}

/// The names of the examples that a text of the guide leads to.
fn guided(text: &str) -> BTreeSet<&str> {
    text.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")).map(|(name, _)| name).collect()
}

#[test]
fn every_row_of_the_table_from_python_links_an_example() {
    let guide = read("docs/guide.md");
    let table = guide.split("## From Python").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let shown = guided(row);
        assert!(!shown.is_empty(), "no example: {row}");
        assert!(shown.iter().all(|name| examples().contains(&format!("{name}.rs"))), "no such example: {row}");
    }
}

#[test]
fn every_example_that_the_guide_names_has_a_link_in_the_repository_and_one_in_the_documentation() {
    let (guide, library) = (read("docs/guide.md"), read("src/lib.rs"));
    let defined: BTreeSet<&str> = definitions(&guide).map(|(name, _)| name).collect();
    for (name, target) in definitions(&guide) {
        assert_eq!(target, format!("../examples/{name}.rs"));
    }
    let list = library.split("\nguide! {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    assert_eq!(list.split_whitespace().collect::<BTreeSet<_>>(), defined);
    assert_eq!(guided(&guide), defined);
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/guide.md",
        "examples/README.md",
        "benches/README.md",
    ];
    for document in documents {
        let (path, text) = (root().join(document), read(document));
        for link in all_links(&text).filter(|link| !link.starts_with("http")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{document}: {link}");
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(&target).unwrap());
                assert!(headings.contains(anchor), "{document}: {link}: {headings:?}");
            }
        }
    }
}
