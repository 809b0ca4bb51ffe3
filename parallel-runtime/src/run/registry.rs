//! The registry: every `#[parallel]` function of the program, by name.
//!
//! The linker gathers the entries ([`linkme`]); the first look-up sorts them by a hash of their key. The key holds the
//! path, the place and the signature of the function, so that two programs agree on a key only where they agree on the
//! function.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::items::ItemLoop;

/// One `#[parallel]` function, as the attribute registers it.
#[derive(Debug)]
pub struct Entry {
    key: &'static str,
    hash: u64,
    name: &'static str,
    call: fn(&mut ItemLoop<'_>),
    /// How long an item took lately, in nanoseconds and one more; 0 where none was measured.
    pace: AtomicU64,
}

impl Entry {
    /// Describes a function: `key` tells it from every other of the program, `name` is what its user calls it, `call`
    /// runs it on arguments in bytes.
    pub const fn new(key: &'static str, name: &'static str, call: fn(&mut ItemLoop<'_>)) -> Self {
        Self { key, hash: fnv1a(key.as_bytes()), name, call, pace: AtomicU64::new(0) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How long an item took lately, in a worker of whichever pool.
    pub(crate) fn pace(&self) -> Option<Duration> {
        self.pace.load(Relaxed).checked_sub(1).map(Duration::from_nanos)
    }

    /// Notes that an item took so long.
    pub(crate) fn note_pace(&self, pace: Duration) {
        let nanos = u64::try_from(pace.as_nanos()).unwrap_or(u64::MAX);
        self.pace.store(nanos.saturating_add(1), Relaxed);
    }

    pub(crate) fn call(&self, call: &mut ItemLoop<'_>) {
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

/// The functions of this program, sorted.
fn sorted() -> &'static [&'static Entry] {
    static SORTED: OnceLock<Vec<&'static Entry>> = OnceLock::new();
    SORTED.get_or_init(|| sort(&FUNCTIONS))
}

/// Whether each of them can be told from every other, as in nearly all programs.
fn are_distinct() -> bool {
    static DISTINCT: OnceLock<bool> = OnceLock::new();
    *DISTINCT.get_or_init(|| sorted().windows(2).all(|pair| pair[0].hash != pair[1].hash))
}

fn sort(functions: &'static [Entry]) -> Vec<&'static Entry> {
    let mut entries: Vec<&Entry> = functions.iter().collect();
    entries.sort_by_key(|entry| entry.hash);
    entries
}

/// All that share this hash: more than one cannot be told apart.
fn alike(entries: &'static [&'static Entry], hash: u64) -> &'static [&'static Entry] {
    let first = entries.partition_point(|entry| entry.hash < hash);
    let end = first + entries[first..].partition_point(|entry| entry.hash == hash);
    &entries[first..end]
}

/// Refuses a function that cannot be told from another: a worker might run the wrong one.
pub(crate) fn check(entry: &Entry) -> Result<(), String> {
    if are_distinct() { Ok(()) } else { check_in(sorted(), entry) }
}

fn check_in(entries: &'static [&'static Entry], entry: &Entry) -> Result<(), String> {
    let alike = alike(entries, entry.hash);
    if alike.len() < 2 {
        return Ok(());
    }
    match alike.iter().find(|other| other.key != entry.key) {
        Some(other) => {
            Err(format!("`{}` cannot be told from `{}`, by a rare chance; rename one of them", entry.key, other.key))
        }
        None => Err(format!(
            "there are {} #[parallel] functions `{}`, which cannot be told apart: one macro made them all; give each \
             another name, or a handle of its own, `#[parallel(handle = ...)]`",
            alike.len(),
            entry.key
        )),
    }
}

/// Finds a function by the hash of its key, if it can be told from every other.
pub(crate) fn find(hash: u64) -> Option<&'static Entry> {
    match alike(sorted(), hash) {
        [entry] => Some(entry),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &mut ItemLoop<'_>) {}

    #[test]
    fn only_functions_with_equal_keys_are_refused() {
        static FUNCTIONS: [Entry; 4] = [
            Entry::new("a::f at x.rs:1:1 fn()", "f", nothing),
            Entry::new("a::g at x.rs:2:1 fn()", "g", nothing),
            Entry::new("a::f at x.rs:1:1 fn()", "f", nothing),
            Entry::new("a::h at x.rs:3:1 fn()", "h", nothing),
        ];
        let entries: &'static [&'static Entry] = Vec::leak(sort(&FUNCTIONS));
        for (at, entry) in FUNCTIONS.iter().enumerate() {
            let outcome = check_in(entries, entry);
            if at % 2 == 1 {
                assert_eq!(outcome, Ok(()));
                assert!(std::ptr::eq(alike(entries, entry.hash)[0], entry));
            } else {
                let text = outcome.unwrap_err();
                assert!(text.starts_with("there are 2 #[parallel] functions `a::f at x.rs:1:1 fn()`"), "{text}");
            }
        }
        assert!(alike(entries, 0).is_empty() && alike(entries, u64::MAX).is_empty());
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // From the test vectors of the FNV reference code.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
