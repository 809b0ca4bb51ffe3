//! How deeply a value is nested, and what is done where a stack would not hold it.
//!
//! serde recurses once for each value inside a value, in users' code, so a deep value can be longer than the stack. Each value
//! that has values inside is [`enter`]ed on the way in: its level is counted, and the address of the stack's end compared with
//! a limit. The first limit is near, so that for a usual value the system is never asked where the stack ends. A value that
//! passes it has that asked, once; where too little is left, the attempt is given up and made anew on a larger stack of our own:
//! the same value gives the same bytes again, and the same bytes the same value. A value too deep for that is an error.

use std::cell::Cell;

use super::given;
use crate::sys::stack;
use crate::tuning::{DEEP, NEAR, PART_OF_STACK, RESERVE, UNWRITTEN};

/// How far the value that this thread encodes or decodes has gone down.
struct Watch {
    /// Where the stack was at its start.
    start: Cell<usize>,
    /// Down to this address nothing needs to be asked; 0 where nothing is encoded or decoded.
    limit: Cell<usize>,
    /// How many values, one inside the other, are being read or written.
    levels: Cell<usize>,
    passed: Cell<Passed>,
    /// How many more values there are bytes for, if each has one.
    bytes: Cell<usize>,
    /// How many more values without bytes are read.
    unwritten: Cell<usize>,
}

/// What was found out on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Nothing,
    /// The value is deep: what else recurses into it may need more than is left here.
    Deep,
    /// At this level there was too little left of the stack.
    GaveUp {
        levels: usize,
    },
}

thread_local! {
    static WATCH: Watch = const { Watch::new() };
}

impl Watch {
    const fn new() -> Self {
        Self {
            start: Cell::new(0),
            limit: Cell::new(0),
            levels: Cell::new(0),
            passed: Cell::new(Passed::Nothing),
            bytes: Cell::new(0),
            unwritten: Cell::new(0),
        }
    }

    fn copy_from(&self, other: &Self) {
        self.start.set(other.start.get());
        self.limit.set(other.limit.get());
        self.levels.set(other.levels.get());
        self.passed.set(other.passed.get());
        self.bytes.set(other.bytes.get());
        self.unwritten.set(other.unwritten.get());
    }
}

/// The state of an outer value, if there is one: put back when a value inside its own code is through, also by a panic.
struct Restore(Option<Watch>);

impl Restore {
    #[inline]
    fn begin(bytes: usize) -> Self {
        let here = stack::here();
        WATCH.with(|watch| {
            let outer = (watch.limit.get() != 0).then(|| {
                let outer = Watch::new();
                outer.copy_from(watch);
                outer
            });
            watch.start.set(here);
            watch.limit.set(here.saturating_sub(NEAR));
            watch.levels.set(0);
            watch.passed.set(Passed::Nothing);
            watch.bytes.set(bytes);
            watch.unwritten.set(UNWRITTEN);
            Self(outer)
        })
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        WATCH.with(|watch| match &self.0 {
            Some(outer) => watch.copy_from(outer),
            None => watch.limit.set(0),
        });
        // The value's depth was not found out.
        if std::thread::panicking() {
            given::meet();
        }
    }
}

/// Enters a value that has values inside; an error: there is too little stack for them.
#[inline(always)]
pub(super) fn enter() -> Result<(), TooDeep> {
    let here = stack::here();
    let near = WATCH.with(|watch| {
        watch.levels.set(watch.levels.get().wrapping_add(1));
        here < watch.limit.get()
    });
    if near { pass(here) } else { Ok(()) }
}

/// Leaves a value that was entered.
#[inline(always)]
pub(super) fn leave() {
    WATCH.with(|watch| watch.levels.set(watch.levels.get().wrapping_sub(1)));
}

/// Believes that so many values follow, or does not, which is `None`; says for how many of them memory may be taken ahead.
#[inline]
pub(super) fn claim(values: usize) -> Option<usize> {
    WATCH.with(|watch| {
        let granted = values.min(watch.bytes.get());
        watch.bytes.set(watch.bytes.get() - granted);
        if granted < values {
            watch.unwritten.set(watch.unwritten.get().checked_sub(values - granted)?);
        }
        Some(granted)
    })
}

/// There is too little stack for the values inside. Its text is never shown: the attempt is made anew, or another error says so.
#[derive(Debug)]
pub(super) struct TooDeep;

impl std::fmt::Display for TooDeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is nested too deeply")
    }
}

