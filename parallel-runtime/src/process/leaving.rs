//! Processes on their way out: they were killed, or their channels were closed where the system refuses the signal, and are
//! to be reaped. The reactor waits for each for a moment only, and checks again later.

use std::time::Instant;

use crate::pause;
use crate::sys::process::{self, Started};
use crate::tuning;

/// A process that is on its way out, or whatever is left in the group that it led.
struct Leaver {
    started: Started,
    /// It forked others in its group, which are children of the program.
    has_forked: bool,
    is_reaped: bool,
}

impl Leaver {
    /// Whether nothing is left to be reaped.
    fn is_gone(&mut self) -> bool {
        // Apart from its group: a process that is killed before it leads one is not in it.
        if !self.is_reaped {
            // An error: another `wait` of the program has reaped it, or the system refuses to tell, now and later.
            self.is_reaped = !matches!(process::try_wait(&self.started.pidfd), Ok(None));
        }
        // Its number is its group's while one of the group is not reaped.
        let others = self.has_forked && process::reap_group(self.started.pid);
        self.is_reaped && !others
    }
}

/// Those that have not ended yet.
#[derive(Default)]
pub(super) struct Leaving {
    leavers: Vec<Leaver>,
    /// When to look again, and how often that was done.
    next: Option<(Instant, u32)>,
}

impl Leaving {
    /// Ends a process. Its channel must be closed already: that ends it where the system refuses the signal.
    pub(super) fn end(&mut self, started: Started) {
        self.see_out(Leaver { started, has_forked: false, is_reaped: false });
    }

    /// Ends a process and what it has forked in its group; all their channels must be closed already.
    pub(super) fn end_group(&mut self, leader: Started) {
        self.see_out(Leaver { started: leader, has_forked: true, is_reaped: false });
    }

    fn see_out(&mut self, mut leaver: Leaver) {
        leaver.started.kill();
        let deadline = Instant::now() + tuning::SYSTEM_PATIENCE;
        process::wait_for_end(&leaver.started.pidfd, tuning::SYSTEM_PATIENCE);
        // Those that it forked end in the same moment, and there may be no descriptor to wait for them by.
        while !leaver.is_gone() {
            if Instant::now() >= deadline {
                self.leavers.push(leaver);
                self.next = Some((Instant::now() + pause::after(0), 0));
                return;
            }
            std::thread::yield_now();
        }
    }

    /// When to look again, if a process is left.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }

    /// Reaps the processes that have ended, once it is time to look.
    pub(super) fn reap_ended(&mut self) {
        let Some((at, looks)) = self.next else { return };
        if Instant::now() < at {
            return;
        }
        self.leavers.retain_mut(|leaver| {
            let gone = leaver.is_gone();
            if !gone {
                // The program may have its rights back.
                leaver.started.kill();
            }
            !gone
        });
        let looks = looks.saturating_add(1);
        self.next = (!self.leavers.is_empty()).then(|| (Instant::now() + pause::after(looks), looks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_killed_before_it_leads_a_group_is_reaped_as_one_that_does() {
        for leads in [false, true] {
            let child = Started::idle(leads);
            let pid = child.pid;
            let mut leaving = Leaving::default();
            leaving.end_group(child);
            crate::testing::eventually("it is reaped", || {
                leaving.reap_ended();
                !process::exists(pid)
            });
            assert!(leaving.next_look().is_none(), "leads: {leads}");
        }
    }
}
