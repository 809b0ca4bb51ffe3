use parallel::prelude::*;

fn main() {
    #[parallel]
    let x = 3;
    let _ = x;
}
