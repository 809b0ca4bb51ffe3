//! Workers that a zygote forks are what executed ones are, and whatever happens to the zygote harms nobody.
use parallel_starting::{Folder, Program, children, eventually, run, signal_process, status, zygotes};

const FORKING: &str = env!("CARGO_BIN_EXE_forking");

fn passes(way: &str) {
    let folder = Folder::new();
    assert_eq!(run(FORKING, &[way, folder.path().to_str().unwrap()]).success(), ["done"]);
}

#[test]
fn many_starts_are_forked_and_few_are_not() {
    let mut program = Program::start(FORKING, &["used"]);
    let zygote: u32 = program.line().parse().expect("a process number");
    assert_eq!(zygotes(program.pid()), [zygote].into());
    // It holds nothing of the program's: streams that lead nowhere, and one channel.
    let open = parallel_starting::descriptors(zygote);
    assert_eq!(open.len(), 4, "{open:?}");
    assert!(open[..3].iter().all(|(_, target)| target.as_os_str() == "/dev/null"), "{open:?}");
    assert_eq!(parallel_starting::threads(zygote), 1);
    eventually("it sleeps", || status(zygote, "State").is_some_and(|state| state.starts_with('S')));
    program.tell("go on");
    assert_eq!(program.end().success().last().map(String::as_str), Some("done"));
}

#[test]
fn a_zygote_that_is_killed_at_any_moment_harms_nobody() {
    passes("killed");
}

#[test]
fn a_zygote_that_is_stopped_harms_nobody() {
    passes("stopped");
}

#[test]
fn a_copy_that_is_killed_or_stopped_before_a_call_takes_it_harms_nobody() {
    passes("spare");
}

#[test]
fn a_worker_finds_what_surrounds_the_caller_at_the_call() {
    passes("changes");
}

#[test]
fn a_zygote_is_not_used_where_the_environment_forbids_it() {
    let program = Program::start_as(FORKING, &["never"], |command| {
        command.env("PARALLEL_ZYGOTE", "0");
    });
    assert_eq!(program.end().success(), ["done"]);
}

#[test]
fn forked_workers_end_with_their_program_whatever_becomes_of_the_zygote() {
    for signal in [None, Some(libc::SIGKILL), Some(libc::SIGSTOP)] {
        let mut program = Program::start(FORKING, &["many"]);
        let zygote: u32 = program.line().parse().expect("a process number");
        if let Some(signal) = signal {
            signal_process(zygote, signal);
            let expected = if signal == libc::SIGKILL { 0 } else { 1 };
            eventually("it has the signal", || {
                zygotes(program.pid()).len() == expected
                    && (expected == 0 || status(zygote, "State").is_some_and(|state| state.starts_with('T')))
            });
            // They are the program's, not the zygote's.
            assert_eq!(children(program.pid()).len(), 20);
        }
        assert!(program.orphans().len() >= 20);
        program.signal(libc::SIGKILL);
        let (_, at) = program.wait();
        program.assert_no_orphans(at);
    }
}
