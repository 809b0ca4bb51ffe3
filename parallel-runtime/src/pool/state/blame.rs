//! Blame: which item did a worker die of, and what becomes of each parcel that it held? A pure function of what is known.
//!
//! A crash names one item. A worker publishes that it starts an item before it touches it, and that an item is done after its
//! reply is written; so the item that was under way is the first one that is not done, and there is at most one. It is
//! blamed unless something else explains the death: a kill of ours for another reason, or a signal that was meant for
//! another call.

use super::life::Killed;

/// How a process ended, as the system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It exited; with 0 or not.
    Exited {
        success: bool,
    },
    Signal(i32),
    /// The system does not tell.
    Unknown,
    /// It could not be ended: it may run on, and the pool has given it up.
    Runs,
}

/// A signal that the handle of a call has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) parcel: u64,
    /// The call's place among the parcel's items.
    pub(crate) item: usize,
    pub(crate) signal: i32,
}

/// What is known of a worker that is gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) ending: Ending,
    /// Why the pool killed it, if it did.
    pub(crate) killed: Option<Killed>,
    /// The latest signal of a handle.
    pub(crate) sent: Option<Sent>,
    /// It has ended a parcel before.
    pub(crate) has_served: bool,
    /// It reported the panic that it dies of, in a program built with `panic = "abort"`.
    pub(crate) told_panic: bool,
}

/// How far a worker had come with a parcel: what its lane shows after its death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// It had taken the parcel up.
    pub(crate) taken: bool,
    /// How many items it had started.
    pub(crate) started: usize,
    /// How many items were done; they are delivered by now.
    pub(crate) done: usize,
}

/// A parcel of a worker that is gone, of which something is not done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeftParcel {
    pub(crate) number: u64,
    /// The worker had it before its other parcel.
    pub(crate) is_first: bool,
    /// `None`: the lane's words or replies were written over, and nothing in there is believed.
    pub(crate) reached: Option<Reached>,
    /// It has one value, merged from all items: half of it is nothing.
    pub(crate) is_merged: bool,
    /// How often its first item was under way when a worker died.
    pub(crate) attempts: u32,
    /// How often a worker died that held it and had started nothing of it.
    pub(crate) deaths: u32,
    pub(crate) retries: u32,
    /// How often a worker may die so, beside the retries, before the parcel is blamed.
    pub(crate) unblamed_deaths: u32,
}

/// Why an item fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlameCause {
    /// It ran longer than it may.
    TimedOut,
    /// Its worker died while it ran, or could not be ended.
    Died,
    /// Its worker wrote over memory that it shares with its parent.
    Overwritten,
    /// Workers died one after the other before they could start it.
    NeverStarted,
}

/// What becomes of a parcel, or of what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No item of it is blamed: another worker runs all of it. `suspected`: the worker may have died of it all the same.
    Elsewhere { suspected: bool },
    /// Its first item was under way, and is tried again; another worker runs the rest.
    Retry,
    /// Its first item was under way, and fails; another worker runs the rest.
    FailFirst(BlameCause),
    /// Its first item is a call that a signal was meant for before the worker began it; another worker runs the rest.
    CancelFirst,
    /// All of it is tried again.
    RetryAll,
    /// All of it fails.
    FailAll(BlameCause),
}

/// Tells what becomes of a parcel that a worker held when it died.
pub(crate) fn judge(left: &LeftParcel, death: &Death) -> Fate {
    let Some(reached) = left.reached.filter(|_| death.killed != Some(Killed::Spoilt)) else {
        return overwritten(left, death);
    };
    let under_way = reached.taken && reached.started > reached.done;
    let next = (left.number, reached.started);
    if !under_way
        && death
            .sent
            .is_some_and(|sent| (sent.parcel, sent.item) == next && death.ending == Ending::Signal(sent.signal))
    {
        return Fate::CancelFirst;
    }
    match culprit(left, death, reached) {
        Culprit::This if under_way => blamed(left, death, BlameCause::TimedOut),
        Culprit::Unknown if under_way => blamed(left, death, BlameCause::Died),
        Culprit::Unknown => not_begun(left, death, reached),
        Culprit::This | Culprit::Another => Fate::Elsewhere { suspected: false },
    }
}

