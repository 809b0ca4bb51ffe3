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

/// The targets of a text's links that are files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.starts_with("http") && !target.starts_with('#'))
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

#[test]
fn every_row_of_the_table_from_python_links_an_example() {
    let readme = read("README.md");
    let table = readme.split("## From Python").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let shown: Vec<&str> = links(row).filter_map(|link| link.strip_prefix("examples/")).collect();
        assert!(!shown.is_empty(), "no example: {row}");
        assert!(shown.iter().all(|name| examples().contains(*name)), "no such example: {row}");
    }
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() {
    for document in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "benches/README.md"]
    {
        let folder = root().join(document);
        let folder = folder.parent().unwrap();
        for link in links(&read(document)) {
            let target = link.split('#').next().unwrap();
            assert!(folder.join(target).exists(), "{document}: {link}");
        }
    }
}
