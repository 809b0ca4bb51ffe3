use parallel::prelude::*;

#[parallel(retries = "2", retry = 3)]
async unsafe fn longest<T>(words: &mut Vec<T>, by: impl Copy) -> Option<&str> {
    let _ = (words, by);
    None
}

fn main() {}
