use parallel::prelude::*;

trait Shape {
    #[parallel]
    fn area(width: f64) -> f64 {
        width * width
    }
}

fn main() {}
