use parallel::prelude::*;

#[parallel]
fn serve() -> ! {
    loop {}
}

fn main() {}
