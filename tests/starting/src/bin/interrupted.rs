//! Is interrupted while workers run; with the argument `handler` it says so and leaves.
use parallel::prelude::*;

#[parallel]
fn block(number: u32) -> u32 {
    println!("worker {number}");
    loop {
        std::thread::park();
    }
}

extern "C" fn handle(_: libc::c_int) {
    let text = b"interrupted\n";
    // SAFETY: async-signal-safe calls.
    unsafe {
        libc::write(1, text.as_ptr().cast(), text.len());
        libc::_exit(130);
    }
}

fn main() -> parallel::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("handler") {
        let handler: extern "C" fn(libc::c_int) = handle;
        // SAFETY: the handler makes async-signal-safe calls only.
        unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
    }
    let pool = Pool::with_workers(2)?;
    let pooled = [block.on(&pool).submit(0), block.on(&pool).submit(1)];
    let spawned = block.spawn(2);
    let _ = spawned.join();
    drop(pooled);
    Ok(())
}
