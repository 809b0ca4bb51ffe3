//! Asks who it is, in each kind of process.
use parallel::prelude::*;

type Identity = (String, u32, bool, Option<usize>);

#[parallel]
fn who() -> Identity {
    let current = parallel::current();
    assert_eq!(current.pid(), std::process::id());
    (current.name(), current.pid(), current.is_worker(), current.worker_index())
}

#[parallel(name = "given by the attribute")]
fn named() -> Identity {
    who()
}

#[parallel]
fn nested() -> (Identity, Identity) {
    (who.spawn().join().expect("a call inside a call"), who())
}

#[parallel]
fn children() -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let before = parallel::active_children();
    let pool = Pool::with_workers(2).expect("a pool");
    let mut expected = pool.pids();
    expected.sort_unstable();
    let while_it_lives = parallel::active_children();
    assert_eq!(while_it_lives, expected);
    pool.join().expect("it ends");
    (before, while_it_lives, parallel::active_children())
}

#[parallel]
fn hang() {
    loop {
        std::thread::park();
    }
}

fn main() -> parallel::Result<()> {
    let here = std::process::id();
    assert_eq!(who(), ("main".to_string(), here, false, None));
    let (name, pid, is_worker, index) = who.spawn().join()?;
    assert!(name == "who" && pid != here && is_worker && index.is_none());
    assert_eq!(who.name("scout").spawn().join()?.0, "scout");
    assert_eq!(named.spawn().join()?.0, "given by the attribute");
    assert_eq!(named.name("given here").spawn().join()?.0, "given here");
    let (inner, outer) = nested.name("outside").spawn().join()?;
    assert_eq!((inner.0.as_str(), outer.0.as_str()), ("who", "outside"));
    assert_ne!(inner.1, outer.1);

    let pool = Pool::with_workers(2)?;
    let pids = pool.pids();
    for _ in 0..20 {
        let (name, pid, is_worker, index) = who.on(&pool).submit().join()?;
        assert!(name == "who" && is_worker);
        assert_eq!(index.and_then(|index| pids.get(index)), Some(&pid));
    }
    assert_eq!(who.on(&pool).name("scout").par_map([()])?[0].0, "scout");
    assert_eq!(who.on(&pool).par_map([()])?[0].0, "who", "a name is for its own call only");

    // One list of all that runs, in ascending order.
    let handles: Vec<_> = (0..3).map(|_| hang.name("hanging").spawn()).collect();
    let mut expected = pids;
    expected.extend(handles.iter().map(|handle| handle.pid().expect("it runs")));
    expected.sort_unstable();
    assert_eq!(parallel::active_children(), expected);
    for handle in &handles {
        let pid = handle.pid().expect("it runs");
        // What `ps` shows.
        parallel_starting::eventually("the title", || {
            parallel_starting::status(pid, "Name").is_some_and(|name| name == "hanging")
        });
    }
    for handle in handles {
        assert_eq!(handle.name(), "hanging");
        handle.kill()?;
        assert!(handle.join().is_err());
    }
    pool.join()?;
    assert!(parallel::active_children().is_empty());
    let (before, between, after) = children.spawn().join()?;
    assert!(before.is_empty() && between.len() == 2 && after.is_empty(), "a worker sees its own children only");
    println!("done");
    Ok(())
}
