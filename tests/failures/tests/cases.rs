//! Every case of failure, each in a program of its own that is watched from outside.

use parallel_failures::for_every_case;
use parallel_failures::outside::passes;

macro_rules! tests {
    ($($module:ident { $($name:ident)* })*) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                super::passes(env!("CARGO_BIN_EXE_case"), [stringify!($name)]);
            })*
        })*
    };
}
for_every_case!(tests);