#[cold]
#[inline(never)]
fn pass(here: usize) -> Result<(), TooDeep> {
    WATCH.with(|watch| {
        let lowest = stack::bounds().map(|bounds| bounds.start + RESERVE.min(bounds.len() / PART_OF_STACK));
        // Where the system does not tell the stack's length, assume the shortest.
        let Some(lowest) = lowest.filter(|&lowest| here >= lowest) else {
            if !matches!(watch.passed.get(), Passed::GaveUp { .. }) {
                watch.passed.set(Passed::GaveUp { levels: watch.levels.get() });
            }
            return Err(TooDeep);
        };
        let deep = watch.start.get().saturating_sub(DEEP);
        if here < deep && watch.passed.get() == Passed::Nothing {
            watch.passed.set(Passed::Deep);
        }
        watch.limit.set(if here < deep { lowest } else { lowest.max(deep) });
        Ok(())
    })
}

/// Encodes or decodes a value by `step`, here or, where it does not fit, on a stack of about `wanted` bytes; `refuse` makes an
/// error of the words that say why it fits nowhere. `bytes`: how many there are to read.
#[inline]
pub(super) fn measured<T, E>(
    bytes: usize,
    wanted: usize,
    mut step: impl FnMut() -> Result<T, E>,
    refuse: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let (outcome, passed) = watched(bytes, &mut step);
    match passed {
        Passed::Nothing => outcome,
        Passed::Deep => {
            given::meet();
            outcome
        }
        Passed::GaveUp { levels } => {
            drop(outcome);
            given::meet();
            on_larger(bytes, wanted, levels, &mut step).unwrap_or_else(|text| Err(refuse(text)))
        }
    }
}

#[inline]
fn watched<T, E>(bytes: usize, step: &mut impl FnMut() -> Result<T, E>) -> (Result<T, E>, Passed) {
    let restore = Restore::begin(bytes);
    let outcome = step();
    let passed = WATCH.with(|watch| watch.passed.get());
    drop(restore);
    (outcome, passed)
}

