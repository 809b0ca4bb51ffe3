use parallel::prelude::*;

#[parallel]
fn first_word(text: &str) -> &str {
    text.split(" ").next().unwrap_or(text)
}

fn main() {
    let _ = first_word("one two");
}
