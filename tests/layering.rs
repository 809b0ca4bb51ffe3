//! The shape of the runtime's sources: who may use whom, and what stands where. The floors are those of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `parallel-runtime/src`, and its text without comments, with tests and without.
struct Source {
    path: String,
    text: String,
    whole: String,
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

/// All but what is for tests only, which may look at everything.
fn sources() -> Vec<Source> {
    let is_for_tests = |path: &str| path.ends_with("tests.rs") || ["testing.rs", "fuzzed.rs"].contains(&path);
    let sources: Vec<Source> = all_sources().into_iter().filter(|source| !is_for_tests(&source.path)).collect();
    assert!(sources.len() > 100, "{} sources", sources.len());
    sources
}

fn all_sources() -> Vec<Source> {
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
            if !name.ends_with(".rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let whole = lines.collect::<Vec<_>>().join("\n");
            let text = whole.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default().to_string();
            sources.push(Source { path: name, text, whole });
        }
    }
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
fn unsafe_code_stands_in_its_rooms() {
    let rooms =
        ["sys/", "lane/", "wire/cast", "wire/given", "worker/entry", "sync/", "shared/", "channel/", "call/task"];
    stands_in(&["unsafe {", "unsafe impl", "unsafe fn"], &rooms);
}

/// Tests included: what they need of the system is asked of `sys`, too.
#[test]
fn only_sys_names_the_operating_system() {
    // The probe tells which of the user's types do not travel, and these are the system's.
    let may = ["sys/", "probe.rs"];
    for source in all_sources().into_iter().filter(|source| !source.is_in(&may)) {
        for word in ["std::os::", "libc::", "rustix::", "target_os", "target_env", "/proc/", "/dev/"] {
            assert!(!source.whole.contains(word), "{}: `{word}`", source.path);
        }
    }
}

/// The names that stand behind `before` in a text.
fn names_behind<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let places = text.match_indices(before).filter(|(at, _)| !text[..*at].ends_with(|at| is_of_name(at) || at == ':'));
    places.map(move |(at, _)| text[at + before.len()..].split(|at| !is_of_name(at)).next().unwrap_or_default())
}

fn is_of_name(at: char) -> bool {
    at.is_alphanumeric() || at == '_'
}

/// The paths in a text that begin with `crate` or `super`, each name of a list by itself.
fn paths(text: &str) -> Vec<String> {
    /// Takes what continues `before` from the front of `text`.
    fn take(text: &str, before: &str, paths: &mut Vec<String>) -> usize {
        if let Some(list) = text.strip_prefix('{') {
            let mut at = 0;
            while !list[at..].starts_with('}') {
                at += take(&list[at..], before, paths).max(1);
            }
            return at + 2;
        }
        let name = text.find(|at| !is_of_name(at)).unwrap_or(text.len());
        let path = format!("{before}{}", &text[..name]);
        match text[name..].strip_prefix("::") {
            Some(rest) if name > 0 => name + 2 + take(rest, &format!("{path}::"), paths),
            _ => {
                paths.push(path);
                let alias = text[name..].strip_prefix(" as ");
                name + alias.map_or(0, |alias| 4 + alias.find(|at| !is_of_name(at)).unwrap_or(alias.len()))
            }
        }
    }
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in
            text.match_indices(start).filter(|(at, _)| !text[..*at].ends_with(|at| is_of_name(at) || at == ':'))
        {
            take(&text[at..], "", &mut paths);
        }
    }
    paths
}

/// The compiler takes what is in the contract for used.
#[test]
fn the_contract_of_sys_holds_what_the_floors_above_use_and_nothing_else() {
    let (sys, above): (Vec<Source>, Vec<Source>) = sources().into_iter().partition(|source| source.is_in(&["sys/"]));
    let contract = &sys.iter().find(|source| source.path == "sys/contract.rs").unwrap().text;
    let entries = contract.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(';')?.split_once(": "));
    let items: BTreeSet<&str> = entries.map(|(item, _)| item).filter(|item| item.starts_with(is_of_name)).collect();
    assert!(items.len() > 100, "{} items", items.len());

    let names: BTreeSet<&str> = above.iter().flat_map(|source| source.text.split(|at| !is_of_name(at))).collect();
    let unused: Vec<_> =
        items.iter().filter(|item| !names.contains(item.rsplit("::").next().unwrap_or(item))).collect();
    assert!(unused.is_empty(), "nobody uses {unused:?}");

    for source in above {
        let paths = paths(&source.text);
        let paths: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix("crate::sys::")).collect();
        let rooms = paths.iter().map(|path| path.trim_end_matches("::self")).filter(|path| !path.contains("::"));
        let in_rooms = rooms.map(|room| format!("{room}::")).flat_map(|room| {
            let names = names_behind(&source.text, &room).map(|name| format!("{room}{name}"));
            names.collect::<Vec<_>>()
        });
        for item in in_rooms.chain(paths.iter().map(ToString::to_string)) {
            let Some((room, name)) = item.split_once("::") else { continue };
            // A type is held against it by its methods, the macro by nothing.
            let is_checked = [room, name].iter().all(|name| name.starts_with(char::is_lowercase));
            let is_known = ["self", "before_main"].contains(&name) || items.contains(&*item);
            assert!(!is_checked || is_known, "{}: `{item}` is not in the contract", source.path);
        }
    }
}

/// The files of one folder, and the folders in it, stand in an order: none imports one that imports it, on whatever way.
#[test]
fn no_two_files_of_a_folder_import_each_other_in_a_circle() {
    let may = [
        // The calls of a pool's lock: each hands the driver on to the next.
        ["pool/core", "pool/driver", "pool/entered", "pool/give", "pool/owner"].as_slice(),
    ];
    let sources = sources();
    let module = |source: &Source| source.path.trim_end_matches(".rs").trim_end_matches("/mod").to_string();
    let modules: BTreeSet<String> = sources.iter().map(module).collect();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !["lib", "private"].contains(&source.room())) {
        let from = module(source);
        for path in paths(&source.text) {
            let mut place: Vec<&str> = from.split('/').collect();
            let mut to = String::new();
            for name in path.split("::") {
                match name {
                    "crate" => place.clear(),
                    "super" => drop(place.pop()),
                    name => place.push(name),
                }
                let here = place.join("/");
                if modules.contains(&here) {
                    to = here;
                }
            }
            // Where they part, they are of one folder; a folder's own file gathers what is in it.
            let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
            let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            if common < from.len().min(to.len()) {
                imports.entry(from[..=common].join("/")).or_default().insert(to[..=common].join("/"));
            }
        }
    }
    let is_in_circle = |from: &str| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(next) = left.pop() {
            left.extend(imports.get(next).into_iter().flatten().map(String::as_str).filter(|to| seen.insert(*to)));
        }
        seen.contains(from)
    };
    let in_circles: BTreeSet<&str> = imports.keys().map(String::as_str).filter(|from| is_in_circle(from)).collect();
    let allowed: BTreeSet<&str> = may.iter().flat_map(|circle| circle.iter().copied()).collect();
    assert_eq!(in_circles, allowed, "those that are in a circle, and those that may be");
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

#[test]
fn a_long_file_says_why_it_is() {
    let root = root().join("parallel-runtime/src");
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).unwrap();
        let lines = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        let says_why = text.lines().any(|line| line.starts_with("//! Longer than 400 lines: "));
        assert_eq!(lines > 400, says_why, "{}: {lines} lines", source.path);
    }
}
