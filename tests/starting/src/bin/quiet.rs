//! Could make calls, and makes the first only when it is told.
use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn main() -> parallel::Result<()> {
    // What may be asked without a call.
    assert_eq!(cube(3), 27);
    assert_eq!(cube.as_fn()(3), 27);
    let _options = cube.name("quiet").retries(1);
    assert!(parallel::active_children().is_empty());
    assert!(!parallel::current().is_worker());
    println!("before");
    parallel_starting::hear();
    assert_eq!(cube.spawn(3).join()?, 27);
    println!("after");
    parallel_starting::hear();
    Ok(())
}
