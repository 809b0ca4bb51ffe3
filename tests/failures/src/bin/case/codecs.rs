//! Arguments and results that cannot be turned into bytes or back, on either side; and a kill while that goes on.

use parallel::CodecError;
use parallel::prelude::*;
use parallel_failures::eventually;
use parallel_failures::inside::{forget, note, noted, send_signal, wait_for_note};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ways::{hang, joined, tells};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Encode,
    Decode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    Caller,
    Worker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Refuse,
    Panic,
    Wait,
}

/// A value that does something when it is encoded or decoded on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trap {
    value: u64,
    does: Option<(Step, Side, Deed)>,
}

const PANIC_LINE: u32 = line!() + 3;

fn panics() -> ! {
    panic!("it panics");
}

impl Trap {
    fn spring(self, step: Step) -> Result<(), &'static str> {
        let side = if parallel::current().is_worker() { Side::Worker } else { Side::Caller };
        match self.does {
            Some((at, on, deed)) if (at, on) == (step, side) => match deed {
                Deed::Refuse => Err("it refuses"),
                Deed::Panic => panics(),
                Deed::Wait => {
                    note("waiting");
                    hang()
                }
            },
            _ => Ok(()),
        }
    }
}

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spring(Step::Encode).map_err(serde::ser::Error::custom)?;
        (self.value, self.does).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, does) = Deserialize::deserialize(deserializer)?;
        let trap = Self { value, does };
        trap.spring(Step::Decode).map_err(serde::de::Error::custom)?;
        Ok(trap)
    }
}

#[parallel]
fn echo(trap: Trap) -> Trap {
    note("called");
    trap
}

fn plain(value: u64) -> Trap {
    Trap { value, does: None }
}

fn check_report(report: &CodecError, step: Step, side: Side, deed: Deed) {
    assert!(report.type_name().ends_with("::Trap"), "{report}");
    assert_eq!(report.in_worker(), side == Side::Worker, "{report}");
    let is_argument = (step == Step::Encode) == (side == Side::Caller);
    assert_eq!(report.argument(), is_argument.then_some("trap"), "{report}");
    if deed == Deed::Refuse {
        assert_eq!(report.message(), "it refuses");
    } else {
        assert!(report.message().contains("it panics"), "{report}");
        assert!(report.message().contains(&format!("{}:{PANIC_LINE}:5", file!())), "{report}");
    }
}

/// Causes one failure in every way.
fn codec_failure(step: Step, side: Side, deed: Deed) {
    let trap = Trap { value: 3, does: Some((step, side, deed)) };
    let pool = Pool::with_workers(2).unwrap();
    let check = |error: &Error, index, pooled: bool| {
        match (step, error.kind()) {
            (Step::Encode, ErrorKind::Encode(report)) | (Step::Decode, ErrorKind::Decode(report)) => {
                check_report(report, step, side, deed);
            }
            (_, other) => panic!("{other:?}"),
        }
        // What never left the caller was never attempted, and no process had a part in it.
        let attempts = if (step, side) == (Step::Encode, Side::Caller) { 0 } else { 1 };
        let pid = error.pid();
        assert_eq!(pid.is_some(), side == Side::Worker, "{error:?}");
        assert!(!pooled || pid.is_none_or(|pid| pool.pids().contains(&pid)), "{error}");
        tells(error, "echo", index, pid, attempts);
    };
    check(&joined(echo.spawn(trap)).unwrap_err(), None, false);
    let workers = pool.pids();
    for chunk_size in [1, 3, 10] {
        let items: Vec<_> = (0..10).map(|value| if value == 3 { trap } else { plain(value) }).collect();
        let task = echo.on(&pool).chunk_size(chunk_size);
        let outcomes = task.par_map_results(items.clone());
        for (value, outcome) in (0_u64..).zip(&outcomes) {
            match outcome {
                Ok(back) => assert_eq!(*back, plain(value)),
                Err(error) if value == 3 => check(error, Some(3), true),
                Err(error) => panic!("item {value}: {error}"),
            }
        }
        assert_eq!(outcomes.len(), 10);
        assert!(outcomes[3].is_err());
        check(&task.par_map(items.clone()).unwrap_err(), Some(3), true);
        let lazy: Vec<_> = task.par_imap(items.clone()).collect();
        assert_eq!(lazy.iter().filter(|outcome| outcome.is_ok()).count(), 9);
        check(lazy[3].as_ref().unwrap_err(), Some(3), true);
        let mut unordered: Vec<_> = task.par_imap_unordered(items).collect();
        unordered.sort_by_key(|(index, _)| *index);
        assert!(unordered.iter().map(|(index, _)| *index).eq(0..10));
        check(unordered[3].1.as_ref().unwrap_err(), Some(3), true);
    }
    let handles = [plain(1), trap, plain(2)].map(|trap| echo.on(&pool).submit(trap));
    let [first, bad, last] = handles.map(joined);
    assert_eq!((first.unwrap(), last.unwrap()), (plain(1), plain(2)));
    check(&bad.unwrap_err(), None, true);
    // All of that cost no worker.
    assert_eq!(pool.pids(), workers);
    assert_eq!(pool.stats().restarts, 0);
    pool.join().unwrap();
}

pub(crate) fn an_argument_that_refuses_to_be_encoded_fails_alone() {
    codec_failure(Step::Encode, Side::Caller, Deed::Refuse);
}

