use parallel::prelude::*;

trait Shape {
    #[parallel]
    fn area(width: f64) -> f64;
}

fn main() {}
