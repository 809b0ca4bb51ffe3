//! What happens from outside in a run, drawn from its seed.

use std::time::Duration;

use fastrand::Rng;

/// One thing that somebody does to the pool.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Submit(Submission),
    /// Somebody asks for the call of this number to be withdrawn.
    Cancel(usize),
    /// Somebody signals the worker of the call of this number.
    Signal(usize, i32),
    /// Nobody wants the outcomes of this submission any more.
    Abandon(usize),
    /// Somebody kills the worker in this seat.
    Kill(usize, i32),
    /// A task writes over the lane of the worker in this seat.
    Spoil(usize),
    /// A task closes the channel of the worker in this seat.
    CutOff(usize),
    /// The channel of the worker in this seat fills up.
    Fill(usize),
    /// A worker in this seat can, from now on, not be ended.
    Stick(usize),
    /// The program changes its user.
    ChangeUser,
    /// So many starts in a row go wrong.
    StartsFail(u32),
    /// A caller begins to wait for the outcomes of this submission.
    Wait(usize),
    /// The time of the caller that has waited as this one of all has passed.
    GiveUp(usize),
    Pause(Duration),
}

/// Items that are handed over together.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) items: Vec<Nature>,
    pub(crate) call: bool,
    pub(crate) merged: bool,
    pub(crate) fixed: bool,
    pub(crate) watched: bool,
    pub(crate) needs_idle_worker: bool,
    pub(crate) short: bool,
    pub(crate) pace: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
}

/// What an item does to its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It takes so long.
    Lasts(Duration),
    /// It crashes its worker each time.
    Crashes,
    /// It never ends.
    Hangs,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Joined,
    Terminated,
    /// Dropped: idle workers have some time to end.
    Dropped,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) cores: usize,
    pub(crate) tasks_per_worker: Option<usize>,
    pub(crate) divides: bool,
    pub(crate) initializes: bool,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) end: End,
}

const MS: Duration = Duration::from_millis(1);

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let workers = [1, 1, 2, 2, 3, 5][rng.usize(..6)];
        let mut plan = Self {
            seed,
            workers,
            cores: rng.usize(1..4),
            tasks_per_worker: (rng.u32(..4) == 0).then(|| rng.usize(1..6)),
            divides: rng.u32(..5) > 0,
            initializes: rng.u32(..8) == 0,
            deeds: Vec::new(),
            end: [End::Joined, End::Joined, End::Terminated, End::Dropped][rng.usize(..4)],
        };
        // Some runs are peaceful, some are not.
        let violence = [0, 1, 3][rng.usize(..3)];
        let mut submissions = 0;
        let mut calls = 0;
        for _ in 0..rng.usize(1..14) {
            let deed = match rng.u32(..12 + violence * 3) {
                0..=5 => {
                    let submission = Submission::draw(&mut rng, violence);
                    submissions += 1;
                    calls += usize::from(submission.call);
                    Deed::Submit(submission)
                }
                6 | 7 => Deed::Pause([MS / 10, MS * 2, MS * 15, MS * 300][rng.usize(..4)]),
                8 if rng.u32(..4) == 0 => Deed::GiveUp(rng.usize(..4)),
                8 if submissions > 0 => Deed::Wait(rng.usize(..submissions)),
                9 if calls > 0 => Deed::Cancel(rng.usize(..calls)),
                10 if submissions > 0 => Deed::Abandon(rng.usize(..submissions)),
                11 if calls > 0 => Deed::Signal(rng.usize(..calls), [9, 15][rng.usize(..2)]),
                8..=13 => Deed::Kill(rng.usize(..workers), [9, 11][rng.usize(..2)]),
                14 => Deed::Spoil(rng.usize(..workers)),
                15 => Deed::CutOff(rng.usize(..workers)),
                16 => Deed::Fill(rng.usize(..workers)),
                17 => Deed::ChangeUser,
                18 => Deed::Stick(rng.usize(..workers)),
                _ => Deed::StartsFail(rng.u32(1..5)),
            };
            plan.deeds.push(deed);
        }
        plan
    }
}

impl Submission {
    fn draw(rng: &mut Rng, violence: u32) -> Self {
        let call = rng.bool();
        let timeout = (rng.u32(..3) == 0).then(|| MS * [1, 20][rng.usize(..2)]);
        let short = !call && rng.u32(..3) == 0;
        let count = if call { 1 } else { rng.usize(1..9) };
        let mut nature = || match rng.u32(..30 * (4 - violence)) {
            0 | 1 if violence > 0 => Nature::Crashes,
            2 | 3 if timeout.is_some() => Nature::Hangs,
            4..=6 => Nature::Lasts(MS * [3, 12, 40][rng.usize(..3)]),
            _ => Nature::Lasts(MS / [10_000, 1000, 20, 3][rng.usize(..4)]),
        };
        let items = (0..count).map(|_| nature()).collect();
        Self {
            items,
            call,
            merged: !call && rng.u32(..5) == 0,
            fixed: !call && rng.u32(..5) == 0,
            watched: rng.u32(..6) == 0,
            needs_idle_worker: rng.u32(..8) == 0,
            short,
            pace: (short || rng.bool()).then(|| MS / [1000, 100][rng.usize(..2)]),
            timeout,
            retries: [0, 0, 1, 3][rng.usize(..4)],
        }
    }
}
