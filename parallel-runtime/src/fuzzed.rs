//! What reads the bytes that another process of ours has written, as functions of bytes alone: for the fuzzer in `fuzz/`, and
//! for the tests below, which go through what it has found and mutate it.
//!
//! None may panic, hang, or take memory out of proportion to the bytes.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::flight::error_of;
use crate::lane::memory::{LANE, LaneMemory};
use crate::lane::reply;
use crate::process::control::{Body, Delivery, Note, Opening, Package, Report};
use crate::process::transfer::Store;
use crate::sys::Descriptor;
use crate::sys::bytes::SharedBytes;
use crate::sys::memory::{self, Mapping};
use crate::sys::program;
use crate::wire::codec;
use crate::wire::given;
use crate::wire::handles::{Handle, Handles};
use crate::wire::message;
use crate::wire::outcome::CallFailure;
use crate::wire::parcel::ParcelReader;
use crate::wire::payload::Payload;
use crate::wire::plain;
use crate::wire::reply::{ReplyEntries, ReplyEntry, values, whole_row};

/// A decoder, by its name: it reads bytes that may be anything.
#[allow(unreachable_pub, reason = "the fuzzer calls it")]
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
#[allow(unreachable_pub, reason = "the fuzzer calls it")]
pub const TARGETS: &[Target] = &[
    ("reply", read_reply),
    ("lane", read_lane),
    ("report", read_report),
    ("value", read_value),
    ("ring", crate::channel::read_ring),
    ("parcel", read_parcel),
    ("answer", crate::process::start::zygote::read_answer),
];

