//! One program for all that reads bytes of another process; the variable `TARGET` says which, by its name in
//! `parallel_runtime::fuzzed`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use parallel_runtime::fuzzed::TARGETS;

static READ: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(known, _)| *known).collect();
    found.unwrap_or_else(|| panic!("TARGET is one of {names:?}, not {name:?}")).1
});

fuzz_target!(|data: &[u8]| READ(data));
