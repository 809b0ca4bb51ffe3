//! How many processes run at a time, and what is told of a call that waits long for its turn.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::environment::DESCRIPTORS_PER_PROCESS;
use crate::tuning::{LONG_WAIT, MOST_PROCESSES, PART_OF_DESCRIPTORS};

/// What keeps a process from being started.
#[derive(Debug)]
pub(super) enum StartLimit {
    /// The most that may run at a time do.
    Processes,
    /// Running processes use the share of the program's descriptors that is for them; the program may have so many.
    Descriptors(u64),
    /// The system has refused it.
    System(io::Error),
}

/// How many spawned calls may run at a time where the program may have so many descriptors, half of which are for them; and
/// which limit that is.
pub(super) fn most_processes(descriptors: u64) -> (usize, StartLimit) {
    let most = (descriptors / PART_OF_DESCRIPTORS / DESCRIPTORS_PER_PROCESS).max(1);
    match usize::try_from(most) {
        Ok(most) if most < MOST_PROCESSES => (most, StartLimit::Descriptors(descriptors)),
        _ => (MOST_PROCESSES, StartLimit::Processes),
    }
}

/// Looks for a call that has waited long for its turn, and tells of one, once for the program.
#[derive(Debug, Default)]
pub(super) struct LongWait {
    state: WaitState,
    /// What the first of those that wait has waited for.
    limit: Option<StartLimit>,
}

#[derive(Debug, Default, PartialEq)]
enum WaitState {
    #[default]
    NoneWaits,
    Watching,
    Told,
}

/// What comes of a look.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    Nothing,
    /// Look once more then.
    Again(Instant),
    /// This is to be told.
    Tell(String),
}

impl LongWait {
    /// The first waiting call, since `since`, is kept by `limit`. Returns when to look at it, unless a look is due already.
    pub(super) fn watches_for(&mut self, since: Instant, limit: StartLimit) -> Option<Instant> {
        if self.state == WaitState::Told {
            return None;
        }
        self.limit = Some(limit);
        if self.state == WaitState::Watching {
            return None;
        }
        self.state = WaitState::Watching;
        Some(since + LONG_WAIT)
    }

    /// Looks at the call that waits first, where one does: its name, and since when. So many run, and so many wait.
    pub(super) fn look(
        &mut self,
        first: Option<(&str, Instant)>,
        now: Instant,
        running: usize,
        waiting: usize,
    ) -> Look {
        let Some((name, since)) = first else {
            self.state = WaitState::NoneWaits;
            return Look::Nothing;
        };
        let waited = now.saturating_duration_since(since);
        if waited < LONG_WAIT {
            return Look::Again(since + LONG_WAIT);
        }
        self.state = WaitState::Told;
        match &self.limit {
            Some(limit) => Look::Tell(sentence(name, waited, limit, running, waiting)),
            None => Look::Nothing,
        }
    }
}

/// What a user needs to know of a call that waits.
fn sentence(name: &str, waited: Duration, limit: &StartLimit, running: usize, waiting: usize) -> String {
    let reason = match limit {
        StartLimit::Processes => format!("no more than {MOST_PROCESSES} run at a time"),
        StartLimit::Descriptors(limit) => format!(
            "each takes {DESCRIPTORS_PER_PROCESS} of the descriptors that this program may have, {limit} (`ulimit -n`), and \
             half of those are for them"
        ),
        StartLimit::System(error) => format!("the system refused to start another: {error}"),
    };
    format!(
        "parallel: `{name}` has waited {} s for its turn; {running} spawned calls run and {waiting} wait: {reason}. Calls that \
         wait for each other must all run at a time, or they wait for ever.",
        waited.as_secs()
    )
}

/// Prints to stderr from a thread of its own: into a full pipe that nothing reads, the reactor would wait.
pub(super) fn print(text: String) {
    let _ = std::thread::Builder::new().name("parallel".to_string()).spawn(move || {
        // `eprintln!` would panic where stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_for_spawned_calls_as_far_as_they_go() {
        for (descriptors, most) in [(0, 1), (3, 1), (8, 2), (256, 64), (1024, 256), (4095, 1023)] {
            let (found, limit) = most_processes(descriptors);
            assert!(found == most && matches!(limit, StartLimit::Descriptors(_)), "{descriptors}: {found}, {limit:?}");
        }
        for descriptors in [4096, 1 << 20, u64::MAX] {
            assert!(matches!(most_processes(descriptors), (MOST_PROCESSES, StartLimit::Processes)));
        }
    }

    #[test]
    fn a_call_that_has_waited_long_is_told_of_once_and_one_that_gets_its_turn_never() {
        let start = Instant::now();
        let mut waits = LongWait::default();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(waits.watches_for(start, StartLimit::Processes), Some(start + LONG_WAIT));
        assert_eq!(waits.watches_for(after(1), StartLimit::Processes), None, "it is looked for already");
        // The first one has got its turn; the next waits since later.
        assert_eq!(waits.look(Some(("meet", after(3))), after(5), 9, 1), Look::Again(after(3) + LONG_WAIT));
        assert_eq!(waits.look(None, after(8), 9, 0), Look::Nothing);
        assert_eq!(waits.watches_for(after(20), StartLimit::Descriptors(1024)), Some(after(20) + LONG_WAIT));
        let Look::Tell(text) = waits.look(Some(("meet", after(20))), after(25), 256, 7) else { panic!("{waits:?}") };
        for part in ["`meet` has waited 5 s", "256 spawned calls run and 7 wait", "1024 (`ulimit -n`)"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(waits.watches_for(after(30), StartLimit::Processes), None, "it was told");
    }

    #[test]
    fn the_sentence_names_the_limit() {
        let refused = io::Error::other("no more processes");
        for (limit, part) in
            [(StartLimit::Processes, "1024 run at a time"), (StartLimit::System(refused), "no more processes")]
        {
            let text = sentence("meet", LONG_WAIT, &limit, 5, 3);
            assert!(text.contains(part) && text.lines().count() == 1, "{text}");
        }
    }
}
