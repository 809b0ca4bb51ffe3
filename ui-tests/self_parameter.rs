use parallel::prelude::*;

struct Square(f64);

impl Square {
    #[parallel]
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

fn main() {
    let _ = Square(2.0).area();
}
