use parallel::prelude::*;

struct Job {
    id: u32,
}

#[parallel]
fn make(id: u32) -> Vec<Job> {
    vec![Job { id }]
}

fn main() {
    let _ = make.par_map(0..9);
    let _ = make.spawn(3).join();
}
