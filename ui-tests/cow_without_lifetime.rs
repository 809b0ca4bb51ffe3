use parallel::prelude::*;
use std::borrow::Cow;

#[parallel]
fn length(word: Cow<str>) -> usize {
    word.len()
}

fn main() {
    let _ = length("a".into());
}
