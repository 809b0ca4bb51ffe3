//! A bug of the kind that C is known for, in a worker: the process that has it dies, and nothing else.
//!
//! ```text
//! cargo run --example crash_isolation
//! ```
//!
//! Prints the length of some environment variables as a careless C programmer would find it, which crashes where a
//! variable is not set. The items beside the crash arrive, a new worker takes the place of the dead one, and the pool
//! goes on.

use std::ffi::{CStr, c_char};

use parallel::prelude::*;

unsafe extern "C" {
    fn getenv(name: *const c_char) -> *const c_char;
    fn strlen(text: *const c_char) -> usize;
}

#[parallel]
fn length_of(name: &CStr) -> usize {
    // SAFETY: `name` ends with a zero byte, and nothing in this process changes the environment.
    let value = unsafe { getenv(name.as_ptr()) };
    // SAFETY: there is none, this is the bug: `value` is null where the variable is not set.
    unsafe { strlen(value) }
}

fn main() -> parallel::Result<()> {
    let names = [c"PATH", c"NO_SUCH_VARIABLE", c"HOME", c"PWD", c"LANG"];
    let pool = Pool::builder().workers(2).env("GREETING", "hello").build()?;
    let mut crashes = 0;
    for (name, outcome) in names.iter().zip(length_of.on(&pool).par_map_results(names)) {
        let name = name.to_string_lossy();
        match &outcome {
            Ok(length) => println!("  {name:<16}  {length} bytes"),
            Err(error) => println!("  {name:<16}  {error}"),
        }

        // What Rust's own look-up says: a length, or else one crash.
        if let Some(value) = std::env::var_os(&*name) {
            assert_eq!(outcome?, value.len());
        } else {
            assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Signaled { .. }));
            crashes += 1;
        }
    }

    let lengths = length_of.on(&pool).par_map([c"GREETING"; 100])?;
    assert_eq!(lengths, ["hello".len(); 100]);
    let restarts = pool.stats().restarts;
    println!("\nworkers replaced: {restarts}; 100 more calls on the same pool went well");
    assert_eq!(restarts, crashes);
    pool.join()
}
