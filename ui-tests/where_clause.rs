use parallel::prelude::*;

#[parallel]
fn length(word: &str) -> usize
where
    u8: Copy,
{
    word.len()
}

fn main() {
    let _ = length("word");
}