/// What is known to have ended a worker.
enum Culprit {
    /// The item that is under way in this parcel: it was killed for that.
    This,
    /// Something else: a stop, its start, or a call that it was signalled for.
    Another,
    /// Nothing that is known.
    Unknown,
}

fn culprit(left: &LeftParcel, death: &Death, reached: Reached) -> Culprit {
    let latest = reached.started.saturating_sub(1);
    let under_way = (reached.started > reached.done).then_some((left.number, latest));
    match death.killed {
        Some(Killed::Timeout { parcel, item }) if (parcel, item) == (left.number, latest) => Culprit::This,
        Some(_) => Culprit::Another,
        None => match death.sent {
            Some(sent) if Some((sent.parcel, sent.item)) != under_way && died_of(sent, death) => Culprit::Another,
            _ => Culprit::Unknown,
        },
    }
}

fn died_of(sent: Sent, death: &Death) -> bool {
    matches!(death.ending, Ending::Runs) || death.ending == Ending::Signal(sent.signal)
}

/// Nothing of it was under way. It is suspected if it was the first parcel, and the worker had taken it up or had ended none
/// before; never if the worker exited with 0.
fn not_begun(left: &LeftParcel, death: &Death, reached: Reached) -> Fate {
    let may_be_its_doing = left.is_first && (reached.taken || !death.has_served);
    let suspected = may_be_its_doing && death.ending != Ending::Exited { success: true };
    if suspected && left.deaths >= left.unblamed_deaths.saturating_add(left.retries) {
        return Fate::FailAll(BlameCause::NeverStarted);
    }
    Fate::Elsewhere { suspected }
}

fn blamed(left: &LeftParcel, death: &Death, cause: BlameCause) -> Fate {
    // That a worker could not be ended matters more than what it was to be ended for.
    let cause = if death.ending == Ending::Runs { BlameCause::Died } else { cause };
    // A panic would come again, and a function that may still run would run twice at a time.
    let is_final = death.ending == Ending::Runs || (death.told_panic && cause == BlameCause::Died);
    match (left.attempts < left.retries && !is_final, left.is_merged) {
        (true, false) => Fate::Retry,
        (true, true) => Fate::RetryAll,
        (false, false) => Fate::FailFirst(cause),
        (false, true) => Fate::FailAll(cause),
    }
}

