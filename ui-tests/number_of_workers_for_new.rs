use parallel::prelude::*;

fn main() {
    let _ = Pool::new(4);
}
