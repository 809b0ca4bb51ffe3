use parallel::prelude::*;
use std::sync::Mutex;

#[parallel(timeout = 5)]
fn words(x: u64) -> u64 {
    x
}

#[parallel]
unsafe fn unsafety(x: u64) -> u64 {
    x
}

#[parallel]
extern "C" fn abi(x: u64) -> u64 {
    x
}

#[parallel]
fn thirteen(_: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, last: u8) -> u8 {
    last
}

#[parallel]
fn lost(total: &Mutex<u64>) {
    *total.lock().unwrap() += 1;
}

fn main() {
    let _ = (words(1), words.spawn(1).join(), words.par_map([1]));
    let _ = (unsafe { unsafety(1) }, unsafety.spawn(1).join(), unsafety.par_map([1]));
    let _ = (abi(1), abi.spawn(1).join(), abi.par_map([1]));
    let _ = thirteen(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    let _ = thirteen.spawn(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1).join();
    let _ = thirteen.submit(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1).join();
    let total = Mutex::new(0);
    lost(&total);
    let _ = (lost.spawn(&total).join(), lost.par_map([&total]));
}
