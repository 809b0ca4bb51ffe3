//! Lazy maps: when they ask their input, how far they run ahead, and that loops which feed their own input end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parallel::prelude::*;

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does something that may hang, on a thread of its own.
#[track_caller]
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    let working = thread::spawn(move || drop(sender.send(work())));
    match done.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(working.join().expect_err("it has sent nothing"))
        }
    }
}

#[parallel(args(name = Triple))]
fn triple(x: u64) -> u64 {
    3 * x
}

#[parallel]
fn shout(text: String) -> Result<String, String> {
    Ok(text.to_uppercase())
}

/// How long one item of a slow input takes.
const SLOW: Duration = Duration::from_millis(40);

/// How long after its item was there each outcome was given, where each item takes a while.
fn lateness<T>(
    item: impl Fn(u64) -> T,
    map: impl FnOnce(Box<dyn Iterator<Item = T> + '_>) -> Vec<Instant>,
) -> Vec<Duration> {
    let there = RefCell::new(Vec::new());
    let items = (0..15).map(|number| {
        thread::sleep(SLOW);
        there.borrow_mut().push(Instant::now());
        item(number)
    });
    let given = map(Box::new(items));
    let mut late: Vec<Duration> =
        given.into_iter().zip(there.into_inner()).map(|(given, there)| given - there).collect();
    assert_eq!(late.len(), 15);
    late.sort();
    late
}

#[test]
fn the_outcome_of_a_slow_inputs_item_is_given_before_the_next_item_is_waited_for() {
    let pool = Pool::with_workers(2).unwrap();
    // The function is no stranger: its chunks would be large.
    triple.on(&pool).par_map(0..100_000).unwrap();
    let now = |_| Instant::now();
    let job = |x| Triple { x };
    let all = [
        ("par_imap", lateness(|x| x, |items| triple.on(&pool).par_imap(items).map(now).collect())),
        (
            "par_imap_unordered",
            lateness(|x| x, |items| triple.on(&pool).par_imap_unordered(items).map(|_| Instant::now()).collect()),
        ),
        ("par_imap_args", lateness(job, |items| triple.on(&pool).par_imap_args(items).map(now).collect())),
        (
            "par_imap_unordered_args",
            lateness(job, |items| triple.on(&pool).par_imap_unordered_args(items).map(|_| Instant::now()).collect()),
        ),
        (
            "try_par_imap",
            lateness(|x| x.to_string(), |items| shout.on(&pool).try_par_imap(items).map(|_| Instant::now()).collect()),
        ),
    ];
    for (map, late) in all {
        // On a machine that is busy with others one may be late, but not most, and some are in time.
        assert!(late[0] < Duration::from_millis(1), "{map}: {late:?}");
        assert!(late[late.len() / 2] < SLOW / 4, "{map}: {late:?}");
    }
}

#[test]
fn bursts_are_given_before_the_pause_behind_them() {
    const BURST: u64 = 5;
    // So long that a busy machine gives each outcome its turn in the part of it that may be waited.
    const PAUSE: Duration = Duration::from_millis(400);
    let pool = Pool::with_workers(2).unwrap();
    triple.on(&pool).par_map(0..100_000).unwrap();
    let pauses = Cell::new(0);
    let items = (0..5 * BURST).inspect(|number| {
        if number % BURST == 0 {
            thread::sleep(PAUSE);
            pauses.set(pauses.get() + 1);
        }
    });
    let early = triple.on(&pool).par_imap(items).enumerate().filter(|(at, outcome)| {
        assert_eq!(*outcome.as_ref().unwrap(), 3 * *at as u64);
        pauses.get() == at / BURST as usize + 1
    });
    let early = early.count();
    // Where the machine is busy with others, the time for a wait may be spent before the burst is over.
    assert!(early >= 3 * BURST as usize, "{early} of {} in their turn", 5 * BURST);
}

// Loops that feed their own input.

/// The steps from a number to 1.
#[parallel]
fn collatz(x: u64) -> u64 {
    if x.is_multiple_of(2) { x / 2 } else { 3 * x + 1 }
}

/// Walks from 27 to 1, which takes 111 steps: each outcome is the next item.
fn walk(outcomes: impl Iterator<Item = parallel::Result<u64>>, mut feed: impl FnMut(Option<u64>)) {
    let mut steps = 0;
    for outcome in outcomes {
        steps += 1;
        let next = outcome.unwrap();
        feed((next != 1).then_some(next));
    }
    assert_eq!(steps, 111);
}

#[test]
fn a_loop_whose_outcomes_are_its_next_items_ends() {
    in_time(|| {
        let pool = Pool::with_workers(2).unwrap();
        for _ in 0..3 {
            // By value, ordered; the sender goes with the last outcome.
            let (sender, items) = mpsc::channel();
            sender.send(27).unwrap();
            let mut sender = Some(sender);
            let mut feed = |next: Option<u64>| match next {
                Some(next) => sender.as_ref().unwrap().send(next).unwrap(),
                None => sender = None,
            };
            walk(collatz.on(&pool).par_imap(items), &mut feed);
            // Lent, unordered.
            let (sender, items) = mpsc::channel();
            sender.send(27).unwrap();
            let mut sender = Some(sender);
            let feed = |next: Option<u64>| match next {
                Some(next) => sender.as_ref().unwrap().send(next).unwrap(),
                None => sender = None,
            };
            walk(collatz.on(&pool).par_imap_unordered(&items).map(|(_, outcome)| outcome), feed);
            // A bounded channel, chunks of a chosen size, and a window.
            let (sender, items) = mpsc::sync_channel(1);
            sender.send(27).unwrap();
            let mut sender = Some(sender);
            let feed = |next: Option<u64>| match next {
                Some(next) => sender.as_ref().unwrap().send(next).unwrap(),
                None => sender = None,
            };
            walk(collatz.on(&pool).chunk_size(5).window(100).par_imap(items), feed);
        }
    });
}

/// The pages that a page of a made-up web leads to: many have none.
#[parallel]
fn links(page: String) -> Vec<String> {
    let number: u64 = page.trim_start_matches("page ").parse().unwrap();
    let many = if number % 3 == 2 { 0 } else { 1 + number % 4 };
    (1..=many)
        .map(|link| number * 4 + link)
        .filter(|number| *number < 20_000)
        .map(|number| format!("page {number}"))
        .collect()
}

/// All pages, as one process finds them.
fn pages() -> usize {
    let mut left = VecDeque::from(["page 1".to_string()]);
    let mut found = 0;
    while let Some(page) = left.pop_front() {
        found += 1;
        left.extend(links.as_fn()(page));
    }
    found
}

/// Crawls; `feed` takes the pages that an outcome leads to, and drops the sender once it is given `None`.
fn crawl(outcomes: impl Iterator<Item = parallel::Result<Vec<String>>>, mut feed: impl FnMut(Option<String>)) {
    let (mut under_way, mut found) = (1, 0);
    for outcome in outcomes {
        let pages = outcome.unwrap();
        found += 1;
        under_way = under_way - 1 + pages.len();
        pages.into_iter().for_each(|page| feed(Some(page)));
        if under_way == 0 {
            feed(None);
        }
    }
    assert_eq!(found, pages());
    assert!(found > 50, "{found} pages are no crawl");
}

#[test]
fn a_crawl_with_dead_ends_ends() {
    in_time(|| {
        let pool = Pool::with_workers(3).unwrap();
        for ordered in [true, false] {
            let (sender, items) = mpsc::channel();
            sender.send("page 1".to_string()).unwrap();
            let mut sender = Some(sender);
            let feed = |page: Option<String>| match page {
                Some(page) => sender.as_ref().unwrap().send(page).unwrap(),
                None => sender = None,
            };
            match ordered {
                true => crawl(links.on(&pool).par_imap(items), feed),
                false => crawl(links.on(&pool).par_imap_unordered(items).map(|(_, outcome)| outcome), feed),
            }
        }
    });
}

/// Ends once two of it are under way.
#[parallel]
fn meets(x: u64, both: parallel::sync::Barrier) -> u64 {
    if x > 0 {
        both.wait().unwrap();
    }
    x
}

#[test]
fn what_a_loop_feeds_runs_in_parallel() {
    in_time(|| {
        let pool = Pool::with_workers(2).unwrap();
        let both = parallel::sync::Barrier::new(2).unwrap();
        let (sender, items) = mpsc::channel();
        sender.send((0, both.clone())).unwrap();
        let mut sender = Some(sender);
        let mut given = 0;
        for (_, outcome) in meets.on(&pool).par_imap_unordered(items) {
            given += 1;
            if outcome.unwrap() == 0 {
                (1..=2).for_each(|x| sender.as_ref().unwrap().send((x, both.clone())).unwrap());
            } else {
                sender = None;
            }
        }
        assert_eq!(given, 3);
    });
}

/// What another thread sends is taken while an item is under way, although no outcome comes.
#[test]
fn a_receiver_is_looked_at_again_while_an_item_is_under_way() {
    in_time(|| {
        let pool = Pool::with_workers(2).unwrap();
        let both = parallel::sync::Barrier::new(2).unwrap();
        let (sender, items) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let feeder = thread::spawn(move || {
            sender.send((1, both.clone())).unwrap();
            has_begun.recv().unwrap();
            // The map waits for the first one by now, or soon.
            thread::sleep(Duration::from_millis(20));
            sender.send((2, both)).unwrap();
        });
        begun.send(()).unwrap();
        let mut given: Vec<u64> = meets.on(&pool).par_imap_unordered(items).map(|(_, x)| x.unwrap()).collect();
        given.sort_unstable();
        assert_eq!(given, [1, 2]);
        feeder.join().unwrap();
    });
}

/// A channel that is none of std's: whether it has an item can be asked by waiting only.
struct Foreign<T>(Arc<(Mutex<Channel<T>>, Condvar)>);

/// What waits, and whether more may come.
type Channel<T> = (VecDeque<T>, bool);

impl<T> Iterator for Foreign<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (state, changed) = &*self.0;
        let mut state = changed.wait_while(state.lock().unwrap(), |(items, open)| items.is_empty() && *open).unwrap();
        state.0.pop_front()
    }
}

