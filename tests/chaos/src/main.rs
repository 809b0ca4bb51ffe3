//! Runs loads of every kind on several threads while a killer ends, crashes and stops processes of the program at random
//! moments, both drawn from a seed. Nothing may hang, no value may be wrong, every error must be one that a death
//! explains, and at the end nothing may be left.
//!
//! ```text
//! cargo run -p parallel-chaos --release -- [--seed N] [--seconds S] [--loads NAME,NAME]
//! ```
//!
//! A failure prints the seed. What is done and killed is the same for a seed, the moments at which processes are hit are
//! not quite.

mod board;
mod census;
mod explain;
mod killer;
mod loads;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parallel::prelude::*;

use board::Board;
use census::Census;
use loads::Ground;

/// Threads that run loads at the same time.
const THREADS: u64 = 3;
/// Workers of the pool that they share.
const WORKERS: usize = 3;
/// A shared pool lives for so many loads of its thread, then it is joined, and another one is made.
const LOADS_PER_POOL: u32 = 200;

struct Options {
    seed: u64,
    seconds: u64,
    /// Empty: all.
    loads: Vec<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { seed: fastrand::u64(..1 << 32), seconds: 60, loads: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{option} needs a value"));
            let number = || value.parse().unwrap_or_else(|_| panic!("{option} {value}: not a number"));
            match option.as_str() {
                "--seed" => options.seed = number(),
                "--seconds" => options.seconds = number(),
                "--loads" => options.loads = value.split(',').map(ToString::to_string).collect(),
                _ => panic!("what is {option}?"),
            }
        }
        options
    }
}

fn main() -> ExitCode {
    let options = Options::read();
    println!("seed {}, {} s", options.seed, options.seconds);
    census::leave_no_core_files();
    let board = Board::new(options.seed, THREADS as usize);
    // Each load once, without harm: what is kept after that is kept for good.
    let before = rehearse(&board, &options);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| killer::run(&board, Rng::with_seed(options.seed)));
        let end = Instant::now() + Duration::from_secs(options.seconds);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (board, options) = (&board, &options);
                scope.spawn(move || work(board, options, thread, end))
            })
            .collect();
        for thread in threads {
            let _ = thread.join();
        }
        board.end_kills();
        let _ = killer.join();
    });
    if !board.has_failed() {
        board.guard(0, "census", || before.compare_to_the_end());
    }
    board.tell();
    if board.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs each load once, and counts what is there then.
fn rehearse(board: &Board, options: &Options) -> Census {
    let pool = Pool::with_workers(WORKERS).expect("a pool in peace");
    let mut rng = Rng::with_seed(options.seed);
    for (name, load) in loads::ALL {
        board.guard(0, name, || load(&mut Ground { board, pool: &pool, rng: &mut rng, in_peace: true }));
    }
    pool.join().expect("nobody ends it");
    Census::at_rest()
}

/// Runs loads until the time is over.
fn work(board: &Board, options: &Options, thread: u64, end: Instant) {
    let mut rng = Rng::with_seed(options.seed ^ ((thread + 1) << 40));
    let is_wanted = |name: &str| options.loads.is_empty() || options.loads.iter().any(|wanted| wanted == name);
    let loads: Vec<_> = loads::ALL.iter().filter(|(name, _)| is_wanted(name)).collect();
    while Instant::now() < end && !board.has_failed() {
        let made = board.guard(thread, "a pool is made", || Pool::with_workers(rng.usize(1..=WORKERS)));
        let Some(made) = made else { return };
        let pool = match made {
            Ok(pool) => pool,
            Err(error) => {
                board.guard(thread, "a pool is made", || explain::is_death(&error, None, board));
                continue;
            }
        };
        for _ in 0..LOADS_PER_POOL {
            if Instant::now() >= end || board.has_failed() {
                break;
            }
            let (name, load) = loads[rng.usize(..loads.len())];
            let seed = rng.u64(..);
            let mut rng = Rng::with_seed(seed);
            board.guard(thread, name, || load(&mut Ground { board, pool: &pool, rng: &mut rng, in_peace: false }));
        }
        board.guard(thread, "a pool is joined", || pool.join().expect("nobody terminates it"));
    }
}
