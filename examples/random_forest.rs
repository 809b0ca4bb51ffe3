//! A random forest: decision trees that are trained in the workers, on data that each worker is given once.
//!
//! ```text
//! cargo run --release --example random_forest [TREES] [POINTS]
//! ```
//!
//! Prints the accuracy of one tree and of the whole forest on points that they have not seen, and the time to train
//! with one worker and with one per core. The same seeds grow the same trees, whoever trains them.

mod arguments;

use std::sync::OnceLock;
use std::time::Instant;

use fastrand::Rng;
use parallel::prelude::*;
use serde::{Deserialize, Serialize};

/// A point of the plane and its class.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Sample {
    at: [f64; 2],
    inside: bool,
}

#[derive(PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf { inside: bool },
    Split { axis: usize, threshold: f64, below: Box<Tree>, above: Box<Tree> },
}

static DATA: OnceLock<Vec<Sample>> = OnceLock::new();

/// Runs once in each worker, so that the data travels once and not with every tree.
#[parallel]
fn load(data: Vec<Sample>) {
    DATA.set(data).unwrap_or_else(|_| panic!("the data was already there"));
}

/// Trains a tree on a random choice of the data.
#[parallel]
fn train(seed: u64) -> Tree {
    let mut random = Rng::with_seed(seed);
    let data = DATA.get().expect("`load` is the initializer of the pool");
    let mut chosen: Vec<Sample> = data.iter().map(|_| data[random.usize(..data.len())]).collect();
    grow(&mut chosen, 12, &mut random)
}

fn grow(samples: &mut [Sample], depth: usize, random: &mut Rng) -> Tree {
    let inside = samples.iter().filter(|sample| sample.inside).count();
    if depth == 0 || inside == 0 || inside == samples.len() {
        return Tree::Leaf { inside: inside * 2 > samples.len() };
    }

    // The best of a few random cuts; the randomness is what makes the trees differ.
    let cuts = (0..16).map(|_| (random.usize(..2), samples[random.usize(..samples.len())])).collect::<Vec<_>>();
    let cuts = cuts.into_iter().map(|(axis, sample)| (axis, sample.at[axis]));
    let (axis, threshold) = cuts.min_by_key(|&(axis, threshold)| mistakes(samples, axis, threshold)).expect("16 cuts");

    samples.sort_unstable_by(|a, b| a.at[axis].total_cmp(&b.at[axis]));
    let middle = samples.partition_point(|sample| sample.at[axis] < threshold);
    let (below, above) = samples.split_at_mut(middle);
    Tree::Split {
        axis,
        threshold,
        below: Box::new(grow(below, depth - 1, random)),
        above: Box::new(grow(above, depth - 1, random)),
    }
}

/// How many samples are in the minority of their side of the cut.
fn mistakes(samples: &[Sample], axis: usize, threshold: f64) -> usize {
    let mut counts = [[0_usize; 2]; 2];
    for sample in samples {
        counts[usize::from(sample.at[axis] < threshold)][usize::from(sample.inside)] += 1;
    }
    counts.iter().map(|side| side[0].min(side[1])).sum()
}

impl Tree {
    fn says_inside(&self, at: [f64; 2]) -> bool {
        match self {
            Self::Leaf { inside } => *inside,
            Self::Split { axis, threshold, below, above } => {
                if at[*axis] < *threshold { below } else { above }.says_inside(at)
            }
        }
    }
}

/// Random points, `inside` where they lie in a ring; `noise` is the share that is labelled wrongly.
fn make_data(points: u64, noise: f64, random: &mut Rng) -> Vec<Sample> {
    let mut sample = || {
        let at = [random.f64() * 2.0 - 1.0, random.f64() * 2.0 - 1.0];
        let ring = (0.4..0.8).contains(&f64::hypot(at[0], at[1]));
        Sample { at, inside: ring != (random.f64() < noise) }
    };
    (0..points).map(|_| sample()).collect()
}

/// The share of the samples that the majority of the trees gets right.
fn accuracy(trees: &[Tree], samples: &[Sample]) -> f64 {
    let votes = |sample: &Sample| trees.iter().filter(|tree| tree.says_inside(sample.at)).count();
    let right = samples.iter().filter(|sample| (votes(sample) * 2 > trees.len()) == sample.inside).count();
    right as f64 / samples.len() as f64
}

fn main() -> parallel::Result<()> {
    let [trees, points] = arguments::numbers([("TREES", 1..=100_000, 200), ("POINTS", 100..=1_000_000, 4_000)]);
    let mut random = Rng::with_seed(1);
    let data = make_data(points, 0.15, &mut random);
    let unseen = make_data(2_000, 0.0, &mut random);
    println!("{trees} trees, {points} points, 15 % of them labelled wrongly\n");

    println!("{:>7}  {:>10}  {:>8}  {:>8}", "workers", "time", "one tree", "forest");
    let mut forests = Vec::new();
    for workers in [1, Pool::global()?.workers()] {
        let pool = Pool::builder().workers(workers).initializer(&load, (data.clone(),)).build()?;
        let start = Instant::now();
        let forest = train.on(&pool).par_map(0..trees)?;
        let time = start.elapsed();
        pool.join()?;

        let (one, all) = (accuracy(&forest[..1], &unseen), accuracy(&forest, &unseen));
        println!("{workers:>7}  {time:>10.1?}  {:>6.1} %  {:>6.1} %", one * 100.0, all * 100.0);
        assert!(trees < 50 || all > one, "many trees know more than one");
        forests.push(forest);
    }
    assert!(forests[0] == forests[1], "the same seeds grow the same trees");
    Ok(())
}
