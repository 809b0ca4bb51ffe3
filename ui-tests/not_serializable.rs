use parallel::prelude::*;

struct Job {
    id: u32,
}

#[parallel]
fn run(job: Job) -> u32 {
    job.id
}

fn main() {
    let _ = run(Job { id: 1 });
}
