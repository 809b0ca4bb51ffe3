//! Which threads of a worker come from its constructors: they run in every worker, and what they call would start another.
//!
//! The threads that an executed worker has when our constructor runs are listed. Those that later constructors start bear a
//! mark, which they hand on to threads of their own: one nanosecond more of timer slack. To list threads takes ten times as
//! long as to mark them, and a copy of the zygote has only marked ones.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::process;

/// The slack of threads without the mark; 0 where none bears it.
static PLAIN: AtomicU64 = AtomicU64::new(0);
/// The threads that were there already.
static LISTED: OnceLock<Vec<i32>> = OnceLock::new();

/// Lists the threads that there are, the calling one aside.
pub(crate) fn list() {
    const FOLDER: &str = "/proc/self/task";
    /// The links of a folder, to which the kernel adds one for each thread.
    const LINKS_ALONE: u64 = 3;
    if rustix::fs::stat(FOLDER).is_ok_and(|folder| folder.st_nlink == LINKS_ALONE) {
        return;
    }
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let _ = LISTED.set(numbers.filter(|&number| number != process::thread_number()).collect());
}

/// Runs `work`, and marks the threads that come from it. Where the system refuses that, or the calling thread runs in real
/// time, which has no slack, none is marked.
pub(crate) fn mark_those_of(work: impl FnOnce()) {
    let plain = rustix::thread::current_timer_slack().unwrap_or(0);
    if plain == 0 || rustix::thread::set_current_timer_slack(NonZeroU64::new(plain + 1)).is_err() {
        return work();
    }
    PLAIN.store(plain, Ordering::Relaxed);
    work();
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(plain));
}

/// Whether the calling thread was listed, or bears the mark. A thread that has chosen its own slack has lost the mark.
pub(crate) fn is_early() -> bool {
    let plain = PLAIN.load(Ordering::Relaxed);
    LISTED.get().is_some_and(|listed| listed.contains(&process::thread_number()))
        || plain != 0 && rustix::thread::current_timer_slack() == Ok(plain + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn threads_of_the_work_and_theirs_are_marked_and_no_others() {
        let (tell, told) = mpsc::channel();
        let mut early = None;
        mark_those_of(|| {
            early = Some(thread::spawn(move || {
                let () = told.recv().expect("it is told");
                (is_early(), thread::spawn(is_early).join().expect("no panic"))
            }));
        });
        assert!(!is_early());
        assert!(!thread::spawn(is_early).join().expect("no panic"));
        tell.send(()).expect("it waits");
        assert_eq!(early.expect("it was started").join().expect("no panic"), (true, true));
    }
}
