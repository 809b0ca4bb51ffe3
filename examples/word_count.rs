//! Counts the words of many files: some files at a time in each worker, and the tables merged in the workers too.
//!
//! ```text
//! cargo run --release --example word_count [FOLDER] [ROWS]
//! ```
//!
//! Reads the `.md`, `.rs`, `.toml` and `.txt` files below FOLDER (this repository by default), leaving out folders
//! named `.git` and `target`. A word is a run of the letters a to z, capitals made small. Prints the ROWS most frequent
//! words (20 by default), and on stderr the times. The same table from the shell:
//!
//! ```text
//! LC_ALL=C grep -rahoE --include='*.md' --include='*.rs' --include='*.toml' --include='*.txt' \
//!     --exclude-dir=.git --exclude-dir=target '[A-Za-z]+' FOLDER |
//!     tr A-Z a-z | LC_ALL=C sort | uniq -c | LC_ALL=C sort -k1,1nr -k2 | head -n ROWS
//! ```

mod text_files;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs, process};

use parallel::prelude::*;

type Counts = HashMap<String, u64>;

/// The words of some files. A file that cannot be read is a panic, which fails the whole map and names the file.
#[parallel]
fn count(files: &[PathBuf]) -> Counts {
    let mut counts = Counts::new();
    for file in files {
        let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for word in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
            *counts.entry(String::from_utf8_lossy(word).to_ascii_lowercase()).or_default() += 1;
        }
    }
    counts
}

#[parallel]
fn merge(mut left: Counts, right: Counts) -> Counts {
    for (word, number) in right {
        *left.entry(word).or_default() += number;
    }
    left
}

fn main() -> parallel::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let rows = env::args_os().nth(2).map_or(Some(20), |text| text.to_str()?.parse().ok());
    let rows = rows.filter(|_| env::args_os().len() <= 3).unwrap_or_else(|| refuse("a folder and a number, at most"));
    let files = text_files::text_files(&folder).unwrap_or_else(|error| refuse(&error.to_string()));
    let workers = Pool::global()?.workers();

    let start = Instant::now();
    let expected = count(&files);
    let serial = start.elapsed();

    // Some shares for each worker: a table for each file would travel more often than it is added to.
    let share = files.len().div_ceil(4 * workers).max(1);
    let start = Instant::now();
    let counts = count.par_map_reduce(files.chunks(share), &merge)?.unwrap_or_default();
    let parallel = start.elapsed();
    assert!(counts == expected, "the pool counts what this process does");

    let mut table: Vec<(&String, &u64)> = counts.iter().collect();
    table.sort_unstable_by_key(|&(word, &number)| (u64::MAX - number, word));
    for (word, number) in table.iter().take(rows) {
        println!("{number:>7} {word}");
    }

    let speed_up = serial.as_secs_f64() / parallel.as_secs_f64();
    eprintln!("{} files, {} different words", files.len(), counts.len());
    eprintln!("one process {serial:.1?}, {workers} workers {parallel:.1?}: {speed_up:.2}x");
    Ok(())
}

fn refuse(message: &str) -> ! {
    eprintln!("error: {message}\nusage: word_count [FOLDER] [ROWS]");
    process::exit(2)
}
