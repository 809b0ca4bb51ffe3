//! One macro makes two `#[parallel]` functions that cannot be told apart, and two that can.
use parallel::prelude::*;

/// Two types, each with a function of the same name at the same place.
macro_rules! make {
    ($($ty:ident $handle:ident $value:literal)*) => {
        $(
            struct $ty;

            impl $ty {
                fn twin() -> [Result<u64, Error>; 3] {
                    #[parallel]
                    fn twin() -> u64 {
                        $value
                    }

                    [twin.spawn().join(), twin.submit().join(), twin.par_map([()]).map(|values| values[0])]
                }

                fn told_apart() -> [Result<u64, Error>; 3] {
                    #[parallel(handle = $handle)]
                    fn told() -> u64 {
                        $value
                    }

                    [$handle.spawn().join(), $handle.submit().join(), $handle.par_map([()]).map(|values| values[0])]
                }

                fn initializer() -> Result<Pool, Error> {
                    #[parallel]
                    fn prepare() {}

                    Pool::builder().workers(1).initializer(&prepare, ()).build()
                }

                fn merge() -> Result<Option<u64>, Error> {
                    #[parallel]
                    fn add(a: u64, b: u64) -> u64 {
                        a + b
                    }

                    cube.par_map_reduce(0..3, &add)
                }
            }
        )*
    };
}

make! {
    One one 1
    Other other 2
}

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

fn tell<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::Start(_)) => println!("refused: {error}"),
        Err(error) => println!("another error: {error}"),
        Ok(value) => println!("{value:?}"),
    }
}

fn main() {
    One::twin().into_iter().chain(Other::twin()).for_each(tell);
    [One::initializer(), Other::initializer()].into_iter().for_each(tell);
    [One::merge(), Other::merge()].into_iter().for_each(tell);
    One::told_apart().into_iter().chain(Other::told_apart()).for_each(tell);
    tell(cube.spawn(3).join());
    tell(cube.submit(3).join());
    tell(cube.par_map(0..3));
}
