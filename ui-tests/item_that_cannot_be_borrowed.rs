use parallel::prelude::*;

#[parallel]
fn length(word: &str) -> usize {
    word.len()
}

fn main() {
    let _ = length.par_map([1, 2]);
}
