//! Lazy maps, simulated: when the input is asked, and how far it runs ahead.
//!
//! The window, the asking and the chunks are the runtime's own. Here they decide for inputs that are quick, slow, come in bursts or
//! are fed by the loop that takes the outcomes; for workers whose items are short, long or uneven; and for consumers that take their
//! time, all in virtual time. The steps are those of `call/map/lazy.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use crate::asking::Asking;
use crate::chunker::Chunker;
use crate::tuning::{AHEAD_BYTES, AHEAD_TIME, BETWEEN_LOOKS, SLOTS, WAITED_PART, WINDOW_PER_WORKER};
use crate::window::{Ahead, Window};

const RUNS: u64 = 10_000;
const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    /// Each item takes so long.
    Steady(u64),
    /// So many items take next to nothing, and the next one so long.
    Bursts(usize, u64),
    /// A receiver; each outcome leads to so many new items at most, and the last one closes the channel.
    Loop(usize),
}

/// One run: all times in nanoseconds.
#[derive(Debug, Clone)]
struct Plan {
    workers: usize,
    window: Option<usize>,
    ordered: bool,
    items: usize,
    input: Input,
    work: u64,
    /// One item in so many takes so many times as long.
    uneven: Option<(usize, u64)>,
    value_bytes: usize,
    consumed_in: u64,
    /// What the function took in an earlier map, which may be wrong.
    pace: Option<u64>,
}

impl Plan {
    fn draw(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let input = match rng.usize(0..4) {
            0 => Input::Steady(rng.u64(5..500)),
            1 => Input::Steady(*rng.choice(&[20 * MICRO, 200 * MICRO, 2 * MILLI, 50 * MILLI]).unwrap()),
            2 => Input::Bursts(rng.usize(1..300), rng.u64(1..100) * MILLI),
            _ => Input::Loop(rng.usize(1..6)),
        };
        let work = *rng.choice(&[5, 2 * MICRO, 20 * MICRO, MILLI, 30 * MILLI]).unwrap();
        Self {
            workers: rng.usize(1..9),
            window: rng.bool().then(|| rng.usize(1..2_000)),
            ordered: rng.bool(),
            // Enough for a window of short items.
            items: if work == 20 * MICRO { 10_000 } else { *rng.choice(&[1, 100, 1_000]).unwrap() },
            input,
            work,
            uneven: (rng.usize(0..3) == 0)
                .then(|| (*rng.choice(&[3, 100, 20_000]).unwrap(), if rng.bool() { 100 } else { 100_000 })),
            value_bytes: *rng.choice(&[0, 8, 1_000, 8, 200_000, 4 << 20, 100 << 20]).unwrap(),
            consumed_in: *rng.choice(&[10, 10 * MICRO, 10 * MILLI]).unwrap(),
            pace: (rng.usize(0..3) == 0).then(|| if rng.bool() { work } else { 5 }),
        }
    }

    fn work_of(&self, item: usize) -> u64 {
        match self.uneven {
            Some((each, times)) if item.is_multiple_of(each) => (times * self.work).min(5_000 * MILLI),
            _ => self.work,
        }
    }
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Fed {
    Enough,
    Full,
    Paused,
    NothingYet,
}

struct Map<'a> {
    plan: &'a Plan,
    rng: fastrand::Rng,
    window: Window,
    asking: Asking,
    chunker: Chunker,
    now: u64,
    /// When each item was there.
    taken: Vec<u64>,
    exhausted: bool,
    /// What the loop has put into the channel, and whether it may put in more.
    channel: usize,
    open: bool,
    fed: usize,
    /// When each worker has done what it has.
    free: Vec<u64>,
    under_way: BinaryHeap<Reverse<(u64, usize, usize)>>,
    held: BTreeMap<usize, usize>,
    ready: VecDeque<usize>,
    next_in_order: usize,
    waiting_bytes: usize,
    given: Vec<bool>,
    gave: usize,
    /// Items that were taken before the first value came back.
    unknown: Option<usize>,
    asked_for: u64,
    waited: u64,
}

type Outcome<T> = Result<T, String>;

