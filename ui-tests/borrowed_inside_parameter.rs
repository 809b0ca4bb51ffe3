use parallel::prelude::*;

#[parallel]
fn total(words: Vec<&str>) -> usize {
    words.len()
}

fn main() {
    let _ = total(vec!["a"]);
}
