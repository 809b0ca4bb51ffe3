//! Values so deep that a stack does not hold what serde does with them, on a thread whose stack is small: they arrive or are
//! errors, whichever way they go, and what is not given to anybody is dropped all the same.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use parallel::channel::{Receiver, channel, duplex};
use parallel::prelude::*;
use serde::{Deserialize, Serialize};

/// So many levels no thread of a program has a stack for, in an unoptimized one.
const LEVELS: u32 = 100_000;
/// These are too many for a small stack.
const MANY: u32 = 10_000;

/// Dropped one inside the other, as most are.
#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf(u32),
    Node(Box<Tree>),
}

fn tree(levels: u32) -> Tree {
    (0..levels).fold(Tree::Leaf(7), |inner, _| Tree::Node(Box::new(inner)))
}

/// How deep it is; takes it apart, since what has arrived is its receiver's to drop.
fn levels(mut tree: Tree) -> u32 {
    let mut levels = 0;
    while let Tree::Node(inner) = tree {
        levels += 1;
        tree = *inner;
    }
    levels
}

fn depth(mut tree: &Tree) -> u32 {
    let mut levels = 0;
    while let Tree::Node(inner) = tree {
        levels += 1;
        tree = inner;
    }
    levels
}

#[parallel]
fn grow(levels: u32) -> Tree {
    tree(levels)
}

#[parallel]
fn measure(tree: Tree) -> u32 {
    depth(&tree)
}

#[parallel]
fn look(tree: &Tree) -> u32 {
    depth(tree)
}

#[parallel]
fn both(tree: Tree, other: &Tree, number: u32) -> u32 {
    depth(&tree) + depth(other) + number
}

#[parallel]
fn echo(tree: Tree) -> Tree {
    tree
}

#[parallel]
fn outcome(levels: u32) -> Result<u8, Tree> {
    Err(tree(levels))
}

#[parallel]
fn deeper(one: Tree, other: Tree) -> Tree {
    // The other one is dropped here.
    if depth(&one) >= depth(&other) { one } else { other }
}

#[parallel]
fn fails_once(tree: Tree) -> u32 {
    if parallel_failures::inside::noted("died").is_empty() {
        parallel_failures::inside::note("died");
        std::process::abort();
    }
    depth(&tree)
}

#[parallel]
fn forward(messages: Receiver<Tree>, further: Queue<Tree>) -> u32 {
    let mut sent = 0;
    while let Ok(tree) = messages.recv() {
        further.send(tree).unwrap();
        sent += 1;
    }
    sent
}

#[derive(Debug)]
struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it refuses"))
    }
}

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it refuses"))
    }
}

/// Refuses to be read, not to be written.
#[derive(Debug)]
struct Unreadable;

impl Serialize for Unreadable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it refuses"))
    }
}

#[parallel]
fn behind(_refuses: Refuses, tree: Tree) -> u32 {
    depth(&tree)
}

#[parallel]
fn before(tree: Tree, _unreadable: Unreadable) -> u32 {
    depth(&tree)
}

/// Runs on a thread as a test has it, or with a smaller stack.
fn on_thread(stack: usize, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(stack).spawn(run).unwrap();
    thread.join().unwrap();
}

const USUAL: usize = 2 << 20;
const SMALL: usize = 192 << 10;

pub(crate) fn a_deep_value_arrives_as_argument_and_as_result() {
    on_thread(USUAL, || {
        assert_eq!(levels(grow.spawn(LEVELS).join().unwrap()), LEVELS);
        assert_eq!(measure.spawn(tree(LEVELS)).join().unwrap(), LEVELS);
    });
    on_thread(SMALL, || {
        let pool = Pool::with_workers(1).unwrap();
        assert_eq!(levels(echo.on(&pool).submit(tree(LEVELS)).join().unwrap()), LEVELS);
        let borrowed = ManuallyDrop::new(tree(MANY));
        assert_eq!(look.spawn(&borrowed).join().unwrap(), MANY);
        assert_eq!(look.on(&pool).submit(&borrowed).join().unwrap(), MANY);
        assert_eq!(both.on(&pool).submit(tree(MANY), &borrowed, 1).join().unwrap(), 2 * MANY + 1);
        levels(ManuallyDrop::into_inner(borrowed));
        assert_eq!(levels(outcome.spawn(MANY).join().unwrap().unwrap_err()), MANY);
        assert_eq!(fails_once.on(&pool).retries(1).submit(tree(MANY)).join().unwrap(), MANY);
    });
}

pub(crate) fn deep_values_arrive_by_every_map() {
    on_thread(SMALL, || {
        let pool = Pool::with_workers(2).unwrap();
        let growing = grow.on(&pool);
        let trees = || (0..3).map(|_| tree(MANY));
        assert!(growing.par_map([MANY; 3]).unwrap().into_iter().map(levels).eq([MANY; 3]));
        assert!(growing.par_map_results([MANY; 3]).into_iter().map(|tree| levels(tree.unwrap())).eq([MANY; 3]));
        assert!(growing.par_imap([MANY; 3]).map(|tree| levels(tree.unwrap())).eq([MANY; 3]));
        assert!(growing.par_imap_unordered([MANY; 3]).map(|(_, tree)| levels(tree.unwrap())).eq([MANY; 3]));
        assert_eq!(measure.on(&pool).par_map(trees()).unwrap(), [MANY; 3]);
        assert_eq!(look.on(&pool).par_map(trees()).unwrap(), [MANY; 3]);
        assert_eq!(levels(growing.par_map_reduce(0..MANY / 1000, &deeper).unwrap().unwrap()), MANY / 1000 - 1);
        assert_eq!(levels(growing.par_map_reduce([MANY, 1, 2, MANY], &deeper).unwrap().unwrap()), MANY);
    });
}

