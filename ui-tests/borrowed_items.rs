use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn greet(name: String) -> String {
    name
}

fn main() {
    let v: Vec<u64> = vec![1, 2];
    let _ = cube.par_map(&v);
    let _ = cube.par_map(v.iter());
    let _ = greet.par_map(["a"]);
}
