use parallel::prelude::*;

#[parallel]
fn length<'a>(word: &'a str) -> usize {
    word.len()
}

fn main() {
    let _ = length("word");
}