pub(crate) fn deep_values_arrive_as_messages() {
    on_thread(SMALL, || {
        let queue = Queue::new().unwrap();
        assert!(queue.try_send(tree(MANY)).unwrap().is_none());
        let full = Queue::bounded(1).unwrap();
        assert!(full.try_send(tree(1)).unwrap().is_none());
        // It is given back.
        assert_eq!(levels(full.try_send(tree(MANY)).unwrap().unwrap()), MANY);
        let (sender, receiver) = channel::<Tree>().unwrap();
        let forwarded = forward.spawn(receiver, queue.clone());
        let (here, there) = duplex::<Tree, Tree>().unwrap();
        sender.send(tree(LEVELS)).unwrap();
        here.send(tree(LEVELS)).unwrap();
        drop(sender);
        assert_eq!(levels(there.recv().unwrap()), LEVELS);
        assert_eq!(levels(queue.recv().unwrap()), MANY);
        assert_eq!(levels(queue.recv().unwrap()), LEVELS);
        assert_eq!(forwarded.join().unwrap(), 1);
        // A message that is not sent comes back.
        queue.close();
        assert_eq!(levels(queue.send(tree(LEVELS)).unwrap_err().into_inner()), LEVELS);
    });
}

pub(crate) fn deep_values_that_nobody_gets_are_dropped() {
    on_thread(SMALL, || {
        let pool = Pool::with_workers(1).unwrap();
        let kind = |error: Error| format!("{:?}", error.kind()).split('(').next().unwrap_or_default().to_string();
        // In the worker: values that are not wanted, and arguments in front of one that cannot be read.
        grow.on(&pool).par_for_each([LEVELS, MANY, MANY]).unwrap();
        assert_eq!(kind(before.on(&pool).submit(tree(LEVELS), Unreadable).join().unwrap_err()), "Decode");
        // Here: behind one that cannot be sent, and where nothing is sent at all.
        assert_eq!(kind(behind.spawn(Refuses, tree(LEVELS)).join().unwrap_err()), "Encode");
        assert_eq!(kind(behind.on(&pool).par_map([(Refuses, tree(LEVELS))]).unwrap_err()), "Encode");
        let refused = measure.timeout(std::time::Duration::ZERO);
        assert_eq!(kind(refused.spawn(tree(LEVELS)).join().unwrap_err()), "InvalidInput");
        assert_eq!(kind(refused.par_map([tree(LEVELS)]).unwrap_err()), "InvalidInput");
        assert_eq!(kind(refused.par_for_each([tree(LEVELS)]).unwrap_err()), "InvalidInput");
        assert_eq!(kind(refused.par_map_results([tree(LEVELS)]).remove(0).unwrap_err()), "InvalidInput");
        assert_eq!(kind(refused.par_imap([tree(LEVELS)]).next().unwrap().unwrap_err()), "InvalidInput");
        // What has been taken in and is not asked for.
        let mut lazy = grow.on(&pool).chunk_size(3).par_imap([MANY; 3]);
        assert_eq!(levels(lazy.next().unwrap().unwrap()), MANY);
        drop(lazy);
        // A map that fails behind values that have come back.
        let failing = echo_even.on(&pool).chunk_size(1).par_map([(tree(MANY), 0), (tree(MANY), 2), (tree(MANY), 3)]);
        assert_eq!(kind(failing.unwrap_err()), "Panicked");
        drop(pool);
    });
}

#[parallel]
fn echo_even(tree: Tree, number: u32) -> Tree {
    assert!(number.is_multiple_of(2), "{number} is odd");
    tree
}

/// Many of its values inside each other take many kinds of steps.
#[derive(Debug, Serialize, Deserialize)]
struct Mixed {
    list: Vec<Mixed>,
    map: BTreeMap<u8, Mixed>,
    pair: Option<Box<(u8, Mixed)>>,
}

fn mixed(levels: u32) -> Mixed {
    let nothing = || Mixed { list: Vec::new(), map: BTreeMap::new(), pair: None };
    (0..levels).fold(nothing(), |inner, level| match level % 3 {
        0 => Mixed { list: vec![inner], ..nothing() },
        1 => Mixed { map: BTreeMap::from([(1, inner)]), ..nothing() },
        _ => Mixed { pair: Some(Box::new((1, inner))), ..nothing() },
    })
}

fn mixed_levels(mut mixed: Mixed) -> u32 {
    let mut levels = 0;
    loop {
        let inner = mixed.list.pop().or_else(|| mixed.map.pop_first().map(|(_, inner)| inner));
        let Some(inner) = inner.or_else(|| mixed.pair.take().map(|pair| pair.1)) else { return levels };
        levels += 1;
        mixed = inner;
    }
}

#[parallel]
fn echo_mixed(mixed: Mixed) -> Mixed {
    mixed
}

pub(crate) fn a_deep_value_of_lists_maps_and_tuples_arrives() {
    on_thread(SMALL, || {
        assert_eq!(mixed_levels(echo_mixed.spawn(mixed(MANY)).join().unwrap()), MANY);
    });
}

pub(crate) fn without_room_for_a_larger_stack_a_deep_value_is_an_error_or_arrives() {
    on_thread(USUAL, || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
        crate::ways::limit(libc::RLIMIT_AS, pages * 4096 + (16 << 20));
        let error = measure.spawn(tree(LEVELS)).join().unwrap_err();
        let ErrorKind::Encode(report) = error.kind() else { panic!("{error}") };
        assert!(report.message().contains("levels deep"), "{error}");
        assert_eq!(measure.spawn(tree(10)).join().unwrap(), 10);
    });
}
