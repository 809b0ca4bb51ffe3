//! The registry: every `#[parallel]` function of the program, by name.
//!
//! The linker gathers the entries ([`linkme`]); the first look-up sorts them by a hash of their key. The key holds the
//! path, the place and the signature of the function, so that two programs agree on a key only where they agree on the
//! function.

use std::sync::OnceLock;

use crate::wire::call::Call;

/// One `#[parallel]` function, as the attribute registers it.
#[derive(Debug)]
pub struct Entry {
    key: &'static str,
    hash: u64,
    name: &'static str,
    call: fn(&mut Call<'_>),
}

impl Entry {
    /// Describes a function: `key` tells it from every other of the program, `name` is what its user calls it, `call`
    /// runs it on arguments in bytes.
    pub const fn new(key: &'static str, name: &'static str, call: fn(&mut Call<'_>)) -> Self {
        Self { key, hash: fnv1a(key.as_bytes()), name, call }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn call(&self, call: &mut Call<'_>) {
        (self.call)(call);
    }
}

/// Where the linker gathers the entries.
#[linkme::distributed_slice]
pub static FUNCTIONS: [Entry];

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo), usable in constants.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// The functions of this program, sorted; or, in words, why they cannot be told apart.
fn sorted() -> Result<&'static [&'static Entry], &'static str> {
    static SORTED: OnceLock<Result<Vec<&'static Entry>, String>> = OnceLock::new();
    SORTED.get_or_init(|| sort(&FUNCTIONS)).as_deref().map_err(String::as_str)
}

fn sort(functions: &'static [Entry]) -> Result<Vec<&'static Entry>, String> {
    let mut entries: Vec<&Entry> = functions.iter().collect();
    entries.sort_by_key(|entry| entry.hash);
    match entries.windows(2).find(|pair| pair[0].hash == pair[1].hash) {
        None => Ok(entries),
        Some(pair) => Err(format!(
            "two #[parallel] functions cannot be told apart: `{}` and `{}`; rename one of them",
            pair[0].key, pair[1].key
        )),
    }
}

/// Refuses a program in which two functions have one key.
pub(crate) fn check() -> Result<(), &'static str> {
    sorted().map(|_| ())
}

/// Finds a function by the hash of its key.
pub(crate) fn find(hash: u64) -> Option<&'static Entry> {
    let entries = sorted().ok()?;
    entries.binary_search_by_key(&hash, |entry| entry.hash).ok().map(|at| entries[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &mut Call<'_>) {}

    #[test]
    fn equal_keys_are_refused_by_name() {
        static TWICE: [Entry; 2] =
            [Entry::new("a::f at x.rs:1:1 fn()", "f", nothing), Entry::new("a::f at x.rs:1:1 fn()", "f", nothing)];
        assert!(sort(&TWICE).unwrap_err().contains("`a::f at x.rs:1:1 fn()`"));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // From the test vectors of the FNV reference code.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
