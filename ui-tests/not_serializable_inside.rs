use parallel::prelude::*;
use std::collections::HashMap;

struct Job {
    id: u32,
}

#[parallel]
fn run(jobs: HashMap<String, Vec<Option<(u8, Job)>>>) -> u32 {
    jobs.values().flatten().flatten().map(|(_, job)| job.id).sum()
}

fn main() {
    let _ = run.spawn(HashMap::new()).join();
    let _ = run.par_map([HashMap::new()]);
}
