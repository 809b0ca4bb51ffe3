use parallel::prelude::*;

struct Job {
    id: u32,
}

#[parallel]
fn run(jobs: &[Job], at: usize) -> u32 {
    jobs[at].id
}

fn main() {
    let _ = run.spawn(&[Job { id: 1 }], 0);
}
