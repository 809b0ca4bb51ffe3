//! A function call in a process of its own, and the same call in this one.
//!
//! ```text
//! cargo run --example hello_process [NAME]...
//! ```
//!
//! Prints a greeting for each name, with the process that wrote it: first this program, then one process per name,
//! all of them children of this program.

use std::os::unix::process::parent_id;
use std::process;

use parallel::prelude::*;

/// Greets, and returns the process that did and its parent.
#[parallel]
fn greet(name: &str) -> (u32, u32) {
    println!("  hello, {name:<8} from process {}, child of {}", process::id(), parent_id());
    (process::id(), parent_id())
}

fn main() -> parallel::Result<()> {
    let mut names: Vec<String> = std::env::args_os().skip(1).map(|name| name.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        names = ["Ada", "Grace", "Edsger", "Barbara"].map(String::from).to_vec();
    }

    println!("an ordinary call:");
    assert_eq!(greet(&names[0]).0, process::id());

    println!("a process for each call:");
    let handles: Vec<_> = names.iter().map(|name| greet.spawn(name)).collect();
    let mut children = Vec::new();
    for handle in handles {
        let (child, parent) = handle.join()?;
        assert_eq!(parent, process::id());
        children.push(child);
    }

    children.sort_unstable();
    children.dedup();
    assert_eq!(children.len(), names.len(), "every call has a process of its own");
    println!("{} calls, {} processes, and `main` ran once", names.len(), children.len());
    Ok(())
}