/// The lane cannot be believed. The first parcel is blamed as a whole, the one behind it is not.
fn overwritten(left: &LeftParcel, death: &Death) -> Fate {
    if !left.is_first {
        Fate::Elsewhere { suspected: false }
    } else if left.attempts < left.retries && death.ending != Ending::Runs {
        Fate::RetryAll
    } else {
        Fate::FailAll(BlameCause::Overwritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILL: i32 = 9;
    const TERM: i32 = 15;

    /// A worker that crashed, of its own accord.
    const CRASH: Death =
        Death { ending: Ending::Signal(11), killed: None, sent: None, has_served: true, told_panic: false };

    /// The parcel that it was at: the third item was under way.
    const AT_WORK: LeftParcel = LeftParcel {
        number: 7,
        is_first: true,
        reached: Some(Reached { taken: true, started: 3, done: 2 }),
        is_merged: false,
        attempts: 0,
        deaths: 0,
        retries: 0,
        unblamed_deaths: 3,
    };

    fn elsewhere(suspected: bool) -> Fate {
        Fate::Elsewhere { suspected }
    }

    fn reached(taken: bool, started: usize, done: usize) -> Option<Reached> {
        Some(Reached { taken, started, done })
    }

    #[test]
    fn the_item_that_was_under_way_is_blamed_for_a_death_that_nobody_else_brought_about() {
        for ending in [
            Ending::Signal(11),
            Ending::Signal(KILL),
            Ending::Exited { success: false },
            Ending::Exited { success: true },
            Ending::Unknown,
            Ending::Runs,
        ] {
            let death = Death { ending, ..CRASH };
            assert_eq!(judge(&AT_WORK, &death), Fate::FailFirst(BlameCause::Died), "{ending:?}");
            let merged = LeftParcel { is_merged: true, ..AT_WORK };
            assert_eq!(judge(&merged, &death), Fate::FailAll(BlameCause::Died), "{ending:?}");
        }
    }

    #[test]
    fn an_item_is_tried_again_as_often_as_its_caller_allows_and_only_where_that_may_help() {
        let abort = Death { told_panic: true, ..CRASH };
        let runs = Death { ending: Ending::Runs, ..CRASH };
        let late = Death { killed: Some(Killed::Timeout { parcel: 7, item: 2 }), ..CRASH };
        for (attempts, retries, death, fate) in [
            (0, 1, CRASH, Fate::Retry),
            (1, 1, CRASH, Fate::FailFirst(BlameCause::Died)),
            (1, 2, CRASH, Fate::Retry),
            (0, 0, late, Fate::FailFirst(BlameCause::TimedOut)),
            (0, 1, late, Fate::Retry),
            // The function said itself why it ends.
            (0, 9, abort, Fate::FailFirst(BlameCause::Died)),
            // It may still run.
            (0, 9, runs, Fate::FailFirst(BlameCause::Died)),
        ] {
            let left = LeftParcel { attempts, retries, ..AT_WORK };
            assert_eq!(judge(&left, &death), fate, "{attempts} of {retries}, {death:?}");
            let all = match fate {
                Fate::Retry => Fate::RetryAll,
                Fate::FailFirst(cause) => Fate::FailAll(cause),
                other => other,
            };
            assert_eq!(judge(&LeftParcel { is_merged: true, ..left }, &death), all);
        }
        // It ran too long, and could not be ended either.
        let runs = Death { ending: Ending::Runs, ..late };
        assert_eq!(judge(&LeftParcel { retries: 1, ..AT_WORK }, &runs), Fate::FailFirst(BlameCause::Died));
        // Killed for its time while it told a panic: it was too late.
        let late = Death { told_panic: true, ..late };
        assert_eq!(judge(&LeftParcel { retries: 1, ..AT_WORK }, &late), Fate::Retry);
    }

    #[test]
    fn what_a_worker_was_killed_for_is_not_held_against_another_item() {
        for killed in [
            Killed::Timeout { parcel: 6, item: 2 },
            Killed::Timeout { parcel: 7, item: 1 },
            Killed::Start,
            Killed::Stop,
            Killed::Retired,
        ] {
            let death = Death { killed: Some(killed), ..CRASH };
            assert_eq!(judge(&AT_WORK, &death), elsewhere(false), "{killed:?}");
        }
    }

    #[test]
    fn a_signal_is_held_against_the_call_that_it_was_sent_for() {
        let sent = |parcel, item, signal| Some(Sent { parcel, item, signal });
        for (sent, ending, fate) in [
            // Its own handle's, or another's that had no effect.
            (sent(7, 2, KILL), Ending::Signal(KILL), Fate::FailFirst(BlameCause::Died)),
            (sent(7, 1, KILL), Ending::Signal(11), Fate::FailFirst(BlameCause::Died)),
            (sent(7, 1, TERM), Ending::Signal(KILL), Fate::FailFirst(BlameCause::Died)),
            // It was meant for a call that had just ended.
            (sent(7, 1, KILL), Ending::Signal(KILL), elsewhere(false)),
            (sent(6, 2, TERM), Ending::Signal(TERM), elsewhere(false)),
            (sent(6, 0, KILL), Ending::Runs, elsewhere(false)),
        ] {
            let death = Death { sent, ending, ..CRASH };
            assert_eq!(judge(&AT_WORK, &death), fate, "{sent:?} {ending:?}");
        }
    }

    #[test]
    fn a_call_that_a_signal_ended_before_it_began_is_cancelled() {
        let sent = Some(Sent { parcel: 7, item: 2, signal: KILL });
        for (reached, ending, fate) in [
            (reached(true, 2, 2), Ending::Signal(KILL), Fate::CancelFirst),
            // It began while the signal was on its way.
            (reached(true, 3, 2), Ending::Signal(KILL), Fate::FailFirst(BlameCause::Died)),
            // It ended while the signal was on its way.
            (reached(true, 3, 3), Ending::Signal(KILL), elsewhere(false)),
            // Its worker died of something else, or may still begin it.
            (reached(true, 2, 2), Ending::Signal(11), elsewhere(true)),
            (reached(true, 2, 2), Ending::Runs, elsewhere(false)),
        ] {
            let left = LeftParcel { reached, ..AT_WORK };
            assert_eq!(judge(&left, &Death { sent, ending, ..CRASH }), fate, "{reached:?} {ending:?}");
        }
    }

    #[test]
    fn a_parcel_of_which_nothing_was_under_way_goes_elsewhere_and_is_suspected_where_it_may_be_to_blame() {
        let fresh = Death { has_served: false, ..CRASH };
        let well = Death { ending: Ending::Exited { success: true }, ..fresh };
        for (is_first, reached, death, suspected) in [
            // Not taken up by a worker that had ended others: it died of those.
            (true, reached(false, 0, 0), CRASH, false),
            (true, reached(false, 0, 0), fresh, true),
            (true, reached(true, 0, 0), CRASH, true),
            (true, reached(true, 2, 2), CRASH, true),
            (true, reached(true, 2, 2), well, false),
            (false, reached(false, 0, 0), fresh, false),
        ] {
            let left = LeftParcel { is_first, reached, ..AT_WORK };
            assert_eq!(judge(&left, &death), elsewhere(suspected), "{left:?} {death:?}");
        }
    }

    #[test]
    fn a_parcel_fails_once_too_many_workers_have_died_before_they_could_start_it() {
        for retries in [0, 5] {
            for deaths in 0..AT_WORK.unblamed_deaths + retries + 2 {
                let left = LeftParcel { reached: reached(true, 0, 0), deaths, retries, ..AT_WORK };
                let fate = match deaths >= AT_WORK.unblamed_deaths + retries {
                    true => Fate::FailAll(BlameCause::NeverStarted),
                    false => elsewhere(true),
                };
                assert_eq!(judge(&left, &CRASH), fate, "{deaths} deaths, {retries} retries");
            }
        }
    }

    #[test]
    fn where_a_lane_was_written_over_the_parcel_at_work_is_blamed_as_a_whole() {
        let spoilt = Death { killed: Some(Killed::Spoilt), ..CRASH };
        let runs = Death { ending: Ending::Runs, ..spoilt };
        for (is_first, attempts, retries, death, fate) in [
            (true, 0, 0, spoilt, Fate::FailAll(BlameCause::Overwritten)),
            (true, 0, 1, spoilt, Fate::RetryAll),
            (true, 1, 1, spoilt, Fate::FailAll(BlameCause::Overwritten)),
            (true, 0, 1, runs, Fate::FailAll(BlameCause::Overwritten)),
            (false, 0, 0, spoilt, elsewhere(false)),
        ] {
            let left = LeftParcel { is_first, attempts, retries, ..AT_WORK };
            assert_eq!(judge(&left, &death), fate, "{left:?}");
            // The replies alone may be spoilt.
            let unread = LeftParcel { reached: None, ..left };
            assert_eq!(judge(&unread, &Death { killed: None, ..death }), fate, "{unread:?}");
        }
    }
}
