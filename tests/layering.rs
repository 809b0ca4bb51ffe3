//! The shape of the runtime's sources: who may use whom, and what stands where. The floors are those of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `parallel-runtime/src`, and its text without comments and tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The room it is in.
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn sources() -> Vec<Source> {
    let root = root().join("parallel-runtime/src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            // What is for tests only may look at everything.
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || ["testing.rs", "fuzzed.rs"].contains(&&*name) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            sources.push(Source { path: name, text: lines.collect::<Vec<_>>().join("\n") });
        }
    }
    assert!(sources.len() > 100, "{} sources", sources.len());
    sources
}

/// The rooms by floor and place, from the ground up.
fn floors() -> BTreeMap<String, (usize, usize)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with("| rooms")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).enumerate();
    let rooms = rows.flat_map(|(floor, row)| {
        let names = row.split('|').nth(1).unwrap_or_default().split(',').enumerate();
        let name = |name: &str| name.trim_matches([' ', '`', '/']).to_string();
        names.map(move |(place, it)| (name(it), (floor, place))).collect::<Vec<_>>()
    });
    rooms.collect()
}

/// The rooms that a text names by `crate::room`.
fn used(text: &str) -> BTreeSet<&str> {
    let behind = text.split("crate::").skip(1);
    let name = |rest: &str| rest.find(|at: char| !at.is_alphanumeric() && at != '_').unwrap_or(rest.len());
    behind.map(|rest| &rest[..name(rest)]).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_room_uses_those_below_it_and_to_its_left() {
    let floors = floors();
    let mut wrong = Vec::new();
    for source in sources() {
        let room = source.room();
        if ["lib", "private"].contains(&room) {
            continue;
        }
        let here = floors.get(room).unwrap_or_else(|| panic!("`{room}` is not in the table of ARCHITECTURE.md"));
        for other in used(&source.text).into_iter().filter(|other| *other != room) {
            match floors.get(other) {
                Some((floor, place)) if (*floor, *place) < *here => {}
                // What the crate offers at its root comes from a room of its own.
                None => {}
                Some(_) => wrong.push(format!("{} uses `{other}`, which stands above it", source.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Methods of one type in many files are a circle that imports do not show.
#[test]
fn the_methods_of_a_type_stand_in_two_files_at_most() {
    let mut homes: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        for line in source.text.lines().filter(|line| line.starts_with("impl") && !line.contains(" for ")) {
            let behind = line.trim_start_matches("impl");
            // Over the parameters.
            let mut depth = 0;
            let start = behind.find(|at| {
                depth += i32::from(at == '<') - i32::from(at == '>');
                depth == 0 && (at == ' ' || at == '>')
            });
            let name = behind[start.unwrap_or_default()..].trim_matches(['>', ' ']);
            let name: String = name.chars().take_while(|at| at.is_alphanumeric()).collect();
            homes.entry((source.room().to_string(), name)).or_default().insert(source.path.clone());
        }
    }
    assert!(homes.len() > 100, "{} types", homes.len());
    let many: Vec<_> = homes.iter().filter(|(_, files)| files.len() > 2).collect();
    assert!(many.is_empty(), "{many:#?}");
}

/// Nothing is in all these places but those that may.
#[track_caller]
fn stands_in(words: &[&str], places: &[&str]) {
    let sources = sources();
    let others = sources.iter().filter(|source| !source.is_in(places));
    let wrong: Vec<String> = others
        .filter_map(|source| Some((source, words.iter().find(|word| source.text.contains(**word))?)))
        .map(|(source, word)| format!("{}: `{word}`", source.path))
        .collect();
    assert!(wrong.is_empty(), "{words:?} are for {places:?}:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_and_system_calls_stand_in_their_rooms() {
    let rooms =
        ["sys/", "lane/", "wire/cast", "wire/given", "worker/entry", "sync/", "shared/", "channel/", "call/task"];
    stands_in(&["unsafe {", "unsafe impl", "unsafe fn"], &rooms);
    // The names of errors, which are the system's, are read in one more.
    stands_in(&["libc::", "rustix::"], &["sys/", "process/peer"]);
}

#[test]
fn what_a_pool_decides_knows_no_clock_no_lock_and_no_descriptor() {
    // What a call is known by, and numbers.
    let ground = ["engine", "pause", "tuning"];
    let state: Vec<Source> = sources().into_iter().filter(|source| source.is_in(&["pool/state/"])).collect();
    assert!(state.len() > 8, "{} sources", state.len());
    for source in state {
        for word in ["::now()", "Mutex", "Atomic", "std::os", "std::thread", "std::fs", "unsafe"] {
            assert!(!source.text.contains(word), "{}: `{word}`", source.path);
        }
        let outside: Vec<&str> = used(&source.text).into_iter().filter(|room| !ground.contains(room)).collect();
        assert!(outside.is_empty(), "{} uses {outside:?}", source.path);
    }
    // Callers know an engine and no pool; one file turns to the global pool where a call names none.
    let callers =
        sources().into_iter().filter(|source| source.is_in(&["call/", "engine/"]) && source.path != "call/task.rs");
    callers.for_each(|source| assert!(!used(&source.text).contains("pool"), "{}", source.path));
}
