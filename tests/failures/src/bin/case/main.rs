//! Runs one case of failure, named by the argument, checks what comes of it, and then that nothing is left in this
//! process. The list of the cases is in the library; its tests run each in a process of its own.

mod churn;
mod codecs;
mod crashes;
mod depth;
mod handles;
mod inputs;
mod scribbles;
mod seams;
mod sizes;
mod starts;
mod timeouts;
mod ways;

use parallel::prelude::*;
use parallel_failures::inside::Census;
use parallel_failures::{eventually, for_every_case};

macro_rules! table {
    ($($module:ident { $($name:ident)* })*) => {
        const CASES: &[(&str, fn())] = &[$($((stringify!($name), $module::$name),)*)*];
    };
}
for_every_case!(table);

#[parallel]
fn nothing() {}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, case)) = CASES.iter().find(|(known, _)| *known == name) else {
        panic!("there is no case `{name}`");
    };
    // Crashes are meant here: nobody wants their core files.
    ways::limit(libc::RLIMIT_CORE, 0);
    // What lives as long as the program is there before the first count.
    nothing.spawn().join().unwrap();
    // So does the zygote, which forks workers from some start on.
    eventually("workers are forked", || {
        let pool = Pool::with_workers(1).unwrap();
        let forked = pool.stats().forked;
        pool.join().unwrap();
        (forked == 1 || std::env::var_os("PARALLEL_ZYGOTE").is_some()).then_some(())
    });
    let before = Census::at_rest();
    case();
    before.is_restored();
}