#[cold]
fn on_larger<T, E>(
    bytes: usize,
    wanted: usize,
    levels: usize,
    step: &mut impl FnMut() -> Result<T, E>,
) -> Result<Result<T, E>, String> {
    let mut outcome = None;
    let made = given::on_larger(wanted, 0, &mut || {
        outcome = Some(match watched(bytes, step) {
            // Whatever became of it, some of it was not read or written.
            (outcome, Passed::GaveUp { levels }) => {
                drop(outcome);
                let len = stack::bounds().map_or(0, |bounds| bounds.len());
                Err(format!("it is nested more than {levels} levels deep, and {} MiB of stack hold no more", len >> 20))
            }
            (outcome, _) => Ok(outcome),
        });
    });
    let error = made.err().map_or_else(String::new, |error| error.to_string());
    outcome.unwrap_or_else(|| {
        Err(format!("it is nested more than {levels} levels deep, and a larger stack could not be made: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::wire::codec;
    use crate::wire::given::{self, Given};

    /// A type of values that can be nested, and are dropped one inside the other.
    trait Nest: Serialize + DeserializeOwned {
        fn innermost() -> Self;
        fn around(inner: Self) -> Self;
        /// What is inside, taken out.
        fn inner(&mut self) -> Option<Self>;
    }

    macro_rules! nest {
        ($type:ty, $innermost:expr, |$inner:ident| $around:expr, |$outer:ident| $take:expr) => {
            impl Nest for $type {
                fn innermost() -> Self {
                    $innermost
                }

                fn around($inner: Self) -> Self {
                    $around
                }

                fn inner(&mut self) -> Option<Self> {
                    let $outer = self;
                    $take
                }
            }
        };
    }

    fn nested<T: Nest>(levels: usize) -> T {
        (0..levels).fold(T::innermost(), |inner, _| T::around(inner))
    }

    /// How deep a value is; takes it apart on the way.
    fn levels<T: Nest>(value: T) -> usize {
        let mut value = Some(value);
        std::iter::from_fn(|| {
            value = value.as_mut().and_then(T::inner);
            value.is_some().then_some(())
        })
        .count()
    }

    #[derive(Serialize, Deserialize)]
    enum Tree {
        Leaf(u32),
        Node(Box<Tree>),
    }
    nest!(Tree, Tree::Leaf(7), |inner| Tree::Node(Box::new(inner)), |outer| match std::mem::replace(
        outer,
        Tree::Leaf(0)
    ) {
        Tree::Leaf(_) => None,
        Tree::Node(inner) => Some(*inner),
    });

    #[derive(Serialize, Deserialize)]
    enum Variants {
        Leaf,
        Tuple(u8, Box<Variants>),
        Struct { inner: Box<Variants> },
    }
    nest!(
        Variants,
        Variants::Leaf,
        |inner| match inner {
            Variants::Tuple(..) => Variants::Struct { inner: Box::new(inner) },
            _ => Variants::Tuple(1, Box::new(inner)),
        },
        |outer| match std::mem::replace(outer, Variants::Leaf) {
            Variants::Leaf => None,
            Variants::Tuple(_, inner) | Variants::Struct { inner } => Some(*inner),
        }
    );

    #[derive(Serialize, Deserialize)]
    struct Chain {
        number: u64,
        next: Option<Box<Chain>>,
    }
    nest!(Chain, Chain { number: 1, next: None }, |inner| Chain { number: 1, next: Some(Box::new(inner)) }, |outer| {
        outer.next.take().map(|next| *next)
    });

    #[derive(Serialize, Deserialize)]
    struct Newtype(Option<Box<Newtype>>);
    nest!(Newtype, Newtype(None), |inner| Newtype(Some(Box::new(inner))), |outer| outer.0.take().map(|inner| *inner));

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Transparent(Option<Box<Transparent>>);
    nest!(Transparent, Transparent(None), |inner| Transparent(Some(Box::new(inner))), |outer| outer
        .0
        .take()
        .map(|inner| *inner));

    #[derive(Serialize, Deserialize)]
    struct Lists(Vec<Lists>);
    nest!(Lists, Lists(Vec::new()), |inner| Lists(vec![inner]), |outer| outer.0.pop());

    #[derive(Serialize, Deserialize)]
    struct Map(BTreeMap<u8, Map>);
    nest!(Map, Map(BTreeMap::new()), |inner| Map(BTreeMap::from([(1, inner)])), |outer| outer
        .0
        .pop_first()
        .map(|(_, inner)| inner));

    #[derive(Serialize, Deserialize)]
    struct Tuple((u8, Vec<Tuple>), u8);
    nest!(Tuple, Tuple((0, Vec::new()), 0), |inner| Tuple((0, vec![inner]), 0), |outer| outer.0.1.pop());

    #[derive(Serialize, Deserialize)]
    struct Outcome(Result<u8, Box<Outcome>>);
    nest!(Outcome, Outcome(Ok(1)), |inner| Outcome(Err(Box::new(inner))), |outer| std::mem::replace(
        &mut outer.0,
        Ok(1)
    )
    .err()
    .map(|inner| *inner));

    /// Runs a test on a thread with a small stack.
    #[track_caller]
    fn on_small_stack(stack: usize, test: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, test).unwrap().join().unwrap();
        });
    }

    #[track_caller]
    fn travels<T: Nest>(deep: usize) {
        let value = Given::new(nested::<T>(deep));
        let mut bytes = vec![1, 2];
        codec::encode(&*value, &mut bytes).unwrap();
        // What is ours is dropped where there is room.
        drop(value);
        let back = codec::decode_whole::<T>(&bytes[2..]).unwrap();
        assert_eq!(levels(back), deep);
        // Bytes that are left over, and missing, behind as deep a value.
        bytes.push(0);
        assert!(codec::decode_whole::<T>(&bytes[2..]).err().unwrap().message().contains("1 bytes were left over"));
        assert!(codec::decode::<(T, u64)>(&bytes[2..]).is_err());
    }

    #[test]
    fn deep_values_travel_on_a_small_stack_whatever_they_consist_of() {
        on_small_stack(256 << 10, || {
            travels::<Tree>(20_000);
            travels::<Variants>(20_000);
            travels::<Chain>(20_000);
            travels::<Newtype>(20_000);
            travels::<Transparent>(20_000);
            travels::<Lists>(20_000);
            travels::<Map>(5_000);
            travels::<Tuple>(20_000);
            travels::<Outcome>(20_000);
        });
    }

    #[test]
    fn what_is_a_little_deep_takes_no_larger_stack_and_what_is_deep_is_known_to_be() {
        fn met_by(levels: usize) -> bool {
            // Other tests meet deep values at the same time.
            (0..1000).all(|_| {
                let value = nested::<Tree>(levels);
                let before = given::met();
                codec::encode(&value, &mut Vec::new()).unwrap();
                given::met() != before
            })
        }
        assert!(!met_by(3));
        assert!(met_by(2_000));
    }

    #[test]
    fn a_value_that_no_stack_holds_is_an_error_that_says_how_deep_it_is() {
        /// Has no bytes, and no end.
        #[derive(Debug, Deserialize)]
        struct Endless {
            _next: Box<Endless>,
        }
        /// Goes round in a circle.
        struct Circle;
        impl Serialize for Circle {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Large frames, so that it takes few pages to come to the end.
                let kept = std::hint::black_box([1_u8; 16 << 10]);
                let written = serializer.serialize_some(self);
                std::hint::black_box(kept);
                written
            }
        }
        on_small_stack(256 << 10, || {
            let error = codec::decode::<Endless>(&[]).unwrap_err();
            assert!(error.message().starts_with("it is nested more than "), "{error}");
            assert!(error.message().ends_with("16 MiB of stack hold no more"), "{error}");
            let mut bytes = vec![1, 2];
            let error = codec::encode(&Circle, &mut bytes).unwrap_err();
            assert!(error.message().starts_with("it is nested more than "), "{error}");
            assert_eq!(bytes, [1, 2]);
        });
    }

    #[test]
    fn bytes_full_of_ones_are_a_value_or_an_error() {
        on_small_stack(2 << 20, || {
            for len in [1, 1000, 64 << 10] {
                let ones = vec![1; len];
                assert!(codec::decode_whole::<Transparent>(&ones).is_err());
                assert!(codec::decode_whole::<Newtype>(&ones).is_err());
                assert!(codec::decode_whole::<Chain>(&ones).is_err());
                assert!(codec::decode_whole::<Tree>(&ones).is_err());
                assert!(codec::decode_whole::<Lists>(&ones).is_err());
                assert!(codec::decode_whole::<Map>(&ones).is_err());
            }
        });
    }

    #[test]
    fn an_error_that_users_code_swallows_is_not_taken_for_a_value() {
        /// Makes nothing of what it cannot read.
        #[derive(Serialize)]
        struct Lenient(Option<Box<Lenient>>);
        impl<'de> Deserialize<'de> for Lenient {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(Option::deserialize(deserializer).unwrap_or_default()))
            }
        }
        nest!(Lenient, Lenient(None), |inner| Lenient(Some(Box::new(inner))), |outer| outer
            .0
            .take()
            .map(|inner| *inner));
        on_small_stack(256 << 10, travels_so::<Lenient>);
        fn travels_so<T: Nest>() {
            let value = Given::new(nested::<T>(20_000));
            let mut bytes = Vec::new();
            codec::encode(&*value, &mut bytes).unwrap();
            assert_eq!(levels(codec::decode_whole::<T>(&bytes).unwrap()), 20_000);
        }
    }

    #[test]
    fn a_panic_deep_inside_and_a_value_inside_a_values_own_code_leave_the_count_as_it_was() {
        thread_local! {
            static SENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        struct Panics(u32);
        impl Serialize for Panics {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // As a value does that sends something to a queue.
                SENT.with_borrow_mut(|bytes| {
                    bytes.clear();
                    codec::encode(&Some(Some(self.0)), bytes).map_err(serde::ser::Error::custom)
                })?;
                assert!(self.0 > 0, "at the end");
                serializer.serialize_some(&Panics(self.0 - 1))
            }
        }
        on_small_stack(256 << 10, || {
            for levels in [10, 20_000] {
                let before = given::met();
                let report = crate::panic::catch(|| codec::encode(&Panics(levels), &mut Vec::new())).unwrap_err();
                assert_eq!(report.message(), "at the end");
                // Its depth is unknown.
                assert_ne!(given::met(), before);
                travels::<Tree>(5_000);
            }
        });
    }

    /// What each level of a value takes.
    #[test]
    #[ignore = "tells, and checks nothing"]
    fn stack_for_each_level() {
        fn told<T: Nest>() {
            let mut most = 1_000;
            loop {
                let value = Given::new(nested::<T>(most));
                let mut bytes = Vec::new();
                let encoded = codec::encode(&*value, &mut bytes)
                    .map(|()| codec::decode::<T>(&bytes).map(|(value, _)| levels(value)));
                match encoded {
                    Ok(Ok(_)) => most *= 2,
                    error => {
                        println!("{}: {most}: {error:?}", std::any::type_name::<T>());
                        return;
                    }
                }
            }
        }
        told::<Tree>();
        told::<Variants>();
        told::<Chain>();
        told::<Newtype>();
        told::<Transparent>();
        told::<Lists>();
        told::<Map>();
        told::<Tuple>();
        told::<Outcome>();
    }
}
