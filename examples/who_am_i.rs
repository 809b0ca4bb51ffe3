//! Who is who: the program, a spawned call, and the workers of a pool.
//!
//! ```text
//! cargo run --example who_am_i [WORKERS] [CALLS]
//! ```
//!
//! Prints what each of them finds out about itself: its process, the name of the call it runs, and its place in the
//! pool. Then the children of this program, while the pool lives and after it has ended.

mod arguments;

use std::thread;

use parallel::prelude::*;

/// What a process knows of itself.
type Card = (u32, String, Option<usize>);

/// Introduces the process it runs in.
#[parallel]
fn introduce() -> Card {
    let me = parallel::current();
    let role = match (me.is_worker(), me.worker_index()) {
        (false, _) => "the program".to_string(),
        (true, None) => "a spawned call".to_string(),
        (true, Some(index)) => format!("worker {index} of a pool"),
    };
    println!("  process {:>7}  {role:<18}  runs `{}`", me.pid(), me.name());
    (me.pid(), me.name(), me.worker_index())
}

fn main() -> parallel::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    let [workers, calls] = arguments::numbers([("WORKERS", 1..=100, cores), ("CALLS", 0..=1_000, 4)]);
    let workers = workers as usize;

    println!("{cores} cores; who is who:");
    let (program, name, index) = introduce();
    assert_eq!((program, name.as_str(), index), (std::process::id(), "main", None));

    let (spawned, name, index) = introduce.name("a process of its own").spawn().join()?;
    assert_ne!(spawned, program);
    assert_eq!((name.as_str(), index), ("a process of its own", None));

    let pool = Pool::with_workers(workers)?;
    let cards: Vec<Card> = introduce.on(&pool).par_map((0..calls).map(|_| ()))?;

    let children = parallel::active_children();
    println!("children while the pool lives: {children:?}");
    assert_eq!(children.len(), workers, "the spawned call has ended, the workers have not");
    for (pid, name, index) in cards {
        assert!(children.contains(&pid));
        assert_eq!(name, "introduce");
        assert!(index.is_some_and(|index| index < workers));
    }

    pool.join()?;
    println!("children after it has ended:   {:?}", parallel::active_children());
    assert!(parallel::active_children().is_empty());
    Ok(())
}
