use parallel::prelude::*;

struct Circle;

impl Circle {
    #[parallel]
    fn area(radius: f64) -> f64 {
        radius * radius * 3.14
    }
}

fn main() {
    let _ = Circle::area(2.0);
}