impl Map<'_> {
    fn under_way(&self) -> usize {
        self.under_way.iter().map(|Reverse((_, _, items))| items).sum()
    }

    /// Asks the input: `None` where it has nothing for now.
    fn ask(&mut self, may_wait: bool) -> Outcome<Option<bool>> {
        let cost = match self.plan.input {
            Input::Steady(cost) => cost,
            Input::Bursts(many, pause) if self.taken.len().is_multiple_of(many) => pause,
            Input::Bursts(..) => 50,
            Input::Loop(_) if self.channel > 0 => 50,
            Input::Loop(_) if !self.open => return Ok(Some(false)),
            Input::Loop(_) if may_wait => return Err("waits for a loop that waits for it".into()),
            Input::Loop(_) => return Ok(None),
        };
        if !matches!(self.plan.input, Input::Loop(_)) && self.taken.len() == self.plan.items {
            return Ok(Some(false));
        }
        self.channel = self.channel.saturating_sub(1);
        self.now += cost;
        self.asked_for += cost;
        self.taken.push(self.now);
        self.given.push(false);
        self.check()?;
        Ok(Some(true))
    }

    /// What must hold whenever an item was taken.
    fn check(&self) -> Outcome<()> {
        let ahead = self.taken.len() - self.gave;
        let is_least = ahead <= SLOTS * self.plan.workers;
        if let Some(window) = self.plan.window {
            return if ahead <= window { Ok(()) } else { Err(format!("{ahead} ahead, {window} chosen")) };
        }
        let usual = WINDOW_PER_WORKER * self.plan.workers;
        let work = ahead as u64 * self.plan.work;
        // What an earlier map took may be wrong.
        let is_known = self.plan.pace.is_none_or(|pace| pace == self.plan.work);
        if is_known && !is_least && ahead > usual && u128::from(work) > AHEAD_TIME.as_nanos() {
            return Err(format!("{ahead} ahead, which are {work} ns of work"));
        }
        let bytes = ahead * self.plan.value_bytes;
        let unknown = self.unknown.unwrap_or(ahead);
        if !is_least && ahead > unknown && bytes > AHEAD_BYTES {
            return Err(format!("{ahead} ahead, which are {bytes} bytes"));
        }
        Ok(())
    }

    fn send(&mut self, first: usize) {
        let items = self.taken.len() - first;
        if items > 0 {
            let work: u64 = (first..first + items).map(|item| self.plan.work_of(item)).sum();
            let worker = self.free.iter_mut().min().expect("there are workers");
            *worker = (*worker).max(self.now) + 10 * MICRO + work;
            self.under_way.push(Reverse((*worker, first, items)));
        }
    }

    fn collect(&mut self, deadline: Option<u64>) -> Outcome<()> {
        let Some(&Reverse((done, ..))) = self.under_way.peek() else { return Err("waits for nothing".into()) };
        self.now = self.now.max(done.min(deadline.unwrap_or(u64::MAX)));
        while let Some(&Reverse((done, first, items))) = self.under_way.peek()
            && done <= self.now
        {
            self.under_way.pop();
            let work = (first..first + items).map(|item| self.plan.work_of(item)).sum();
            self.chunker.learn(items, Duration::from_nanos(work));
            self.window.learn(items, items * self.plan.value_bytes);
            self.waiting_bytes += items * self.plan.value_bytes;
            self.unknown.get_or_insert(self.taken.len());
            self.held.insert(first, items);
        }
        while let Some(entry) = self.held.first_entry()
            && (!self.plan.ordered || *entry.key() == self.next_in_order)
        {
            let (first, items) = entry.remove_entry();
            self.next_in_order = first + items;
            self.ready.extend(first..first + items);
        }
        Ok(())
    }

    fn refill(&mut self) -> Outcome<Fed> {
        let is_ready = !self.ready.is_empty();
        if is_ready && self.asking.patience().is_some() {
            return Ok(Fed::Enough);
        }
        if let Some(patience) = self.asking.patience()
            && !self.under_way.is_empty()
        {
            let begun = self.now;
            self.collect(Some(begun + patience.as_nanos() as u64))?;
            self.asking.waited(Duration::from_nanos(self.now - begun));
            self.waited += self.now - begun;
            if !self.ready.is_empty() {
                return Ok(Fed::Enough);
            }
        }
        let under_way = self.under_way();
        let ahead = Ahead {
            under_way,
            waiting: self.taken.len() - self.gave - under_way,
            waiting_bytes: self.waiting_bytes,
            argument_bytes: 0,
            pace: self.chunker.pace(),
        };
        let room = self.window.room(ahead);
        if room.wanting > 0 {
            return Ok(Fed::Full);
        }
        let items = if self.asking.patience().is_some() { room.items.min(1) } else { room.items };
        self.feed(items, room.chunk, !is_ready && self.under_way.is_empty())
    }

    fn feed(&mut self, mut allowed: usize, chunk: usize, mut may_wait: bool) -> Outcome<Fed> {
        let (since, mut looked) = (self.now, self.now);
        while !self.exhausted {
            let size = self.chunker.next(None, self.plan.workers).min(chunk);
            if self.under_way() >= size.saturating_mul(self.plan.workers * (SLOTS + 1)) {
                return Ok(Fed::Enough);
            }
            if allowed == 0 {
                return Ok(Fed::Full);
            }
            let first = self.taken.len();
            let mut fed = Fed::Full;
            while self.taken.len() - first < size.min(allowed) && fed == Fed::Full {
                if self.asking.is_measured_alone() {
                    looked = self.now;
                }
                match self.ask(may_wait && self.taken.len() == first)? {
                    Some(true) => {}
                    Some(false) => {
                        self.exhausted = true;
                        break;
                    }
                    None => fed = Fed::NothingYet,
                }
                let is_watched = !matches!(self.plan.input, Input::Loop(_));
                if is_watched && self.asking.asked(1) {
                    let took = Duration::from_nanos(self.now - looked);
                    if self.asking.looked(took, Duration::from_nanos(self.now - since)) {
                        fed = Fed::Paused;
                    }
                    looked = self.now;
                }
            }
            self.send(first);
            self.chunker.sent(size);
            if fed != Fed::Full {
                return Ok(fed);
            }
            allowed -= self.taken.len() - first;
            may_wait = false;
        }
        Ok(Fed::Enough)
    }

    fn next(&mut self) -> Outcome<Option<usize>> {
        // A map that does nothing but look would go on for ever.
        for _ in 0..1_000_000 {
            let fed = self.refill()?;
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.under_way.is_empty() {
                return if self.exhausted { Ok(None) } else { Err(format!("ends before its input, {fed:?}")) };
            }
            match fed {
                Fed::Full | Fed::Paused if self.asking.patience().is_some() => {}
                Fed::Enough | Fed::Full => self.collect(None)?,
                Fed::NothingYet => self.collect(Some(self.now + BETWEEN_LOOKS.as_nanos() as u64))?,
                Fed::Paused => self.collect(Some(self.now))?,
            }
        }
        Err("looks for ever".into())
    }

    /// The loop that takes the outcomes.
    fn run(&mut self) -> Outcome<()> {
        while let Some(item) = self.next()? {
            if std::mem::replace(&mut self.given[item], true) {
                return Err(format!("item {item} comes twice"));
            }
            if self.plan.ordered && item != self.gave {
                return Err(format!("item {item} comes as number {}", self.gave));
            }
            self.gave += 1;
            self.waiting_bytes -= self.plan.value_bytes;
            let late = self.now - self.taken[item];
            if let Input::Steady(each @ MILLI..) = self.plan.input
                && self.plan.uneven.is_none()
                && self.plan.work + 10 * MICRO < each / u64::from(2 * WAITED_PART)
                && self.plan.consumed_in < each / 2
                && late > self.plan.work + 10 * MICRO
            {
                return Err(format!("item {item} comes {late} ns after it was there"));
            }
            self.now += self.plan.consumed_in;
            if let Input::Loop(most) = self.plan.input {
                let more = self.rng.usize(0..=most).min(self.plan.items - self.fed);
                self.fed += more;
                self.channel += more;
                self.open = self.channel > 0 || self.taken.len() > self.gave;
            }
        }
        if self.gave != self.taken.len() || self.channel > 0 {
            return Err(format!("{} of {} items come back", self.gave, self.taken.len()));
        }
        if self.waited > self.asked_for / u64::from(WAITED_PART) {
            return Err(format!("waited {} ns for outcomes, the input took {}", self.waited, self.asked_for));
        }
        Ok(())
    }
}

fn run(plan: &Plan, seed: u64) -> Outcome<()> {
    let (fed, open) = if matches!(plan.input, Input::Loop(_)) { (1, true) } else { (0, false) };
    let mut map = Map {
        plan,
        rng: fastrand::Rng::with_seed(!seed),
        window: Window::new(plan.window, plan.workers),
        asking: Asking::new(),
        chunker: Chunker::new(None, usize::MAX, plan.pace.map(Duration::from_nanos)),
        now: 0,
        taken: Vec::new(),
        exhausted: false,
        channel: fed,
        open,
        fed,
        free: vec![0; plan.workers],
        under_way: BinaryHeap::new(),
        held: BTreeMap::new(),
        ready: VecDeque::new(),
        next_in_order: 0,
        waiting_bytes: 0,
        given: Vec::new(),
        gave: 0,
        unknown: None,
        asked_for: 0,
        waited: 0,
    };
    map.run()
}

#[test]
fn lazy_maps_end_and_keep_to_their_windows_whatever_feeds_them() {
    for seed in 0..RUNS {
        let plan = Plan::draw(seed);
        if let Err(broken) = run(&plan, seed) {
            panic!("seed {seed}: {broken}\n{plan:#?}");
        }
    }
}
