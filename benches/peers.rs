//! `parallel` side by side with rayon, procspawn, Python's `multiprocessing` and the machine's own limits.
//!
//! `cargo bench --bench peers` measures every row; `README.md` says how to read the table.

use std::process::ExitCode;

mod limits;
mod python;
mod rows;
mod works;

fn main() -> ExitCode {
    if limits::process::is_to_do_nothing() {
        return ExitCode::SUCCESS;
    }
    // One of procspawn's workers goes no further.
    procspawn::init();
    parallel_benches::run("latest", rows::all())
}