#[test]
fn with_a_window_of_one_a_loop_ends_whatever_channel_it_feeds() {
    in_time(|| {
        let pool = Pool::with_workers(2).unwrap();
        let channel = Arc::new((Mutex::new((VecDeque::from(["page 1".to_string()]), true)), Condvar::new()));
        let feed = |page: Option<String>| {
            let mut state = channel.0.lock().unwrap();
            match page {
                Some(page) => state.0.push_back(page),
                None => state.1 = false,
            }
            channel.1.notify_all();
        };
        let items = Foreign(Arc::clone(&channel));
        crawl(links.on(&pool).window(1).par_imap_unordered(items).map(|(_, outcome)| outcome), feed);
        // The same of std's, behind an adapter.
        let (sender, items) = mpsc::channel();
        sender.send("page 1".to_string()).unwrap();
        let mut sender = Some(sender);
        let feed = |page: Option<String>| match page {
            Some(page) => sender.as_ref().unwrap().send(page).unwrap(),
            None => sender = None,
        };
        crawl(links.on(&pool).window(1).par_imap(items.into_iter().fuse()), feed);
    });
}

// How far ahead.

#[test]
fn a_chosen_window_is_never_passed() {
    let pool = Pool::with_workers(2).unwrap();
    for window in [1, 2, 3, 7, 100, 5_000] {
        let taken = Cell::new(0);
        let items = (0..10_000_u64).inspect(|_| taken.set(taken.get() + 1));
        for (given, outcome) in triple.on(&pool).window(window).par_imap(items).enumerate() {
            assert_eq!(outcome.unwrap(), 3 * given as u64);
            assert!(taken.get() <= given + window, "{} taken, {given} given, window {window}", taken.get());
        }
        assert_eq!(taken.get(), 10_000);
    }
}

#[test]
fn what_is_quick_and_small_goes_further_ahead_than_slow_items_do() {
    #[parallel]
    fn naps(x: u64) -> u64 {
        thread::sleep(Duration::from_millis(1));
        x
    }
    let pool = Pool::with_workers(2).unwrap();
    // The most items that were ahead of an outcome.
    let quick = |items| {
        let taken = Cell::new(0);
        let input = (0..items).inspect(|_| taken.set(taken.get() + 1));
        triple.on(&pool).par_imap(input).enumerate().map(|(given, _)| taken.get() - given).max().unwrap()
    };
    let slow = |items| {
        let taken = Cell::new(0);
        let input = (0..items).inspect(|_| taken.set(taken.get() + 1));
        naps.on(&pool).par_imap(input).enumerate().map(|(given, _)| taken.get() - given).max().unwrap()
    };
    let (quick, slow) = (quick(1_000_000), slow(300));
    assert!(quick > 512, "{quick} ahead of short items");
    assert!(slow <= 512, "{slow} ahead of long items");
}