/// Takes a number from the front.
fn number(data: &mut &[u8]) -> usize {
    let (head, rest) = data.split_at(data.len().min(2));
    *data = rest;
    head.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The entries of a reply, as the parent takes them in.
fn read_entries(bytes: &[u8], done: usize, skip: usize) {
    let mut items = 0;
    for entry in ReplyEntries::of(bytes, done, skip) {
        items += match entry {
            ReplyEntry::Value(bytes) => {
                read_as::<(u64, String)>(bytes, &[]);
                1
            }
            ReplyEntry::Failure(failure) => {
                tell(failure.ok());
                1
            }
            ReplyEntry::Large => 1,
            ReplyEntry::Row { width, count, bytes } => {
                assert_eq!(bytes.len(), width * count);
                count
            }
        };
    }
    assert!(items <= done, "{items} of {done}");
    let length: usize = values(bytes, done).map(<[u8]>::len).sum();
    assert!(length <= bytes.len());
    if let Some((width, row)) = whole_row(SharedBytes::of(&mut bytes.to_vec()), done, skip.min(done)) {
        assert_eq!(row.len(), width * (done - skip.min(done)));
    }
}

fn tell(failure: Option<CallFailure>) {
    if let Some(failure) = failure {
        assert!(!error_of(failure).to_string().is_empty());
    }
}

fn read_reply(mut data: &[u8]) {
    let (done, skip) = (number(&mut data), number(&mut data));
    read_entries(data, done, skip % (done + 1));
}

/// A reply in a lane with any words.
fn read_lane(mut data: &[u8]) {
    thread_local! {
        static MEMORY: LaneMemory = LaneMemory::new(Mapping::private(LANE).expect("memory for a lane"));
    }
    let done = number(&mut data);
    let (word, rest) = data.split_at(data.len().min(8));
    let step = word.iter().fold(0, |step, byte| step << 8 | u64::from(*byte));
    MEMORY.with(|memory| {
        let progress = &memory.slot(0).progress;
        progress.step.set_raw(step);
        memory.write_reply(0, 0, rest);
        if let Some(whole) = reply::read(memory, 0, 0) {
            // What is behind the bytes is from an earlier run.
            read_entries(&whole.range(0, rest.len()).to_vec(), done, 0);
        }
        if let Some(reply) = reply::read_so_far(memory, 0, 0) {
            read_entries(&reply[..reply.len().min(rest.len())], done, 0);
        }
    });
}

/// Descriptors of several kinds, for so many notes.
fn descriptors(notes: usize) -> Vec<Descriptor> {
    let make = |place: usize| match place % 3 {
        0 => memory::create(100).ok(),
        1 => memory::create_growing(5000).ok(),
        _ => program::null_device().ok(),
    };
    (0..notes.min(3)).filter_map(make).collect()
}

fn take_notes(notes: &[Note]) -> Store {
    let mut store = Store::default();
    let _ = store.keep(notes, descriptors(notes.len()));
    for note in notes {
        store.forget(note.id ^ 1);
    }
    store
}

fn take_package(package: Package) {
    let mut store = Store::default();
    let mut descriptors = match package.body {
        Body::Inline(_) => Vec::new(),
        Body::Block { .. } => descriptors(1),
    };
    let _ = store.unpack(package, &mut descriptors);
}

/// Whatever travels in a control channel.
fn read_report(data: &[u8]) {
    match codec::decode_whole::<Report>(data) {
        Ok(Report::Value(package) | Report::Large { package, .. }) => take_package(package),
        Ok(Report::Handles(notes)) => drop(take_notes(&notes)),
        Ok(Report::Failed(failure)) => tell(Some(failure)),
        Ok(Report::Started | Report::Refused(_)) | Err(_) => {}
    }
    tell(codec::decode_whole::<CallFailure>(data).ok());
    drop(codec::decode_whole::<Opening>(data));
    drop(codec::decode_whole::<Delivery>(data));
    crate::channel::read_notes(data);
}

fn read_as<T: DeserializeOwned>(bytes: &[u8], handles: &[Handle]) {
    let payload = Payload { bytes: bytes.to_vec(), handles: handles.iter().cloned().collect::<Handles>() };
    let met = given::met();
    if let Ok(value) = message::decode::<T>(&payload) {
        drop(given::Given::since(value, met));
    }
    drop(plain::decode_bulk::<T>(bytes, handles));
}

#[derive(Serialize, Deserialize)]
enum Any {
    Unit,
    Number(i64),
    Boxed(Box<Any>),
    Pair(Box<Any>, Option<Box<Any>>),
    List(Vec<Any>),
    Map { entries: BTreeMap<String, Any>, more: HashMap<u16, Any> },
    Endless(Endless),
}

#[derive(Serialize, Deserialize)]
struct Endless {
    next: Box<Endless>,
}

#[derive(Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Serialize, Deserialize)]
struct Lists(Vec<Lists>);

/// A value of one of many types, as a result, a message or an argument.
fn read_value(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 24 {
        0 => read_as::<Any>(bytes, &[]),
        1 => read_as::<Chain>(bytes, &[]),
        2 => read_as::<Lists>(bytes, &[]),
        // Reads nothing, to the last level that there may be: once is enough.
        3 if bytes.is_empty() => read_as::<Endless>(bytes, &[]),
        3 => {}
        4 => read_as::<String>(bytes, &[]),
        5 => read_as::<Vec<f64>>(bytes, &[]),
        6 => read_as::<Vec<String>>(bytes, &[]),
        7 => read_as::<Vec<Vec<Vec<u16>>>>(bytes, &[]),
        8 => read_as::<(u8, char, bool, Option<f32>, [u16; 3], u128)>(bytes, &[]),
        9 => read_as::<HashMap<String, Vec<i32>>>(bytes, &[]),
        10 => read_as::<BTreeMap<u8, BTreeMap<u8, String>>>(bytes, &[]),
        11 => read_as::<Result<String, Box<Result<u8, String>>>>(bytes, &[]),
        12 => read_as::<std::time::Duration>(bytes, &[]),
        13 => read_as::<std::path::PathBuf>(bytes, &[]),
        14 => read_as::<std::ffi::CString>(bytes, &[]),
        15 => read_as::<std::net::IpAddr>(bytes, &[]),
        16 => read_as::<Vec<Option<Vec<bool>>>>(bytes, &[]),
        17 => read_as::<Box<[Option<char>]>>(bytes, &[]),
        18 => with_handles(|handles| read_as::<crate::shared::Value<u64>>(bytes, handles)),
        19 => with_handles(|handles| read_as::<crate::shared::Array<u16>>(bytes, handles)),
        20 => with_handles(|handles| read_as::<Vec<crate::shared::Frozen<u32>>>(bytes, handles)),
        21 => with_handles(|handles| read_as::<Option<crate::sync::Semaphore>>(bytes, handles)),
        22 => with_handles(|handles| read_as::<crate::channel::Queue<u8>>(bytes, handles)),
        _ => with_handles(|handles| read_as::<(crate::sync::Mutex<u32>, crate::channel::Sender<u8>)>(bytes, handles)),
    }
}

/// Memory of a few sizes, and a descriptor.
fn with_handles(read: impl FnOnce(&[Handle])) {
    thread_local! {
        static HANDLES: Vec<Handle> = {
            let memory = |len| Handle::Memory(memory::Region::zeroed(len).expect("shared memory"));
            let socket = crate::sys::socket::Socket::pair().expect("a pair of sockets").0;
            vec![memory(1), memory(100), memory(8192), Handle::Descriptor(socket.into_shared())]
        };
    }
    HANDLES.with(|handles| read(handles));
}

/// A parcel, as its worker reads it.
fn read_parcel(data: &[u8]) {
    let Some(mut opened) = ParcelReader::read(data) else { return };
    let mut numbers = Vec::new();
    assert!(opened.handles().count() <= data.len());
    if opened.write_out(&mut numbers).is_some() {
        // Items without bytes are as many as is said.
        let bytes: usize = opened.items().take(data.len().max(1 << 16)).map(<[u8]>::len).sum();
        assert!(bytes <= data.len().max(crate::tuning::LANE_AREA));
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use super::*;

    /// Counts what a thread has taken.
    struct Counting;

    thread_local! {
        static HELD: Cell<usize> = const { Cell::new(0) };
        static MOST: Cell<usize> = const { Cell::new(0) };
    }

    fn note(taken: usize, given_back: usize) {
        // A thread that ends takes some, too.
        let _ = HELD.try_with(|held| {
            held.set(held.get().wrapping_add(taken).wrapping_sub(given_back));
            let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
        });
    }

    // SAFETY: the system's allocator does all of it; counting allocates nothing.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            note(layout.size(), 0);
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            note(layout.size(), 0);
            // SAFETY: the caller's promise.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            note(0, layout.size());
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// How much `run` holds at most beyond what was held before.
    fn most_held(run: impl FnOnce()) -> usize {
        HELD.set(1 << 40);
        MOST.set(1 << 40);
        run();
        MOST.get() - (1 << 40)
    }

    /// What reading may take for each byte: a small value in a map, with the map's own, and a table that doubles.
    const PER_BYTE: usize = 256;
    /// What it may take in any case: an error, a table of handles, a list of descriptors, the whole area of a lane.
    const FOR_NOTHING: usize = 128 << 10;

    fn most(target: &str, bytes: usize) -> usize {
        let area = if target == "lane" { crate::tuning::LANE_AREA } else { 0 };
        FOR_NOTHING + area + PER_BYTE * bytes
    }

    /// How often each input is mutated.
    const MUTATIONS: u64 = 60;

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    fn check(target: &str, read: fn(&[u8]), input: &[u8]) {
        let begun = Instant::now();
        let mut held = 0;
        let panicked = crate::panic::catch(|| held = most_held(|| read(input))).err();
        let told = || format!("{target}: {input:02x?}");
        assert!(panicked.is_none(), "{panicked:?} at {}", told());
        assert!(held <= most(target, input.len()), "{held} bytes for {} at {}", input.len(), told());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?} at {}", begun.elapsed(), told());
    }

    /// Random numbers, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end.max(1) as u64) as usize
        }
    }

    fn mutate(input: &mut Vec<u8>, random: &mut Random) {
        const TELLING: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
        for _ in 0..=random.below(4) {
            let at = random.below(input.len());
            match random.below(5) {
                0 => input.truncate(at),
                1 if !input.is_empty() => input[at] = TELLING[random.below(TELLING.len())],
                2 if !input.is_empty() => input[at] ^= 1 << random.below(8),
                3 if input.len() < 4096 => input.insert(at, TELLING[random.below(TELLING.len())]),
                _ if input.len() < 4096 => input.extend_from_within(at..),
                _ => {}
            }
        }
    }

    #[test]
    fn whatever_another_process_writes_is_read_without_a_panic_a_hang_or_much_memory() {
        for (target, read) in TARGETS {
            let corpus = corpus(target);
            assert!(!corpus.is_empty(), "{target}");
            // What a thread keeps for itself is there before the first count.
            corpus.iter().for_each(|input| read(input));
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for input in &corpus {
                check(target, *read, input);
                for _ in 0..MUTATIONS {
                    let mut mutated = input.clone();
                    mutate(&mut mutated, &mut random);
                    check(target, *read, &mutated);
                }
            }
        }
    }

    /// Writes inputs for the fuzzer to begin with: `BLESS=1`.
    #[test]
    fn the_first_inputs_are_what_is_really_sent() {
        use crate::process::control::HandleKind;
        let encoded = |value: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            value(&mut bytes);
            bytes
        };
        macro_rules! bytes_of {
            ($value:expr) => {
                encoded(&|bytes| codec::encode(&$value, bytes).unwrap())
            };
        }
        let note = |kind| Note { id: 7, kind };
        let package = |body| Package { body, handles: [7, 0].into_iter().collect() };
        let failure = || CallFailure::UnknownFunction { key: 7 };
        let entry = |kind: u64, bytes: &[u8]| {
            let mut entry = ((bytes.len() as u64) << 8 | kind).to_le_bytes().to_vec();
            entry.extend_from_slice(bytes);
            entry.resize(entry.len().next_multiple_of(8), 0);
            entry
        };
        let row = |width: u64, count: u64, bytes: &[u8]| {
            [&(width << 8 | reply::tag::ROW).to_le_bytes()[..], &count.to_le_bytes(), bytes].concat()
        };
        let entries = [
            entry(reply::tag::VALUE, &bytes_of!((7_u64, "text".to_string()))),
            entry(reply::tag::FAILURE, &bytes_of!(failure())),
            entry(reply::tag::LARGE, &[]),
            row(8, 2, &[1; 16]),
            row(2, 0, &[2; 8]),
        ];
        let all = entries.concat();
        let any = || {
            Any::Pair(
                Box::new(Any::Number(-1)),
                Some(Box::new(Any::List(vec![Any::Unit, Any::Boxed(Box::new(Any::Unit))]))),
            )
        };
        let maps = || Any::Map {
            entries: BTreeMap::from([("key".to_string(), Any::Unit)]),
            more: HashMap::from([(1, Any::Unit)]),
        };
        let typed = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
        let inputs: Vec<(&str, Vec<u8>)> = vec![
            ("reply", [&[0, 9, 0, 1][..], &all].concat()),
            ("reply", [&[0, 2, 0, 0][..], &entries[3]].concat()),
            ("reply", [&[0, 4, 0, 0][..], &entries[4]].concat()),
            ("lane", [&[0, 9, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 36][..], &[0; 8], &all].concat()),
            ("lane", [&[0, 4, 0, 49, 0, 0, 0x28, 0, 0, 0, 0, 17][..], &[0; 8], &entries[4]].concat()),
            ("report", bytes_of!(Report::Started)),
            ("report", bytes_of!(Report::Value(package(Body::Inline(vec![1, 2, 3]))))),
            ("report", bytes_of!(Report::Value(package(Body::Block { len: 100 })))),
            ("report", bytes_of!(Report::Failed(failure()))),
            (
                "report",
                bytes_of!(Report::Failed(CallFailure::Decode(
                    codec::CodecError::new::<u8>("it refuses").of_argument("x")
                ))),
            ),
            (
                "report",
                bytes_of!(Report::Failed(CallFailure::Panicked(crate::panic::catch(|| panic!("stop")).unwrap_err()))),
            ),
            ("report", bytes_of!(Report::Refused("no".to_string()))),
            (
                "report",
                bytes_of!(Report::Large {
                    parcel: 1,
                    item: 2,
                    package: package(Body::Block { len: 9 }),
                    failed: false
                }),
            ),
            (
                "report",
                bytes_of!(Report::Handles(vec![
                    note(HandleKind::Shared),
                    note(HandleKind::Bulk),
                    note(HandleKind::Descriptor)
                ])),
            ),
            ("report", bytes_of!(Opening::Handles(vec![note(HandleKind::Frozen)]))),
            ("report", bytes_of!(Delivery::Forget(7))),
            ("value", typed(0, bytes_of!(any()))),
            ("value", typed(0, bytes_of!(maps()))),
            ("value", typed(1, vec![1; 4000])),
            ("value", typed(2, [1_u64.to_le_bytes(); 400].concat())),
            ("value", typed(2, [(1_u64 << 40).to_le_bytes(); 4].concat())),
            ("value", typed(3, vec![])),
            ("value", typed(4, bytes_of!("text"))),
            ("value", typed(5, bytes_of!(vec![1.5_f64, -0.0]))),
            ("value", typed(6, bytes_of!(vec!["one".to_string(), String::new()]))),
            ("value", typed(6, u64::MAX.to_le_bytes().to_vec())),
            ("value", typed(7, bytes_of!(vec![vec![vec![1_u16], vec![]], vec![]]))),
            ("value", typed(8, bytes_of!((1_u8, 'ä', true, Some(1.5_f32), [1_u16, 2, 3], 1_u128)))),
            ("value", typed(9, bytes_of!(HashMap::from([("key".to_string(), vec![1, 2])])))),
            ("value", typed(10, bytes_of!(BTreeMap::from([(1_u8, BTreeMap::from([(2_u8, "text".to_string())]))])))),
            ("value", typed(11, bytes_of!(Err::<String, _>(Box::new(Ok::<u8, String>(1)))))),
            ("value", typed(12, bytes_of!(Duration::from_millis(1500)))),
            ("value", typed(13, bytes_of!(PathBuf::from("/a/b")))),
            ("value", typed(14, bytes_of!(c"text".to_owned()))),
            ("value", typed(15, bytes_of!(std::net::IpAddr::from([127, 0, 0, 1])))),
            ("value", typed(16, bytes_of!(vec![Some(vec![true]), None]))),
            ("value", typed(17, bytes_of!(vec![Some('a'), None]))),
            ("value", typed(18, vec![1, 0, 0, 0])),
            ("value", typed(19, vec![2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])),
            ("value", typed(20, vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])),
            ("value", typed(21, vec![1, 1, 0, 0, 0])),
            ("value", typed(22, vec![2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0])),
            ("value", typed(23, vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])),
            ("ring", vec![0; 4]),
            ("ring", [&[1, 2, 3, 4][..], &[7; 48]].concat()),
            ("parcel", vec![0; 40]),
            ("answer", b"r".to_vec()),
            ("answer", b"uno".to_vec()),
            ("answer", b"c\x01\0\0\0".to_vec()),
        ];
        for (number, (target, input)) in inputs.iter().enumerate() {
            let (_, read) = TARGETS.iter().find(|(name, _)| name == target).unwrap();
            check(target, *read, input);
            if std::env::var_os("BLESS").is_some() {
                let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("sent-{number:02}")), input).unwrap();
            }
        }
    }
}
