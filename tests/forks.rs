//! A program that forks after its first call: the fork has none of its parent's threads.

use parallel::prelude::*;

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

/// A result that travels in memory of its own.
#[parallel]
fn large(value: u8) -> Vec<u8> {
    vec![value; 2 << 20]
}

#[test]
fn a_forked_process_is_refused_and_does_not_harm_its_parents_pool() {
    let pool = Pool::with_workers(1).unwrap();
    assert_eq!(cube.on(&pool).submit(2).join().unwrap(), 8);
    let arrived = large.on(&pool).submit(7);
    while !arrived.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: the child calls what is under test, which takes no lock that another thread could have held at the fork
    // (this test is alone in its program), and ends without unwinding.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let refused = |outcome: parallel::Result<u64>| {
            outcome
                .is_err_and(|error| matches!(error.kind(), ErrorKind::Start(_)) && error.to_string().contains("forked"))
        };
        let all = refused(cube.spawn(3).join())
            && refused(cube.on(&pool).submit(3).join())
            && refused(cube.on(&pool).par_map([3]).map(|cubes| cubes[0]));
        // The memory of the result may have another one in it before the fork reads it.
        let all = all && arrived.join().is_err_and(|error| error.to_string().contains("forked"));
        drop(pool);
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!all)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the fork's calls were not refused");
    assert_eq!(cube.on(&pool).submit(3).join().unwrap(), 27);
    assert!(arrived.join().unwrap() == vec![7; 2 << 20]);
}
