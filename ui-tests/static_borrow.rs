use parallel::prelude::*;

#[parallel]
fn length(word: &'static str) -> usize {
    word.len()
}

fn main() {
    let _ = length("a");
}
