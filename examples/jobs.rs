//! Jobs from a file: the struct of a function's arguments, read from JSON, run, and written back where it failed.
//!
//! ```text
//! cargo run --release --example jobs [JOBS.json] [FAILED.json]
//! ```
//!
//! Prints what became of each job, and writes the failed ones to a file that can be run again once they are mended. Without
//! files it makes some jobs of its own, of which two fail, mends those, and runs them again.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use parallel::prelude::*;

/// Splits a number into its prime factors, as far as those up to `limit` do it.
#[parallel(args(name = Job, derive(Debug, Clone, PartialEq)), timeout = "5s")]
fn factor(number: u64, limit: u64) -> Vec<u64> {
    assert!(number > 0, "0 has no prime factors");
    let (mut rest, mut factors) = (number, Vec::new());
    for divisor in 2..=limit {
        while rest % divisor == 0 {
            factors.push(divisor);
            rest /= divisor;
        }
        if rest == 1 {
            break;
        }
    }
    assert!(rest == 1, "{rest} is left, which has no factor up to {limit}");
    factors
}

/// Runs the jobs of one file, and writes those that fail to another. Returns how many those are.
fn run(jobs: &Path, failed: &Path) -> Result<usize, Box<dyn Error>> {
    let jobs: Vec<Job> = serde_json::from_str(&fs::read_to_string(jobs)?)?;
    let mut again = Vec::new();
    for (job, outcome) in jobs.iter().zip(factor.par_map_results_args(&jobs)) {
        match outcome {
            Ok(factors) => {
                println!("{:>20} = {factors:?}", job.number);
                assert_eq!(factors.iter().product::<u64>(), job.number);
            }
            Err(error) => {
                println!("{:>20}   {error}", job.number);
                again.push(job);
            }
        }
    }
    fs::write(failed, serde_json::to_string_pretty(&again)?)?;
    println!("{} of {} jobs failed: {}", again.len(), jobs.len(), failed.display());
    Ok(again.len())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args_os().skip(1).map(PathBuf::from);
    if let (Some(jobs), Some(failed)) = (files.next(), files.next()) {
        run(&jobs, &failed)?;
        return Ok(());
    }

    let folder = std::env::temp_dir().join(format!("parallel-jobs-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (jobs, failed) = (folder.join("jobs.json"), folder.join("failed.json"));
    let limits = [(600_851_475_143, 10_000), (2 * 1_000_003, 1_000), (0, 10), (97, 97)];
    let made: Vec<Job> = limits.into_iter().map(|(number, limit)| Job { number, limit }).collect();
    fs::write(&jobs, serde_json::to_string(&made)?)?;
    assert_eq!(run(&jobs, &failed)?, 2);

    // What people do in an editor.
    let mut mended: Vec<Job> = serde_json::from_str(&fs::read_to_string(&failed)?)?;
    mended[0].limit = 2_000_000;
    mended[1].number = 10;
    fs::write(&failed, serde_json::to_string(&mended)?)?;
    assert_eq!(run(&failed, &failed)?, 0);
    fs::remove_dir_all(folder)?;
    Ok(())
}
