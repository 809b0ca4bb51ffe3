use parallel::prelude::*;

#[parallel]
async fn later(x: u64) -> u64 {
    x
}

#[parallel]
fn any<T>(x: T) -> T {
    x
}

fn main() {
    let _ = (later.spawn(1).join(), later.submit(1), later.par_map([1]));
    let _ = (any.spawn(1).join(), any.submit(1), any.par_map([1]));
}
