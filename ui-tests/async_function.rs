use parallel::prelude::*;

#[parallel]
async fn fetch(id: u32) -> u32 {
    id
}

fn main() {
    drop(fetch(3));
}