pub(crate) fn an_argument_that_panics_while_it_is_encoded_fails_alone() {
    codec_failure(Step::Encode, Side::Caller, Deed::Panic);
}

pub(crate) fn an_argument_that_refuses_to_be_decoded_fails_alone() {
    codec_failure(Step::Decode, Side::Worker, Deed::Refuse);
}

pub(crate) fn an_argument_that_panics_while_it_is_decoded_fails_alone() {
    codec_failure(Step::Decode, Side::Worker, Deed::Panic);
}

pub(crate) fn a_result_that_refuses_to_be_encoded_fails_alone() {
    codec_failure(Step::Encode, Side::Worker, Deed::Refuse);
}

pub(crate) fn a_result_that_panics_while_it_is_encoded_fails_alone() {
    codec_failure(Step::Encode, Side::Worker, Deed::Panic);
}

pub(crate) fn a_result_that_refuses_to_be_decoded_fails_alone() {
    codec_failure(Step::Decode, Side::Caller, Deed::Refuse);
}

pub(crate) fn a_result_that_panics_while_it_is_decoded_fails_alone() {
    codec_failure(Step::Decode, Side::Caller, Deed::Panic);
}

/// Kills the process that waits in `step`, in every way.
fn kill_during(step: Step) {
    let trap = Trap { value: 3, does: Some((step, Side::Worker, Deed::Wait)) };
    // The function has run before its result is encoded, and not before its argument is decoded.
    let calls = usize::from(step == Step::Encode);
    let kill = || {
        let pid = wait_for_note("waiting");
        assert!(noted("called").iter().filter(|called| **called == pid).count() >= calls);
        forget("waiting");
        send_signal(pid, libc::SIGKILL);
        pid
    };
    let check = |error: &Error, index, pid| {
        assert!(matches!(error.kind(), ErrorKind::Signaled { signal: libc::SIGKILL, .. }), "{error:?}");
        tells(error, "echo", index, Some(pid), 1);
    };
    let spawned = echo.spawn(trap);
    let pid = kill();
    check(&joined(spawned).unwrap_err(), None, pid);

    let pool = Pool::with_workers(2).unwrap();
    for chunk_size in [1, 4, 10] {
        let items: Vec<_> = (0..10).map(|value| if value == 3 { trap } else { plain(value) }).collect();
        let task = echo.on(&pool).chunk_size(chunk_size);
        let (outcomes, pid) = std::thread::scope(|scope| {
            let outcomes = scope.spawn(|| task.par_map_results(items));
            let pid = kill();
            (outcomes.join().unwrap(), pid)
        });
        for (value, outcome) in (0_u64..).zip(&outcomes) {
            match outcome {
                Ok(back) => assert_eq!(*back, plain(value)),
                Err(error) if value == 3 => check(error, Some(3), pid),
                Err(error) => panic!("item {value}: {error}"),
            }
        }
        assert_eq!(outcomes.len(), 10);
        assert!(outcomes[3].is_err());
    }
    let submitted = echo.on(&pool).submit(trap);
    let pid = kill();
    check(&joined(submitted).unwrap_err(), None, pid);
    assert_eq!(joined(echo.on(&pool).submit(plain(5))).unwrap(), plain(5));
    eventually("the pool is complete", || (pool.pids().len() == 2).then_some(()));
    assert_eq!(pool.stats().restarts, 4);
    pool.join().unwrap();
}

pub(crate) fn a_kill_while_an_argument_is_decoded_fails_only_its_item() {
    kill_during(Step::Decode);
}

pub(crate) fn a_kill_while_a_result_is_encoded_fails_only_its_item() {
    kill_during(Step::Encode);
}

/// Reads less than it writes, or more.
#[derive(Clone, Copy, Debug)]
struct Unfaithful {
    written: u8,
    read: u8,
}

impl Serialize for Unfaithful {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(usize::from(self.written))?;
        for _ in 0..self.written {
            tuple.serialize_element(&self.read)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Unfaithful {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Unfaithful;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("some bytes")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut bytes: A) -> Result<Unfaithful, A::Error> {
                let missing = || serde::de::Error::custom("no first byte");
                let read: u8 = bytes.next_element()?.ok_or_else(missing)?;
                for _ in 1..read {
                    bytes.next_element::<u8>()?;
                }
                Ok(Unfaithful { written: read, read })
            }
        }
        deserializer.deserialize_tuple(255, Reader)
    }
}

#[parallel]
fn take(unfaithful: Unfaithful) -> u8 {
    unfaithful.read
}

pub(crate) fn bytes_left_over_and_bytes_missing_are_errors_of_their_item() {
    let pool = Pool::with_workers(2).unwrap();
    for read in [2, 9] {
        let unfaithful = Unfaithful { written: 5, read };
        let faithful = Unfaithful { written: 5, read: 5 };
        for error in [
            joined(take.spawn(unfaithful)).unwrap_err(),
            joined(take.on(&pool).submit(unfaithful)).unwrap_err(),
            take.on(&pool).chunk_size(3).par_map_results([faithful, unfaithful, faithful]).remove(1).unwrap_err(),
        ] {
            let ErrorKind::Decode(report) = error.kind() else { panic!("{error:?}") };
            assert!(report.in_worker(), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
            println!("{error}");
        }
        let outcomes = take.on(&pool).chunk_size(3).par_map_results([faithful, unfaithful, faithful]);
        assert_eq!((*outcomes[0].as_ref().unwrap(), *outcomes[2].as_ref().unwrap()), (5, 5));
    }
}
