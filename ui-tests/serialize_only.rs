use parallel::prelude::*;

#[derive(serde::Serialize)]
struct Job {
    id: u32,
}

#[parallel]
fn run(job: Job) -> u32 {
    job.id
}

fn main() {
    let _ = run.par_map([Job { id: 1 }]);
}
