//! Three stages, each a process of its own, joined by queues: read files, count what is in them, rank them.
//!
//! ```text
//! cargo run --release --example pipeline [FOLDER]
//! ```
//!
//! Reads the `.md`, `.rs`, `.toml` and `.txt` files below FOLDER (this repository by default), leaving out folders
//! named `.git` and `target`. Prints the ten files with the most words, and the totals. All stages work at the same
//! time, each on another file. The queues between them are bounded, so that a fast stage does not fill the memory; a
//! stage that is done closes the queue behind it.

mod text_files;

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs, process};

use parallel::prelude::*;

/// How many files may wait between two stages.
const WAITING: usize = 16;

/// Lines, words and bytes.
type Counts = [u64; 3];

/// Sends the content of each file. One that cannot be read is a panic, which names it and ends the program.
#[parallel]
fn read(paths: Queue<PathBuf>, contents: Queue<(PathBuf, Vec<u8>)>) -> u64 {
    pass(paths, contents, |path| {
        let content = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, content)
    })
}

#[parallel]
fn count(contents: Queue<(PathBuf, Vec<u8>)>, counted: Queue<(PathBuf, Counts)>) -> u64 {
    pass(contents, counted, |(path, content)| (path, counts(&content)))
}

/// Sends one message, all files with the most words first.
#[parallel]
fn rank(counted: Queue<(PathBuf, Counts)>, ranking: Queue<Vec<(PathBuf, Counts)>>) -> u64 {
    let mut files: Vec<_> = counted.iter().collect();
    files.sort_unstable_by(|left, right| right.1[1].cmp(&left.1[1]).then_with(|| left.0.cmp(&right.0)));
    let ranked = files.len() as u64;
    ranking.send(files).expect("the next stage is there");
    ranked
}

/// Changes messages on their way from one queue to the next, and returns how many there were.
fn pass<A, B>(from: Queue<A>, to: Queue<B>, change: impl Fn(A) -> B) -> u64
where
    A: serde::de::DeserializeOwned,
    B: serde::Serialize,
{
    let mut passed = 0;
    for message in &from {
        to.send(change(message)).expect("the next stage is there");
        passed += 1;
    }
    to.close();
    passed
}

fn counts(content: &[u8]) -> Counts {
    let lines = content.split_inclusive(|&byte| byte == b'\n').count();
    let words = content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    [lines, words, content.len()].map(|number| number as u64)
}

fn sum(files: impl Iterator<Item = Counts>) -> Counts {
    files.fold(Counts::default(), |sum, file| [0, 1, 2].map(|column| sum[column] + file[column]))
}

fn main() -> parallel::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    if env::args_os().len() > 2 {
        refuse("a folder, at most");
    }
    let files = text_files::text_files(&folder).unwrap_or_else(|error| refuse(&error.to_string()));

    let start = Instant::now();
    let (paths, ranking) = (Queue::new()?, Queue::new()?);
    let (contents, counted) = (Queue::bounded(WAITING)?, Queue::bounded(WAITING)?);
    let stages = [
        read.spawn(paths.clone(), contents.clone()),
        count.spawn(contents, counted.clone()),
        rank.spawn(counted, ranking.clone()),
    ];
    for file in &files {
        paths.send(file.clone())?;
    }
    paths.close();

    // In the order in which they end: if one fails, the others would wait for it in vain.
    for (_, passed) in parallel::as_completed(stages) {
        assert_eq!(passed?, files.len() as u64, "every file goes through every stage");
    }
    let ranked = ranking.recv()?;
    let elapsed = start.elapsed();

    println!("{:>8} {:>8} {:>9}", "lines", "words", "bytes");
    for (path, [lines, words, bytes]) in ranked.iter().take(10) {
        println!("{lines:>8} {words:>8} {bytes:>9}  {}", path.strip_prefix(&folder).unwrap_or(path).display());
    }
    let total = sum(ranked.iter().map(|file| file.1));
    let [lines, words, bytes] = total;
    println!("{lines:>8} {words:>8} {bytes:>9}  in {} files", ranked.len());
    eprintln!("three stages took {elapsed:.1?}");

    let expected = sum(files.iter().map(|file| counts(&fs::read(file).unwrap_or_default())));
    assert_eq!(total, expected, "the pipeline counts what this process does");
    assert!(ranked.is_sorted_by(|left, right| left.1[1] >= right.1[1]));
    Ok(())
}

fn refuse(message: &str) -> ! {
    eprintln!("error: {message}\nusage: pipeline [FOLDER]");
    process::exit(2)
}
