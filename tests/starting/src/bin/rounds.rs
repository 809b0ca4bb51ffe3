//! Makes and drops the same thing many times. Arguments: what, and how many times.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn hang() {
    loop {
        std::thread::park();
    }
}

#[parallel]
fn fail() {
    panic!("on purpose");
}

fn round(what: &str, number: usize) -> parallel::Result<()> {
    match what {
        "calls" => match number % 5 {
            // Joined, failed, killed, detached, abandoned half way.
            0 | 1 => assert_eq!(cube.spawn(3).join()?, 27),
            2 => assert!(fail.spawn().join().is_err()),
            3 => {
                let handle = hang.spawn();
                handle.kill()?;
                assert!(handle.join().is_err());
            }
            _ => {
                drop(cube.spawn(3));
                let mut handle = cube.spawn(4);
                while handle.join_timeout(std::time::Duration::ZERO)?.is_none() {
                    std::thread::yield_now();
                }
            }
        },
        "pools" => {
            let pool = Pool::with_workers(1)?;
            match number % 4 {
                0 => assert_eq!(cube.on(&pool).par_map(0..4)?, [0, 1, 8, 27]),
                1 => assert_eq!(cube.on(&pool).submit(3).join()?, 27),
                2 => drop(hang.on(&pool).submit()),
                _ => pool.join()?,
            }
        }
        other => panic!("what is {other}?"),
    }
    Ok(())
}

fn rounds(what: &str, count: usize) -> parallel::Result<()> {
    for number in 0..count {
        if number % 100 == 0 {
            // A sign of life: the watcher's patience is for each line.
            println!("{number}");
        }
        round(what, number)?;
    }
    // Those that were detached end by themselves.
    parallel_starting::eventually("all ended", || parallel::active_children().is_empty());
    Ok(())
}

fn main() -> parallel::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let count = arguments[2].parse().expect("a number");
    rounds(&arguments[1], 20)?;
    println!("before");
    parallel_starting::hear();
    rounds(&arguments[1], count)?;
    println!("after");
    parallel_starting::hear();
    Ok(())
}
