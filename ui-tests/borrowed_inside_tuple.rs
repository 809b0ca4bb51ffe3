use parallel::prelude::*;

#[parallel]
fn repeat((word, times): (&str, usize)) -> String {
    word.repeat(times)
}

fn main() {
    let _ = repeat(("a", 3));
}
