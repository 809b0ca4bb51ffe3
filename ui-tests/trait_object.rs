use parallel::prelude::*;

#[parallel]
fn show(value: &dyn std::fmt::Display) -> String {
    value.to_string()
}

fn main() {
    let _ = show(&1);
}
