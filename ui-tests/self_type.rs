use parallel::prelude::*;

struct Square(f64);

impl Square {
    #[parallel]
    fn area(square: Self) -> f64 {
        square.0 * square.0
    }
}

fn main() {
    let _ = Square::area(Square(2.0));
}
